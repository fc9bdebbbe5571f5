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
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

K = 6.0


class Nearer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring far values nearer, column by column.

    Medians are those of the rows of ``fit``, so that a row does not depend on others
    that are transformed with it. For sparse matrices m is taken to be zero.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.surprise._far_values import Nearer
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [4000.0]])
    >>> Nearer().fit_transform(X).ravel().round(1)
    array([ 1. ,  2. ,  3. ,  4. , 66.9])
    """

    def fit(self, X, y=None):
        """Learn the median and the limit of every column."""
        if sp.issparse(X):
            X = sp.csc_array(X)
            stored = zip(X.indptr[:-1], X.indptr[1:], strict=True)
            columns = [X.data[start:stop] for start, stop in stored]
            centres = np.zeros(X.shape[1])
        else:
            columns = np.asarray(X, dtype=np.float64).T
            centres = [np.median(column) for column in columns]
        self.n_features_in_ = X.shape[1]
        self.centre_ = np.array(centres, dtype=np.float64)
        self.limit_ = np.array(
            [_limit(x, m) for x, m in zip(columns, self.centre_, strict=True)]
        )
        return self

    def transform(self, X):
        """Return a new array of float64, or CSC matrix, of the shape of X."""
        learnt = zip(self.centre_, self.limit_, strict=True)
        if sp.issparse(X):
            X = sp.csc_array(X, dtype=np.float64, copy=True)
            for (m, limit), start, stop in zip(
                learnt, X.indptr[:-1], X.indptr[1:], strict=True
            ):
                X.data[start:stop] = _nearer_to(m, limit, X.data[start:stop])
            return X
        X = np.array(X, dtype=np.float64, order="F")
        for (m, limit), column in zip(learnt, X.T, strict=True):
            column[:] = _nearer_to(m, limit, column)
        return X


def _limit(x, centre):
    away = np.abs(x - centre)
    return K * np.median(away[away > 0]) if away.any() else np.inf


def _nearer_to(centre, limit, x):
    moves = x - centre
    away = np.abs(moves)
    far = away > limit
    if not far.any():
        return x
    x = x.copy()
    # The quotient itself may exceed the largest float.
    beyond = np.log(away[far]) - np.log(limit)
    x[far] = centre + np.sign(moves[far]) * limit * (1 + beyond)
    return x
