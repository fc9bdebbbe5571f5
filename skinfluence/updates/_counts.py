"""Counts of features: MultinomialNB, BernoulliNB, ComplementNB."""

from copy import deepcopy

import numpy as np
from scipy.sparse import issparse
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

from skinfluence.updates._dispatch import row_sums
from skinfluence.updates._row_sums import REMAINS, RowSums

# Share of the smoothing that rounding of counts may make up: what is left of a count
# without the only row that has the feature is that rounding.
HIDDEN = 1e-8


class Counts(RowSums):
    """Naive Bayes on counts, which ``partial_fit`` adds to.

    Rows of negative weight are subtracted by it. Counts of which too little is left
    for their digits, next to the smoothing, are counted anew by a fit, as are sums of
    fractions whose rounding shows beside a tiny smoothing.

    **Cost.** O(nnz(rows) + n_classes d).
    """

    def __init__(self, estimator, y):
        super().__init__(estimator, y)
        self.largest, self.n_changes = self._smoothed(), 1
        counts = estimator.feature_count_, estimator.class_count_
        self.exact = all(_few_digits(count, 20) for count in counts)

    @property
    def _alpha(self):
        alpha = np.asarray(self.estimator.alpha, dtype=np.float64)
        return alpha if self.estimator.force_alpha else np.maximum(alpha, 1e-10)

    def _smoothed(self):
        """Return the counts of classes, of features, and of their absence."""
        model, alpha = self.estimator, self._alpha
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
        self.n_changes += 1
        self.exact = self.exact and _few_digits(weight)
        if not isinstance(self.estimator, BernoulliNB):
            self.exact = self.exact and _few_digits(X)
        return bool(
            np.all((left > 0) & (left >= REMAINS * self.largest))
            and (self.exact or self._rounding() <= HIDDEN)
        )

    def _rounding(self):
        """Return the largest rounding of a count, as a share of its smoothing."""
        n_classes, n_features = self.estimator.feature_count_.shape
        counts = self.largest[n_classes:].reshape(-1, n_classes, n_features)
        rounding = np.finfo(np.float64).eps * self.n_changes * counts
        return (rounding / np.maximum(self._alpha, np.finfo(np.float64).tiny)).max()


def _few_digits(values, bits=10):
    """Tell whether all numbers have few binary digits, so that sums do not round."""
    values = values.data if issparse(values) else np.asarray(values)
    scaled = np.ldexp(values, bits)
    return bool(np.all(scaled == np.rint(scaled)))


@row_sums.register(MultinomialNB)
@row_sums.register(BernoulliNB)
@row_sums.register(ComplementNB)
def _(estimator, X, y, weight):
    return Counts(estimator, y)
