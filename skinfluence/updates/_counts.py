"""Counts of features: MultinomialNB, BernoulliNB, ComplementNB."""

from copy import deepcopy

import numpy as np
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

from skinfluence.updates._dispatch import row_sums
from skinfluence.updates._row_sums import REMAINS, RowSums


class Counts(RowSums):
    """Naive Bayes on counts, which ``partial_fit`` adds to.

    Rows of negative weight are subtracted by it. Counts of which too little is left
    for their digits, next to the smoothing, are counted anew by a fit.

    **Cost.** O(nnz(rows) + n_classes d).
    """

    def __init__(self, estimator, y):
        super().__init__(estimator, y)
        self.largest = self._smoothed()

    def _smoothed(self):
        """Return the counts of classes, of features, and of their absence."""
        model = self.estimator
        alpha = np.asarray(model.alpha, dtype=np.float64)
        if not model.force_alpha:
            alpha = np.maximum(alpha, 1e-10)
        out = [model.class_count_, (model.feature_count_ + alpha).ravel()]
        if isinstance(model, BernoulliNB):
            absent = model.class_count_[:, None] - model.feature_count_
            out.append((absent + alpha).ravel())
        return np.concatenate(out)

    def _change(self, X, y, weight, sign):
        self.estimator = deepcopy(self.estimator)
        with np.errstate(divide="ignore", invalid="ignore"):  # a fit has the last word
            self.estimator.partial_fit(X, y, sample_weight=sign * weight)
        left = self._smoothed()
        self.largest = np.maximum(self.largest, left)
        return bool(np.all((left > 0) & (left >= REMAINS * self.largest)))


@row_sums.register(MultinomialNB)
@row_sums.register(BernoulliNB)
@row_sums.register(ComplementNB)
def _(estimator, X, y, weight):
    return Counts(estimator, y)
