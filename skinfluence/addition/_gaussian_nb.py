"""Gaussian naive Bayes along an order of the rows."""

import numpy as np
from sklearn.naive_bayes import GaussianNB

from skinfluence.addition._moments import (
    ClassMoments,
    blocks_of_ends,
    running_moments,
    squared_distances,
)
from skinfluence.addition._prefix_models import (
    CentredPrefixes,
    only_seen,
    prefix_models,
)

# Rows without any variance have no density in scikit-learn, and a very high one here.
SMALLEST_VARIANCE = 1e-150


class GaussianNaiveBayesPrefixes(CentredPrefixes):
    """Gaussian naive Bayes: running means and variances of every class.

    ``var_smoothing`` times the largest variance over the prefix is added to all
    variances, so that every row changes the scores of every class. **Cost.**
    O(n n_classes d) per order and test row, in matrix products; memory O(n d).
    """

    def path(self, order, ends):
        """Running moments of the classes, and the smoothing of each prefix."""
        counts = self.class_counts(order, ends)
        rows = self.rows[order]
        _, squares = running_moments(rows)
        largest = squares.max(axis=1)[ends - 1] / ends
        moments = ClassMoments(rows, self.labels[order], counts)
        return moments, self.estimator.var_smoothing * largest

    def raw(self, path, rows, response):
        moments, smoothing = path
        counts = moments.counts
        out = np.empty((len(rows), *counts.shape))
        count = np.maximum(counts, 1)
        for ends in blocks_of_ends(*counts.shape, rows.shape[1]):
            means, variances = moments.at(ends)
            variances /= count[ends][..., None]
            variances += smoothing[ends, None, None]
            np.maximum(variances, SMALLEST_VARIANCE, out=variances)
            constant = np.log(variances).sum(axis=2) - 2 * np.log(count[ends])
            np.divide(1.0, variances, out=variances)
            block = squared_distances(rows, means, variances)
            block += constant
            block *= -0.5
            out[:, ends] = block
        return only_seen(out, counts)


@prefix_models.register
def _(estimator: GaussianNB, X, y):
    if type(estimator) is not GaussianNB or estimator.priors is not None:
        return None
    return GaussianNaiveBayesPrefixes(estimator, X, y)
