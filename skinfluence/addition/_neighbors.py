"""Nearest neighbours along an order of the rows."""

from abc import abstractmethod

import numpy as np
from sklearn.base import is_classifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from skinfluence._sklearn import take_rows
from skinfluence.addition._neighbor_ties import RankedNeighbors
from skinfluence.addition._prefix_models import (
    PrefixModels,
    prefix_models,
)
from skinfluence.removal.neighbors._ties import RefittedNeighbors, target_codes

# Distances that other rows have a part in.
RELATIVE = ("precomputed", "seuclidean", "mahalanobis")


class NeighborPrefixes(PrefixModels):
    """k nearest neighbours: a row that is nearer than the farthest one replaces it.

    All distances are found once, by the estimator's own ``kneighbors``. Where rows of
    different targets are equally far away and not all of them are neighbours, the
    estimator is fitted anew to the prefix: whom it takes depends on all of its rows.
    Prefixes of less than k rows, which scikit-learn refuses to answer for, use all
    they have. **Cost.** O(n k) per order and test row at most, memory O(n) per test
    row; with such ties up to n fits per order.
    """

    def __init__(self, estimator, X, y):
        self.estimator, self.X, self.y = estimator, X, y
        self.n, self.codes = len(y), target_codes(y)
        self.k = estimator.n_neighbors
        classes = np.unique(y) if is_classifier(estimator) else None
        self.refits = RefittedNeighbors(estimator, X, y, classes)

    def prepare(self, X):
        """Rank the training rows by their distance to each test row."""
        return RankedNeighbors.of(self.estimator, X, self.X, self.y)

    def paths(self, orders, ends):
        for order in orders:
            yield order, ends, len(orders)

    def path(self, order, ends):
        """Order, ends, and how many orders there are."""
        return order, ends, 1

    def predict(self, path, rows, response):
        order, ends, n_orders = path
        out = self._voted(path, rows, response)
        undecided = [
            (end, tests)
            for end, tests in rows.undecided(order, self.codes, self.k)
            if end in ends
        ]
        for end, tests in undecided:
            out[tests, np.searchsorted(ends, end)] = self.refits.predict(
                np.sort(order[:end]),
                take_rows(rows.X, tests),
                response,
                len(undecided) * n_orders,
            )
        return out

    @abstractmethod
    def _voted(self, path, rows, response):
        """Predictions that hold wherever no ties decide."""

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
        order, ends, _ = path
        k, n_samples = self.k, len(ranks)
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

    def _voted(self, path, rows, response):
        votes = self.raw(path, rows, response)
        if response == "predict":
            return votes.argmax(axis=-1)[..., None]
        votes /= votes.sum(axis=-1, keepdims=True)
        return votes


class NeighborRegressorPrefixes(NeighborPrefixes):
    """The mean target of the neighbours."""

    def raw(self, path, rows, response):
        return _along(self, path, rows, lambda near: self.y[near].mean(axis=1))

    def _voted(self, path, rows, response):
        return self.raw(path, rows, response)


def _along(models, path, rows, answer):
    """Answers of all prefixes; computed anew only where neighbours changed."""
    out, ranks = None, rows.ranks
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
