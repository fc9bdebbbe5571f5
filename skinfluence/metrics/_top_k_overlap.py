"""Agreement of the most influential training rows."""

from numbers import Integral

import numpy as np

from skinfluence.metrics._inputs import influence_matrix, matrix_pair


def top_k_overlap(influence, other, *, k=10, X=None, y=None, average=True):
    r"""Share of the k most influential training rows that two attributions share.

    For each test row :math:`|A \cap B| / k`, with A and B the k training rows of the
    largest influence: of two methods, of two seeds, or of a method and of the ground
    truth. 1: the same rows; by chance it is :math:`k / n_{train}`. No unit.

    **When it fails.** Of equal influences the first rows are taken, so that methods
    with fewer than k influences above zero, as of nearest neighbours, share rows that
    neither of them chose: use a smaller k.

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        The one attribution; positive means that the training row made the prediction
        better.
    other : fitted influence estimator or array-like of shape (n_test, n_train)
        The other one, for the same rows.
    k : int, default=10
        Number of training rows for each test row.
    X : array-like of shape (n_test, n_features), default=None
        Test rows; needed if one of the two is an estimator.
    y : array-like of shape (n_test,), default=None
        Their true values.
    average : bool, default=True
        Whether to return the mean over the test rows.

    Returns
    -------
    overlap : float or ndarray of shape (n_test,)
        Between 0 and 1.

    See Also
    --------
    top_k_cardinality : Between the test rows of one attribution.
    reseeding_stability : Correlation over all training rows.

    Examples
    --------
    >>> from skinfluence.metrics import top_k_overlap
    >>> top_k_overlap([[3.0, 2.0, 1.0]], [[3.0, 0.0, 1.0]], k=2)
    0.5
    """
    pair = matrix_pair(influence, other, "other", X, y)
    one, two = (_top(matrix, k) for matrix in pair)
    shares = (one & two).sum(axis=1) / k
    return float(shares.mean()) if average else shares


def top_k_cardinality(influence, *, k=1, X=None, y=None):
    """Share of distinct rows among the k most influential rows of all test rows.

    Low: the same few training rows, for instance those of the largest loss, are the
    most influential ones whatever is asked. High: attributions depend on the test row.

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        Positive means that the training row made the prediction better.
    k : int, default=1
        Number of training rows for each test row. Of equal influences the first are
        taken.
    X : array-like of shape (n_test, n_features), default=None
        Test rows; needed if ``influence`` is an estimator.
    y : array-like of shape (n_test,), default=None
        Their true values.

    Returns
    -------
    cardinality : float
        Number of distinct rows over ``n_test * k``, from ``1 / n_test`` to 1; at most
        ``n_train / (n_test * k)``.

    See Also
    --------
    top_k_overlap : Between two attributions.

    References
    ----------
    .. [1] E. Barshan, M.-E. Brunet, G. K. Dziugaite, "RelatIF: Identifying Explanatory
       Training Samples via Relative Influence", AISTATS 2020.

    Examples
    --------
    >>> from skinfluence.metrics import top_k_cardinality
    >>> top_k_cardinality([[3.0, 2.0, 1.0], [5.0, 1.0, 0.0]])
    0.5
    """
    top = _top(influence_matrix(influence, X, y), k)
    return float(top.any(axis=0).sum() / top.sum())


def _top(matrix, k):
    """Mark the k largest numbers of each row."""
    if not isinstance(k, Integral) or not 1 <= k <= matrix.shape[1]:
        raise ValueError(
            "The 'k' parameter must be an integer from 1 to "
            f"n_train={matrix.shape[1]}. Got {k!r}."
        )
    top, largest = np.zeros(matrix.shape, bool), np.argsort(-matrix, kind="stable")
    np.put_along_axis(top, largest[:, :k], True, axis=1)
    return top
