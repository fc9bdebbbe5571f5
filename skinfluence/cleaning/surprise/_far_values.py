r"""Values far from all others of their column: brought nearer, in the same order.

A number a thousand times too large makes the standard deviation of its column that of
this one cell: all other rows are then equal to a model that looks at distances. With m
the median of the column and s the median of :math:`|x - m|` over the values that are
not m, :math:`u = (x - m) / s` becomes

.. math:: sign(u) K (1 + \log(|u| / K)) \quad where \; |u| > K = 6

(four standard deviations of normal values) and all other values stay. Unlike a
quantile, s is not zero for columns of which most values are equal, and a column of two
values stays as it is.
"""

import numpy as np
import scipy.sparse as sp

K = 6.0


def nearer(X):
    """Bring far values nearer, column by column.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Numbers without missing ones. Of sparse matrices the median is taken to be zero.

    Returns
    -------
    X : ndarray of float64, or CSC matrix, of shape (n_samples, n_features)
        A new one.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.surprise._far_values import nearer
    >>> nearer(np.array([[1.0], [2.0], [3.0], [4.0], [4000.0]])).ravel().round(1)
    array([ 1. ,  2. ,  3. ,  4. , 66.9])
    """
    if sp.issparse(X):
        X = sp.csc_array(X, dtype=np.float64, copy=True)
        for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
            X.data[start:stop] = _nearer_to(0.0, X.data[start:stop])
        return X
    X = np.array(X, dtype=np.float64, order="F")
    for column in X.T:
        column[:] = _nearer_to(np.median(column), column)
    return X


def _nearer_to(centre, x):
    moves = x - centre
    away = np.abs(moves)
    if not away.any():
        return x
    limit = K * np.median(away[away > 0])
    far = away > limit
    if not far.any():
        return x
    x = x.copy()
    x[far] = centre + np.sign(moves[far]) * limit * (1 + np.log(away[far] / limit))
    return x
