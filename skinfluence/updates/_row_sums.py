"""The interface of sums over the rows of a fitted model: `RowSums`."""

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from sklearn.base import is_classifier

# Sums of squares, and counts, of which less than this share of the largest that they
# have been is left have lost too many digits to subtractions.
REMAINS = 1e-2


class RowSums(ABC):
    """Sums over the rows of a fitted estimator, of which it is a function.

    They are not changed in place, so that a change that fails leaves nothing behind.

    Attributes
    ----------
    estimator : fitted estimator
        Equal to one that was fitted to the rows, but for rounding.
    sizes : ndarray of shape (n_classes,) or None
        Number of rows of each class, of classifiers.
    """

    def __init__(self, estimator, y):
        self.estimator, self.sizes = estimator, None
        if is_classifier(estimator):
            labels = np.searchsorted(estimator.classes_, np.ravel(y))
            self.sizes = np.bincount(labels, minlength=len(estimator.classes_))

    def changed(self, X, y, weight, sign):
        """Return the sums with more rows, or with fewer.

        Parameters
        ----------
        X, y, weight
            The rows that are added or removed, as for `row_sums`.
        sign : {1, -1}
            1: they are added.

        Returns
        -------
        sums : RowSums or None
            None where the estimator has to be fitted anew: another set of classes, or
            sums that are no longer accurate.
        """
        out = copy(self)
        if self.sizes is not None:
            y, classes = np.ravel(y), self.estimator.classes_
            if not np.isin(y, classes).all():
                return None
            labels = np.searchsorted(classes, y)
            out.sizes = self.sizes + sign * np.bincount(labels, minlength=len(classes))
            if not out.sizes.all():
                return None
        out.estimator = copy(self.estimator)
        return out if out._change(X, y, weight, sign) else None

    @abstractmethod
    def _change(self, X, y, weight, sign):
        """Replace sums and attributes of the estimator; return whether they are good.

        Arrays of ``self`` belong to another object as well, and are not to be written
        to.
        """
