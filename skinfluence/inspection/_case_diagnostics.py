"""Classical diagnostics of rows and clusters: Cook's distance and its relatives."""

from skinfluence._collections import is_collection
from skinfluence._group_masks import group_codes
from skinfluence.inspection._cluster_diagnostics import cluster_diagnostics
from skinfluence.inspection._coefficient_diagnostics import coefficient_diagnostics
from skinfluence.inspection._coefficient_moves import (
    Clusters,
    SingleRows,
    moves_without,
)
from skinfluence.inspection._diagnostics_frame import diagnostics_frame, stacked
from skinfluence.inspection._fitted_estimator import (
    read_estimator,
    warn_if_other_rows,
)
from skinfluence.inspection._fitted_statsmodels import is_statsmodels, read_results
from skinfluence.inspection._row_diagnostics import row_diagnostics
from skinfluence.inspection._working_model import WorkingModel, has_working_model


def case_diagnostics(
    estimator, X=None, y=None, *, sample_weight=None, groups=None, step="exact"
):
    r"""Leverage, Cook's distance, DFFITS, DFBETAS and studentized residuals of rows.

    What the removal of each row, or of each cluster of rows, does to the coefficients
    and to the predictions of a model with a linear predictor, in units of standard
    errors. With
    design rows :math:`x_i` (the intercept is a column of ones), sample weights
    :math:`s_i`, penalty :math:`\theta^\top R \theta / 2`, working weights
    :math:`w_i` (:math:`s_i` for least squares; for other models :math:`s_i` times
    the Fisher information about the linear predictor :math:`\eta_i`), Hessian
    :math:`H = \sum_j w_j x_j x_j^\top + R`, Pearson residuals :math:`r_i`
    (:math:`\sqrt{s_i} (y_i - \hat y_i)` for least squares) and coefficients
    :math:`\theta_{(i)}` without row i:

    ==========================  =================================================
    leverage                    :math:`h_i = w_i x_i^\top H^{-1} x_i`, from 0 to 1
    n_parameters                :math:`p = \sum_i h_i`: the number of coefficients;
                                with a penalty, effective degrees of freedom
    scale                       :math:`\phi = \sum_i r_i^2 / (n - p)`; 1 for
                                logistic and Poisson regression
    resid_studentized_internal  :math:`r_i / \sqrt{\phi (1 - h_i)}`
    resid_studentized_external  :math:`r_i / \sqrt{\phi_{(i)} (1 - h_i)}`
    cooks_distance              :math:`\sum_j w_j (\eta_j - \eta_{j(i)})^2 / (p \phi)`
    dffits                      :math:`(\eta_i - \eta_{i(i)}) /
                                \sqrt{\phi_{(i)} x_i^\top H^{-1} x_i}`
    dfbeta                      :math:`\theta_k - \theta_{k(i)}`
    dfbetas                     :math:`(\theta_k - \theta_{k(i)}) /
                                \sqrt{\phi_{(i)} (H^{-1})_{kk}}`
    cov_ratio                   :math:`\det(\phi_{(i)} H_{(i)}^{-1}) /
                                \det(\phi H^{-1})`, least squares only
    std_errors                  :math:`\sqrt{\phi (H^{-1})_{kk}}`
    jackknife_std_errors        :math:`\sqrt{\frac{n - 1}{n}
                                \sum_i (\theta_k - \theta_{k(i)})^2}`
    ==========================  =================================================

    **Sign.** As in statsmodels and R: with the row minus without it. Positive DFFITS:
    the row raises its own prediction; positive DFBETAS: it raises the coefficient.
    (An influence is a loss, and has its own sign: positive = the row helped.)
    **Unit.** Standard errors, of the full model for Cook's distance, with the
    variance :math:`\phi_{(i)}` without the row for DFFITS and DFBETAS.

    Least squares without penalty agrees with statsmodels and R; weights act as in
    WLS, as if each row and its target were multiplied by :math:`\sqrt{s_i}`, and rows
    of weight zero do not count in n. For ridge, H is the Hessian with the penalty:
    leverages are the diagonal of the ridge hat matrix, :math:`\phi H^{-1}` stands in
    for the covariance, and :math:`\phi_{(i)}` is estimated from the model that is
    left, with its own effective degrees of freedom. For gamma and Tweedie regression
    :math:`\phi_{(i)}` is that of the working least squares, a first-order estimate.

    **Clusters.** With ``groups`` all rows of a label g leave together: the leverage of
    a cluster is the sum of its rows', :math:`\mathrm{tr}(H_{gg})`, Cook's distance and
    DFBETAS are as above with (g) for (i), and ``jackknife_std_errors`` are those of the
    cluster jackknife, CV3 [4]_, which allows rows of a cluster to depend on each other.

    **Other linear models.** Of lasso and elastic net, Huber's regression, logistic
    regression with an L1 penalty and linear support vector machines, which have no
    leverage or standard errors of their own, dfbeta and dfbetas are reported, in units
    of the jackknife's standard errors; so they are of linear discriminant analysis, of
    more than two classes for coefficients less their mean over the classes, which no
    prediction depends on. Of multinomial regression the same, in units of
    ``std_errors``. Models of single classes (quadratic discriminants, naive Bayes,
    nearest centroids) are refused: a row changes the parameters of its own class alone.

    **statsmodels.** Results of OLS, WLS and GLM hold their rows, offset, exposure and
    weights; coefficients are in their order. ``var_weights`` and the weights of WLS are
    precisions. A row of ``freq_weights`` f stands for f observations, which leave
    together: they count in n, and leverage and residual are those of all of them (the
    residual :math:`\sqrt f` times that of one). For families and links without a
    certified removal steps are taken until they are nothing beside the standard errors.

    **dask.** X and y may be dask arrays or dataframes, with the linear models that
    `LeaveOneOutInfluence` takes with them, behind fitted steps of any kind. Two passes
    over the table compute the arrays that have a number per row. ``dfbeta`` and
    ``dfbetas`` are then dask arrays, and ``frame`` is a dask dataframe with the
    partitions and the index of X; both are computed when they are needed. Coefficients
    without a row are those of linear predictors within 1e-8 of the optimum. Rows of
    leverage one, clusters, and several classes of logistic regression are refused.

    **Cost.** O(n p^2) for least squares and one steps, memory O(n p). Exact steps of
    other models as in `LeaveOneOutInfluence`: about a fit, a few chord steps of
    O(n p) per row more. Clusters of other models cost some fits from a near start.

    **When it fails.** Two rows with the same mistake hide each other: each is well
    predicted without the other one alone. Penalties bound what a row can do, and
    with strong ones a large Cook's distance is not to be expected.

    Parameters
    ----------
    estimator : fitted estimator, or results of statsmodels
        A linear model of scikit-learn that loses rows exactly, with any number of
        outputs or classes, or a Pipeline ending in one; or results of OLS, WLS or GLM.
        Fitted steps of a Pipeline and a chosen penalty are held fixed, and the
        diagnostics are about the transformed columns.
    X : array-like of shape (n_samples, n_features), default=None
        The rows it was fitted on, all of them. Diagnostics are about the optimum for
        the rows given: others, or other weights, get a warning once that is far from
        the fitted model. Not for results of statsmodels, which hold their rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Their targets. Class 1 of a model of two classes is ``classes_[1]``.
    sample_weight : array-like of shape (n_samples,), default=None
        The weights it (the last step of a Pipeline) was fitted with.
    groups : array-like of shape (n_samples,), default=None
        Labels of clusters that leave as a whole, none of them missing; None: every
        row alone.
    step : {"exact", "one_step"}, default="exact"
        How the coefficients without a row are found: the exact optimum without it,
        or one step of Fisher scoring towards it (Pregibon), as in statsmodels'
        ``get_influence(observed=False)`` and R's ``cooks.distance``. The same for
        least squares; a Newton step for models that are no likelihood.

    Returns
    -------
    diagnostics : :class:`~sklearn.utils.Bunch`
        Arrays in the order of the rows of X, or of ``groups``, all finite but where
        said so below. Of several linear predictors (outputs, classes) they have one
        more axis, behind that of the rows.

        leverage : ndarray of shape (n_samples,)
            Diagonal of the hat matrix.
        resid_studentized_internal : ndarray of shape (n_samples,)
            Pearson residuals over their standard errors. Not of clusters.
        resid_studentized_external : ndarray of shape (n_samples,)
            The same, with the variance estimated without the row. Not of clusters.
        cooks_distance : ndarray of shape (n_samples,)
            Squared distance by which all predictions move.
        dffits : ndarray of shape (n_samples,)
            Change of the row's own linear predictor. Not of clusters.
        dfbeta : ndarray of shape (n_samples, n_coefficients)
            Changes of ``coef_``, followed by ``intercept_`` if it is fitted.
        dfbetas : ndarray of shape (n_samples, n_coefficients)
            The same in standard errors.
        cov_ratio : ndarray of shape (n_samples,)
            Least squares only. Below 1: without the row, coefficients would be known
            more precisely. Not of clusters.
        std_errors : ndarray of shape (n_coefficients,)
            Standard errors of the coefficients by the model. Penalties count as they
            do in H.
        jackknife_std_errors : ndarray of shape (n_coefficients,)
            Standard errors by the differences that rows, or clusters, make.
        scale : float
            Estimated variance of a Pearson residual.
        n_parameters : float
            Sum of the leverages.
        groups : ndarray of shape (n_groups,)
            Only of clusters: their labels, sorted.
        frame : DataFrame
            All arrays that have an entry per row, DFBETA and DFBETAS a column for each
            coefficient by its name (``dfbetas_age``). Its index is that of X, or of the
            data of statsmodels, where they have one, or the labels of the clusters.
            None where pandas is not installed.

    Raises
    ------
    UnsupportedEstimator
        A TypeError, for models without a linear predictor and settings that have no
        such algebra, and for other models of statsmodels and penalised fits of it.

    See Also
    --------
    LeaveOneOutInfluence : What removal does to losses, for any model;
        ``self_influence()`` is the nearest thing to Cook's distance there.

    Notes
    -----
    A row of leverage one (it alone determines a coefficient) is fitted perfectly
    whatever its target. Its studentized residuals are 0 by definition here and its
    ``cov_ratio`` is infinite. The estimator is refitted without it, so that Cook's
    distance, DFFITS and DFBETAS are about the solution that scikit-learn chooses
    among those that are left. Rows without which classes become separable and no
    finite optimum exists are refitted as well. Without the only row of its class no
    model can be fitted: Cook's distance, DFFITS and the intercept's DFBETAS are then
    infinite for ``step="exact"``; of more than two classes DFBETAS are NaN, as they are
    where statsmodels cannot fit what is left.

    References
    ----------
    .. [1] R. D. Cook, "Detection of Influential Observation in Linear Regression",
       Technometrics 19(1), 1977.
    .. [2] D. A. Belsley, E. Kuh, R. E. Welsch, "Regression Diagnostics: Identifying
       Influential Data and Sources of Collinearity", Wiley, 1980.
    .. [3] D. Pregibon, "Logistic Regression Diagnostics", Annals of Statistics 9(4),
       1981.
    .. [4] J. G. MacKinnon, M. O. Nielsen, M. D. Webb, "Leverage, influence, and the
       jackknife in clustered regression models: reliable inference using summclust",
       Stata Journal 23(4), 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skinfluence import case_diagnostics
    >>> X, y = load_diabetes(return_X_y=True)
    >>> diagnostics = case_diagnostics(LinearRegression().fit(X, y), X, y)
    >>> rows = diagnostics.cooks_distance.argsort()[::-1][:3]
    >>> rows
    array([382, 123, 169])
    >>> diagnostics.cooks_distance[rows].round(4)
    array([0.0245, 0.0213, 0.0196])
    """
    if step not in ("exact", "one_step"):
        raise ValueError(
            f"The 'step' parameter must be 'exact' or 'one_step'. Got {step!r}."
        )
    if is_collection(X, y, sample_weight):
        return _of_collections(estimator, X, y, sample_weight, groups, step)
    fitted = _read(estimator, X, y, sample_weight)
    full, n = fitted.full, len(fitted.full.design.rows)
    removals = SingleRows(n) if groups is None else _clusters(groups, n)
    bases = None
    if has_working_model(full):
        bases = [WorkingModel(fitted, k) for k in range(len(full.theta))]
    spread = (full.design.rows @ full.theta.T).std()
    squared = bases is not None and bases[0].squared
    warn_if_other_rows(full.design.estimator, full.optimum_distance, spread, squared)
    moves, alone = moves_without(fitted, removals, step, bases)
    if bases is None:
        out = coefficient_diagnostics(fitted, moves, alone, removals)
    else:
        rest = () if groups is None else (removals,)
        diagnose = row_diagnostics if groups is None else cluster_diagnostics
        each = [
            diagnose(full.design, base, moves[:, k], alone, *rest)
            for k, base in enumerate(bases)
        ]
        out = each[0] if len(each) == 1 else stacked(each)
    index = fitted.index
    if groups is not None:
        out.groups = index = removals.labels
    out.frame = diagnostics_frame(out, index, fitted.names, fitted.outputs)
    return out


