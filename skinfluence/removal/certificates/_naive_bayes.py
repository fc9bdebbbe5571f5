"""Naive Bayes: closed forms without rows, and a proven bound of all their rounding.

The statistics without a row are computed once more, in long double, each with the
largest error that its sums, its subtraction and what follows can have (`Ball`). So are
the statistics of all rows: nothing that scikit-learn or the library has rounded is
relied on. Differences of losses then lose no digits that a double would miss.
"""

import numpy as np
import scipy.sparse as sp

from skinfluence.removal.certificates._balls import Ball
from skinfluence.removal.certificates._class_losses import loss_interval
from skinfluence.removal.certificates._class_statistics import class_statistics
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._rounding import EPS
from skinfluence.removal.counting._bernoulli_nb import BernoulliNaiveBayes
from skinfluence.removal.counting._categorical_nb import CategoricalNaiveBayes
from skinfluence.removal.counting._gaussian_nb import GaussianNaiveBayes
from skinfluence.removal.counting._multinomial_nb import (
    ComplementNaiveBayes,
    MultinomialNaiveBayes,
)

# Numbers in long double that are held for a block of removals.
_BLOCK = 2**19
_TEST_ROWS = 256
# More than a loss that is too small for a double.
_UNDERFLOW = 1e-300


@certificate.register(BernoulliNaiveBayes)
@certificate.register(CategoricalNaiveBayes)
@certificate.register(ComplementNaiveBayes)
@certificate.register(GaussianNaiveBayes)
@certificate.register(MultinomialNaiveBayes)
def _(model, source, masks=None):
    n = len(model.labels)
    removed = sp.csr_array(sp.eye(n) if masks is None else masks)
    return NaiveBayesCertificate(model, removed.astype(np.longdouble))


class NaiveBayesCertificate:
    """Intervals of the losses with and without rows, and their difference.

    A removal that leaves a class without rows, or of which the digits that remain do
    not tell a variance or a count from zero, may change a loss to all that it can be.

    Parameters
    ----------
    model : ClassScores
        Model of all rows.
    removed : csr_array of longdouble, shape (m, n)
        One where a removal takes a row.
    """

    def __init__(self, model, removed):
        self.model, self.removed = model, removed
        self.statistics = class_statistics(model)
        self.forgotten = np.zeros(removed.shape[0], dtype=bool)
        self.unchanged = np.diff(removed.indptr) == 0

    def forget(self, removals):
        """Give some removals the widest interval: all values that the loss can have."""
        self.forgotten[removals] = True

    def bounds(self, X, y, loss):
        """As `Certificate.bounds`."""
        rows = self.model.check(X)
        n, m = rows.shape[0], self.removed.shape[0]
        low, high = np.empty((2, n, m))
        nothing = sp.csr_array((1, self.removed.shape[1]), dtype=np.longdouble)
        with np.errstate(all="ignore"):  # what overflows has an infinite radius
            whole = self.statistics.without(nothing)
            size = max(1, _BLOCK // (self.statistics.n_numbers + _TEST_ROWS))
            for start in range(0, m, size):
                part = slice(start, min(start + size, m))
                without = self.statistics.without(self.removed[part])
                for t in range(0, n, _TEST_ROWS):
                    tile = slice(t, t + _TEST_ROWS)
                    test = self.statistics.test_rows(rows[tile])
                    ends = loss_interval(loss, y[tile], test.scores(whole))
                    scores = test.scores(without)
                    rad = np.where(self.forgotten[part, None], np.inf, scores.rad)
                    after = loss_interval(loss, y[tile], Ball(scores.mid, rad))
                    low[tile, part] = after[0] - ends[1]
                    high[tile, part] = after[1] - ends[0]
        low -= 4 * EPS * np.abs(low) + _UNDERFLOW
        high += 4 * EPS * np.abs(high) + _UNDERFLOW
        unchanged = self.unchanged & ~self.forgotten
        low[:, unchanged] = high[:, unchanged] = 0.0
        return low, high
