"""Nearest neighbours along an order of the rows."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from skinfluence.retraining._incremental._prefix_models import (
    PrefixModels,
    prefix_models,
)

# Distances that other rows have a part in.
RELATIVE = ("precomputed", "seuclidean", "mahalanobis")


class NeighborPrefixes(PrefixModels):
    """k nearest neighbours: a row that is nearer than the farthest one replaces it.

    All distances are found once, by the estimator's own ``kneighbors``; among equal
    ones its order decides. Prefixes of less than k rows, which scikit-learn refuses
    to answer for, use all they have. **Cost.** O(n k) per order and test row at most,
    memory O(n) per test row.
    """

    def __init__(self, estimator, X, y):
        self.estimator, self.y = estimator, y
        self.n = len(y)

    def prepare(self, X):
        """Rank of every training row by its distance, shape (n_samples, n)."""
        neighbors = self.estimator.kneighbors(
            X, n_neighbors=self.n, return_distance=False
        )
        ranks = np.empty(neighbors.shape, dtype=np.intp)
        np.put_along_axis(ranks, neighbors, np.arange(self.n)[None], axis=1)
        return ranks

    def path(self, order, ends):
        """Order and ends."""
        return order, ends

    def _neighborhoods(self, path, ranks):
        """Yield each prefix that is asked for, where it changed, and who is near.

        Yields
        ------
        position : int
            Of the prefix in ``ends``; -1 where it was not asked for.
        changed : ndarray of int
            Test rows whose neighbourhood the last row changed.
        nearest : ndarray of shape (n_samples, size)
            Training rows.
        """
        order, ends = path
        k, n_samples = self.estimator.n_neighbors, len(ranks)
        position = np.full(self.n, -1)
        position[ends - 1] = np.arange(len(ends))
        nearest = np.empty((n_samples, min(k, self.n)), dtype=np.intp)
        rank = np.empty_like(nearest)
        everyone = np.arange(n_samples)
        for m, row in enumerate(order):
            new = ranks[:, row]
            if m < k:
                nearest[:, m], rank[:, m] = row, new
                changed = everyone
            else:
                if m == k:
                    farthest = rank.argmax(axis=1)
                    radius = rank[everyone, farthest]
                changed = np.flatnonzero(new < radius)
                place = farthest[changed]
                nearest[changed, place], rank[changed, place] = row, new[changed]
                mine = rank[changed]
                farthest[changed] = mine.argmax(axis=1)
                radius[changed] = mine.max(axis=1)
            yield position[m], changed, nearest[:, : m + 1]


class NeighborClassifierPrefixes(NeighborPrefixes):
    """The share of each class among the neighbours."""

    def raw(self, path, rows, response):
        n_classes = len(self.estimator.classes_)
        indicator = np.eye(n_classes)[self.y]
        return _along(self, path, rows, lambda near: indicator[near].sum(axis=1))

    def predict(self, path, rows, response):
        votes = self.raw(path, rows, response)
        if response == "predict":
            return votes.argmax(axis=-1)[..., None]
        votes /= votes.sum(axis=-1, keepdims=True)
        return votes


class NeighborRegressorPrefixes(NeighborPrefixes):
    """The mean target of the neighbours."""

    def raw(self, path, rows, response):
        return _along(self, path, rows, lambda near: self.y[near].mean(axis=1))


def _along(models, path, ranks, answer):
    """Answers of all prefixes; computed anew only where neighbours changed."""
    out = None
    for position, changed, nearest in models._neighborhoods(path, ranks):
        fresh = answer(nearest[changed])
        if out is None:
            current = fresh
            out = np.empty((len(ranks), len(path[1]), fresh.shape[1]))
        else:
            current[changed] = fresh
        if position >= 0:
            out[:, position] = current
    return out


def _register(kind, prefixes):
    @prefix_models.register(kind)
    def _(estimator, X, y):
        if type(estimator) is not kind or estimator.weights != "uniform":
            return None
        return None if estimator.metric in RELATIVE else prefixes(estimator, X, y)


_register(KNeighborsClassifier, NeighborClassifierPrefixes)
_register(KNeighborsRegressor, NeighborRegressorPrefixes)
