"""Datamodels: linear models of a test row's loss in the rows of the training subset."""

import numpy as np
from sklearn.linear_model import Lasso, LassoCV
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_is_fitted

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence._threads import Parallel


def datamodels(influence, X=None, y=None, *, alpha=None, cv=5, n_jobs=None):
    r"""Sparse linear regression of each test row's loss on the training rows in use.

    .. math:: \min_{w_t, b_t} \frac{1}{2K} \sum_k \Big(\ell_t(\hat\theta_{S_k}) - b_t
        + \sum_{i \in S_k} w_{ti}\Big)^2 + \alpha \sum_i |w_{ti}|

    over the K subsets of a fitted `DownsamplingInfluence`, without retraining anything.
    Positive: the row made the prediction better. Unit: the loss of one test row.
    The mean difference of `DownsamplingInfluence` estimates each row separately; a
    datamodel fits all rows jointly and sets to zero those that it cannot distinguish
    from noise.

    **Cost.** One lasso of K x n per test row, times 5 folds and a path of penalties
    where ``alpha`` is chosen.

    **When it fails.** Losses that are not additive in the rows, and too few subsets:
    the weights of hundreds of rows need hundreds of subsets.

    Parameters
    ----------
    influence : DownsamplingInfluence
        Fitted.
    X : array-like of shape (n_samples, n_features), default=None
        Test rows; None: those that ``influence`` was given as ``X_val``.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Their true values.
    alpha : float, default=None
        The penalty; None: chosen for each test row by cross-validation over subsets.
    cv : int, default=5
        Folds of subsets for that.
    n_jobs : int, default=None
        Number of test rows fitted in parallel; None obeys ``joblib.parallel_config``.

    Returns
    -------
    result : Bunch
        ``weights``, shape (n_samples, n_samples_fit_), to be read as an influence
        matrix; ``intercepts``, shape (n_samples,): the predicted loss of a subset S is
        the intercept minus the sum of the weights of S; ``alphas``, shape
        (n_samples,).

    See Also
    --------
    DownsamplingInfluence : The retrainings, and the mean difference.

    References
    ----------
    .. [1] A. Ilyas, S. M. Park, L. Engstrom, G. Leclerc, A. Madry, "Datamodels:
       Predicting Predictions from Training Data", ICML 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import DownsamplingInfluence, datamodels
    >>> X, y = load_diabetes(return_X_y=True)
    >>> downsampling = DownsamplingInfluence(Ridge(), random_state=0)
    >>> downsampling = downsampling.fit(X[:50], y[:50])
    >>> result = datamodels(downsampling, X[50:53], y[50:53])
    >>> result.weights.shape
    (3, 50)
    """
    if not hasattr(influence, "subset_losses"):
        raise TypeError(
            "The 'influence' parameter must be a fitted DownsamplingInfluence, which "
            f"holds the retrained models. Got {influence!r:.60}: pass "
            "DownsamplingInfluence(model).fit(X_train, y_train)."
        )
    check_is_fitted(influence)
    pool = influence.subset_losses(X, y)
    design = pool.masks.astype(np.float64)
    fits = Parallel(n_jobs=n_jobs)(
        delayed(_fit)(design, losses, alpha, cv) for losses in pool.losses.T
    )
    weights, intercepts, alphas = zip(*fits, strict=True)
    return ShownBunch(
        weights=np.stack(weights),
        intercepts=np.array(intercepts),
        alphas=np.array(alphas),
    )


# All subsets have the same size, so that only the penalty determines the common
# constant of the weights, a direction in which coordinate descent converges slowly.
_SOLVER = {"tol": 1e-7, "max_iter": 100_000}


def _fit(design, losses, alpha, cv):
    scale = losses.std()
    if scale == 0:  # the losses are constant
        return np.zeros(design.shape[1]), losses[0], 0.0
    if alpha is None:
        model = LassoCV(cv=cv, **_SOLVER).fit(design, losses / scale)
        chosen = model.alpha_
    else:
        chosen = alpha / scale
        model = Lasso(alpha=chosen, **_SOLVER).fit(design, losses / scale)
    return -scale * model.coef_, scale * model.intercept_, scale * chosen