def _of_collections(estimator, X, y, sample_weight, groups, step):
    if groups is not None:
        raise ValueError(
            "The 'groups' parameter must be None for dask collections: pass arrays "
            "that fit into memory, or leave it out."
        )
    if is_statsmodels(estimator) or y is None:
        return _read(estimator, X, y, sample_weight)  # which is refused
    from skinfluence.inspection._block_diagnostics import block_diagnostics

    return block_diagnostics(estimator, X, y, sample_weight, step)


def _read(estimator, X, y, sample_weight):
    if not is_statsmodels(estimator):
        if X is None or y is None:
            raise ValueError(
                "X and y must be the rows that the estimator was fitted on; only "
                f"results of statsmodels hold them. Got {type(estimator).__name__} "
                f"without {'X' if X is None else 'y'}."
            )
        return read_estimator(estimator, X, y, sample_weight)
    given = {"X": X, "y": y, "sample_weight": sample_weight}
    given = [name for name, value in given.items() if value is not None]
    if given:
        raise ValueError(
            f"Results of statsmodels hold their rows and weights. Got {given} as well: "
            "leave them out."
        )
    return read_results(estimator)


def _clusters(groups, n):
    clusters = Clusters(*group_codes(groups, n))
    if clusters.n_removals < 2:
        raise ValueError(
            "The 'groups' parameter must have two different labels or more. Got "
            f"{clusters.labels[0]!r} for every row."
        )
    return clusters
