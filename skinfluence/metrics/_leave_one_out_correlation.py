"""Correlation of influences with leave-one-out."""

from skinfluence.metrics._correlation import row_correlations
from skinfluence.metrics._inputs import matrix_pair


def leave_one_out_correlation(
    influence, truth, *, X=None, y=None, method="spearman", average=True
):
    r"""Correlation of influences with the ground truth, over the training rows.

    For each test row t, :math:`\rho_i(I(i, t), T(i, t))` with T the ground truth,
    usually exact leave-one-out. 1: the same order ("spearman") or the same numbers up
    to a factor and a constant ("pearson"); 0: unrelated. No unit.

    **When it fails.** If the ground truth is smaller than the noise of the solver or of
    training, a low correlation does not mean that ``influence`` is wrong: compare with
    `reseeding_stability` of the ground truth.

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        The influences to evaluate.
    truth : fitted influence estimator or array-like of shape (n_test, n_train)
        The ground truth, for instance a `LeaveOneOutInfluence`.
    X : array-like of shape (n_test, n_features), default=None
        The test rows; needed if one of the two is an estimator.
    y : array-like of shape (n_test,), default=None
        Their true values.
    method : {"spearman", "pearson"}, default="spearman"
        Correlation of ranks, or of the values.
    average : bool, default=True
        Whether to return the mean over the test rows.

    Returns
    -------
    correlation : float or ndarray of shape (n_test,)
        Between -1 and 1; a test row with constant influences counts as 0.

    See Also
    --------
    linear_datamodeling_score : The same for subsets instead of single rows.

    References
    ----------
    .. [1] P. W. Koh, P. Liang, "Understanding Black-box Predictions via Influence
       Functions", ICML 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
    >>> from skinfluence.metrics import leave_one_out_correlation
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X, X_test, y, y_test = X[:400], X[400:], y[:400], y[400:]
    >>> first_order = InfluenceFunctions(Ridge()).fit(X, y)
    >>> exact = LeaveOneOutInfluence(Ridge()).fit(X, y)
    >>> r = leave_one_out_correlation(first_order, exact, X=X_test, y=y_test)
    >>> round(r, 3)
    1.0
    """
    if method not in ("spearman", "pearson"):
        raise ValueError(
            f"The 'method' parameter must be 'spearman' or 'pearson'. Got {method!r}."
        )
    pair = matrix_pair(influence, truth, "truth", X, y)
    scores = row_correlations(*pair, rank=method == "spearman")
    return float(scores.mean()) if average else scores
