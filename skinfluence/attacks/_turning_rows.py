"""The training rows without which a prediction turns, by refits."""

import numpy as np

from skinfluence._sklearn import fit_rows
from skinfluence.retraining.engine import trainable


class TurningRows:
    """Refits of a classifier without some of its training rows.

    Parameters
    ----------
    fitted : classifier
        Trained on all rows, with ``estimator``, which is trained again.
    X, y : array-like
        Training rows and their labels.
    fit_params : dict
        Passed to ``fit``.
    seed : int
        Seed of the refits.
    """

    def __init__(self, fitted, X, y, fit_params, seed):
        self.fitted, self.X, self.y = fitted, X, y
        self.fit_params, self.seed = fit_params, seed
        self.labels = np.searchsorted(fitted.classes_, np.asarray(y).ravel())

    def head_that_turns(self, x, order, least, most):
        """Return the length of a head of a ranking whose removal turns a prediction.

        Parameters
        ----------
        x : array-like of shape (1, n_features)
            Test row.
        order : ndarray of int
            Training rows, in the order of removal.
        least, most : int
            Smallest and largest number of rows that is removed.

        Returns
        -------
        length : int or None
            The shortest one of at least ``least`` rows, if longer heads turn the
            prediction as well; None where ``most`` rows do not.
        """
        if most < 1:
            return None
        before = self.fitted.predict(x)[0]
        turned = max(1, least)
        kept = turned - 1
        while not self._turns(x, before, order[:turned]):
            if turned >= most:
                return None
            kept, turned = turned, min(2 * turned, most)
        while turned - kept > 1:
            middle = (kept + turned) // 2
            if self._turns(x, before, order[:middle]):
                turned = middle
            else:
                kept = middle
        return turned

    def _turns(self, x, before, removed):
        kept = np.delete(np.arange(len(self.labels)), removed)
        if len(np.unique(self.labels[kept])) < 2:
            return self.fitted.classes_[self.labels[kept[0]]] != before
        estimator = trainable(self.fitted.estimator, self.y)
        model = fit_rows(estimator, self.X, self.y, self.fit_params, kept, self.seed)
        return model.predict(x)[0] != before
