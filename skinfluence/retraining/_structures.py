"""Tree structures over which influence is averaged: models and their removals."""

import numpy as np
from sklearn.utils import indexable

from skinfluence._sklearn import preprocess


class Structure:
    """The removals of one fitted model, for test rows as the estimator takes them."""

    def __init__(self, model, rows, removals):
        self.model, self.rows, self.removals = model, rows, removals
        self.width = int(removals.trees.offsets[-1])

    def influence(self, X, y, loss):
        (X,) = indexable(preprocess(self.model, X))
        return self.removals.influence(X, y, loss)

    def mean_influence(self, X, y, loss, weight):
        (X,) = indexable(preprocess(self.model, X))
        return self.removals.mean_influence(X, y, loss, weight)

    def own_influence(self, y, loss):
        return self.removals.own_influence(y[self.rows], loss)


class Structures(list):
    """Structures that were each trained on some of the ``n`` rows, or on all."""

    def __init__(self, structures, n):
        super().__init__(structures)
        self.n = n

    def mean(self, ask, n_asked=1):
        """Mean over the structures that hold a row, and its standard error.

        Parameters
        ----------
        ask : callable
            Takes a structure, returns influences of its rows, (n_asked, n_rows).
        n_asked : int, default=1
            Test rows.

        Returns
        -------
        mean, error : ndarray of shape (n_asked, n)
        """
        total, squares = np.zeros((n_asked, self.n)), np.zeros((n_asked, self.n))
        count = np.zeros(self.n)
        for structure in self:
            said = np.atleast_2d(ask(structure))
            count[structure.rows] += 1
            # Updated as a running mean, which avoids cancellation of squares.
            step = said - total[:, structure.rows]
            total[:, structure.rows] += step / count[structure.rows]
            squares[:, structure.rows] += step * (said - total[:, structure.rows])
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.sqrt(squares / ((count - 1) * count))
        return total, np.where(count > 1, error, np.inf)
