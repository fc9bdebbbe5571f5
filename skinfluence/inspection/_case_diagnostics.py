"""Classical diagnostics of single rows: leverage, Cook's distance and relatives."""

import re
import warnings

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch, indexable
from sklearn.utils.validation import check_is_fitted

from skinfluence._sklearn import final_estimator, n_rows, preprocess, take_rows
from skinfluence._targets import check_targets
from skinfluence.inspection._working_model import WorkingModel
from skinfluence.removal import UnsupportedEstimator, refuse_samplers, removal_model
from skinfluence.removal._objective import has_objective
from skinfluence.removal.linear._class_weight import Balanced
from skinfluence.removal.linear._quadratic import Quadratic
from skinfluence.removal.smooth._smooth import Smooth

# Largest distance of the fitted model's linear predictors from those at the optimum for
# the rows given, in standard deviations: solvers of least squares stop at less than a
# thousandth, others at a few hundredths; one row of 400 less makes a hundredth.
NEAR_SQUARED, NEAR = 0.005, 0.05
# Certified error of the linear predictor without a row, for step="exact".
TOLERANCE = 1e-11


def case_diagnostics(estimator, X, y, *, sample_weight=None, step="exact"):
    r"""Leverage, Cook's distance, DFFITS, DFBETAS and studentized residuals of rows.

    What the removal of each row does to the coefficients and to the row's own
    prediction of a model with a linear predictor, in units of standard errors. With
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
    dfbetas                     :math:`(\theta_k - \theta_{k(i)}) /
                                \sqrt{\phi_{(i)} (H^{-1})_{kk}}`
    cov_ratio                   :math:`\det(\phi_{(i)} H_{(i)}^{-1}) /
                                \det(\phi H^{-1})`, least squares only
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

    **Cost.** O(n p^2) for least squares and one steps, memory O(n p). Exact steps of
    other models as in `LeaveOneOutInfluence`: about a fit, a few chord steps of
    O(n p) per row more.

    **When it fails.** Two rows with the same mistake hide each other: each is well
    predicted without the other one alone. Penalties bound what a row can do, and
    with strong ones a large Cook's distance is not to be expected.

    Parameters
    ----------
    estimator : fitted estimator
        LinearRegression, Ridge, RidgeCV, RidgeClassifier, LogisticRegression without
        L1 penalty, PoissonRegressor, GammaRegressor or TweedieRegressor, with one
        output or two classes; or a Pipeline ending in one. Fitted steps of a
        Pipeline and a chosen penalty are held fixed, and the diagnostics are about
        the transformed columns.
    X : array-like of shape (n_samples, n_features)
        The rows it was fitted on, all of them. Diagnostics are about the optimum for
        the rows given: others, or other weights, get a warning once that is far from
        the fitted model.
    y : array-like of shape (n_samples,)
        Their targets. Class 1 of RidgeClassifier and LogisticRegression is
        ``classes_[1]``.
    sample_weight : array-like of shape (n_samples,), default=None
        The weights it (the last step of a Pipeline) was fitted with.
    step : {"exact", "one_step"}, default="exact"
        How the coefficients without a row are found: the exact optimum without it,
        or one step of Fisher scoring towards it (Pregibon), as in statsmodels'
        ``get_influence(observed=False)`` and R's ``cooks.distance``. The same for
        least squares.

    Returns
    -------
    diagnostics : :class:`~sklearn.utils.Bunch`
        Arrays in the order of the rows of X, all finite but where said so below.

        leverage : ndarray of shape (n_samples,)
            Diagonal of the hat matrix.
        resid_studentized_internal : ndarray of shape (n_samples,)
            Pearson residuals over their standard errors.
        resid_studentized_external : ndarray of shape (n_samples,)
            The same, with the variance estimated without the row.
        cooks_distance : ndarray of shape (n_samples,)
            Squared distance by which all predictions move.
        dffits : ndarray of shape (n_samples,)
            Change of the row's own linear predictor.
        dfbetas : ndarray of shape (n_samples, n_coefficients)
            Changes of ``coef_``, followed by ``intercept_`` if it is fitted.
        cov_ratio : ndarray of shape (n_samples,)
            Least squares only. Below 1: without the row, coefficients would be known
            more precisely.
        scale : float
            Estimated variance of a Pearson residual.
        n_parameters : float
            Sum of the leverages.

    Raises
    ------
    UnsupportedEstimator
        A TypeError, for models without a linear predictor and settings that have no
        such algebra.

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
    infinite for ``step="exact"``.

    References
    ----------
    .. [1] R. D. Cook, "Detection of Influential Observation in Linear Regression",
       Technometrics 19(1), 1977.
    .. [2] D. A. Belsley, E. Kuh, R. E. Welsch, "Regression Diagnostics: Identifying
       Influential Data and Sources of Collinearity", Wiley, 1980.
    .. [3] D. Pregibon, "Logistic Regression Diagnostics", Annals of Statistics 9(4),
       1981.

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
    check_is_fitted(estimator)
    X, y, sample_weight = indexable(X, y, sample_weight)
    refuse_samplers(estimator)
    X, estimator = preprocess(estimator, X), final_estimator(estimator)
    _check_target(estimator, y)
    with warnings.catch_warnings():
        # Of what else the reason may be, only this function knows.
        warnings.filterwarnings("ignore", ".*stopped early", ConvergenceWarning)
        model, full = _removal_model(estimator, X, y, sample_weight)
    base = WorkingModel(full)
    _warn_if_other_rows(estimator, full, base.squared)
    unresolved = np.flatnonzero(base.full)
    if step == "one_step" and not isinstance(model, Quadratic):
        moves = base.one_steps()
    else:
        removals = model.exact(TOLERANCE)
        moves = removals.displacements(np.arange(len(base.w)))[:, 0]
        unresolved = removals.unresolved
    fitted = full.theta[0]
    alone = []
    for i in unresolved:
        theta = _refitted(estimator, full.design, X, y, sample_weight, i)
        if theta is None:  # the intercept alone would go to infinity
            alone.append(i)
            theta = np.zeros_like(fitted)
        moves[i] = theta - fitted
    return _bunch(full.design, base, moves, np.array(alone, dtype=np.intp))


def _removal_model(estimator, X, y, sample_weight):
    """Return the model that loses rows, and the one with all and one predictor."""
    try:
        # Standard errors are those of features, not of directions.
        columns = {"keep_columns": True} if has_objective(estimator) else {}
        model = removal_model(estimator, X, y, sample_weight, **columns)
        reason = "its loss is not the likelihood of such a model"
    except UnsupportedEstimator as error:
        # without the advice, which is about removal
        model, reason = None, re.split(" Supported: | Use ", str(error))[0].rstrip(".")
    full = model.full if isinstance(model, Balanced) else model
    if isinstance(full, Quadratic | Smooth):
        if len(full.theta) == 1:
            return model, full
        reason = f"it has {len(full.theta)} linear predictors, fit one at a time"
    raise UnsupportedEstimator(
        "Case diagnostics are defined for LinearRegression, Ridge, RidgeCV, "
        "RidgeClassifier, LogisticRegression (with L2 penalty or none), "
        "PoissonRegressor, GammaRegressor and TweedieRegressor, with one output or two "
        f"classes, and Pipelines that end in one. Got {estimator!r:.200}: {reason}. "
        "For any model, LeaveOneOutInfluence(estimator).fit(X, y).self_influence() "
        "tells what a row does to its own loss."
    )


def _check_target(estimator, y):
    check_targets(y)
    if not is_classifier(estimator):
        return
    unknown = np.setdiff1d(np.asarray(y), estimator.classes_)
    if unknown.size:
        raise ValueError(
            f"y must hold the classes of the fitted estimator, "
            f"{estimator.classes_[:10].tolist()}. Got {unknown[:10].tolist()} as well: "
            "X and y must be the rows that it was fitted on."
        )


def _warn_if_other_rows(estimator, full, squared):
    spread = (full.design.rows @ full.theta.T).std()
    if full.optimum_distance <= (NEAR_SQUARED if squared else NEAR) * spread + 1e-6:
        return
    warnings.warn(
        f"{type(estimator).__name__} is not at the optimum of its objective for the X, "
        f"y and sample_weight given: its linear predictors are up to "
        f"{full.optimum_distance:.2g} away (their standard deviation is {spread:.2g}). "
        "If it was fitted on other rows or with other weights, pass those; if its "
        "solver stopped early, lower tol or raise max_iter. The diagnostics are about "
        "the optimum.",
        ConvergenceWarning,
        stacklevel=3,
    )


def _refitted(estimator, design, X, y, sample_weight, i):
    """Coefficients of the estimator without row i, or None where it has no answer."""
    kept = np.delete(np.arange(n_rows(X)), i)
    y = take_rows(y, kept)
    if is_classifier(estimator) and len(np.unique(np.asarray(y))) == 1:
        return None
    params = {}
    if sample_weight is not None:
        params["sample_weight"] = take_rows(sample_weight, kept)
    with warnings.catch_warnings():
        # Of a separable set: there is nothing to converge to.
        warnings.simplefilter("ignore", ConvergenceWarning)
        left = clone(estimator).fit(take_rows(X, kept), y, **params)
    return design.coefficients(left.coef_, left.intercept_)[0]


def _bunch(design, base, moves, alone):
    """Turn moves of the coefficients into diagnostics."""
    deviation = np.sqrt(base.scale_without)
    standardised = np.where(base.full, 0.0, base.residual) / np.sqrt(base.gap)
    gram = np.linalg.qr(np.sqrt(base.w)[:, None] * design.rows, mode="r")
    cooks = ((moves @ gram.T) ** 2).sum(axis=1)
    own = -np.einsum("ij,ij->i", design.rows, moves)
    own[alone] = np.inf * np.sign(base.residual[alone])
    cooks[alone] = np.inf
    coef_moves = design.to_coef(moves)
    if design.intercept:
        coef_moves[alone, -1] = -own[alone]
    errors = np.sqrt((design.to_coef(base.root.T) ** 2).sum(axis=0))
    own_errors = np.sqrt(np.einsum("ij,ij->i", base.Z, base.Z))
    out = Bunch(
        leverage=base.leverage,
        resid_studentized_internal=_ratio(standardised, np.sqrt(base.scale)),
        resid_studentized_external=_ratio(standardised, deviation),
        cooks_distance=_ratio(cooks, base.n_parameters * base.scale),
        dffits=_ratio(own, deviation * own_errors),
        dfbetas=_ratio(-coef_moves, deviation[:, None] * errors),
        scale=float(base.scale),
        n_parameters=float(base.n_parameters),
    )
    if base.squared:
        variance = _ratio(base.scale_without, base.scale) ** base.root.shape[1]
        out.cov_ratio = np.where(base.full, np.inf, variance / base.gap)
    return out


def _ratio(numerator, denominator):
    """Divide; nothing over nothing is zero, as in a model that fits perfectly."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.divide(numerator, denominator)
    return np.where(np.asarray(numerator) == 0, 0.0, out)
