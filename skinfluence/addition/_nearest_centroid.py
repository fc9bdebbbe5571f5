"""Nearest centroids along an order of the rows."""

import numpy as np
from sklearn.neighbors import NearestCentroid

from skinfluence.addition._moments import (
    ClassMoments,
    blocks_of_ends,
    squared_distances,
)
from skinfluence.addition._prefix_models import (
    CentredPrefixes,
    dense_rows,
    only_seen,
    prefix_models,
)


class NearestCentroidPrefixes(CentredPrefixes):
    """Nearest centroids: running means of the classes, pooled variances.

    With uniform priors ``predict`` takes plain distances; probabilities divide by
    the pooled standard deviation within classes, as scikit-learn does. A prefix of
    one row per class, which has none, is given plain distances for both.
    **Cost.** O(n n_classes d) per order and test row, in matrix products.
    """

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X, y)
        self.uniform = estimator.priors != "empirical"
        size = np.abs(dense_rows(estimator, X)).max(axis=0)
        self.noise = (1e-13 * size) ** 2

    def path(self, order, ends):
        """Running moments of the classes."""
        counts = self.class_counts(order, ends)
        return ClassMoments(self.rows[order], self.labels[order], counts)

    def raw(self, path, rows, response):
        counts = path.counts
        out = np.empty((len(rows), *counts.shape))
        n_seen = (counts > 0).sum(axis=1)
        freedom = counts.sum(axis=1) - n_seen
        if not self.uniform:
            prior = counts / counts.sum(axis=1, keepdims=True)
            equal = np.isclose(prior, 1.0 / n_seen[:, None]) | (counts == 0)
            equal = equal.all(axis=1)
        for ends in blocks_of_ends(*counts.shape, rows.shape[1]):
            means, squares = path.at(ends)
            variance = squares.sum(axis=1) / np.maximum(freedom[ends], 1)[:, None]
            # Rounding errors of centred constant columns do not count as variance
            plain = (variance <= self.noise) | (freedom[ends] == 0)[:, None]
            if response == "predict":
                plain |= True if self.uniform else equal[ends, None]
            precision = 1.0 / np.where(plain, 1.0, variance)
            precision = np.repeat(precision[:, None], self.n_classes, axis=1)
            out[:, ends] = -squared_distances(rows, means, precision)
            if not self.uniform:
                log_prior = np.log(np.maximum(prior[ends], 1e-300))
                out[:, ends] += 2.0 * log_prior
        return only_seen(out, counts)


@prefix_models.register
def _(estimator: NearestCentroid, X, y):
    plain = estimator.metric == "euclidean" and not estimator.shrink_threshold
    priors = getattr(estimator, "priors", "uniform")
    if type(estimator) is not NearestCentroid or not plain:
        return None
    if not isinstance(priors, str):
        return None
    return NearestCentroidPrefixes(estimator, X, y)
