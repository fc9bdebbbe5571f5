"""Neighbours within a radius: nothing replaces the removed row."""

import numpy as np
from scipy.sparse import issparse
from sklearn.neighbors import (
    BallTree,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.utils import check_array

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal.neighbors._neighbors import TILE, NeighborsModel
from skinfluence.removal.neighbors._ties import Closeness, Undecided

# Metrics that are sums, or roots of sums, of integers for rows of integers.
EXACT = ("euclidean", "manhattan", "chebyshev", "l1", "l2", "cityblock", "sqeuclidean")

BLOCK = 2**24  # pairs of rows searched at once, at most


class RadiusNeighborsModel(NeighborsModel):
    r"""Neighbours within a radius, without some rows.

    The prediction is an average over the r rows within the radius. Without row i,
    one of them, for uniform weights and targets y,

    .. math:: f_{-i}(x) - f(x) = (f(x) - y_i) / (r - 1) .

    Rows beyond the radius have influence exactly zero. A class that loses its only
    row has probability zero, as in a model that has never seen it.

    One search with the estimator's own ``radius_neighbors``; O(r) per test row for
    uniform weights, else O(r^2). Memory that of the neighbours found.

    **When no neighbour is left**, a classifier predicts its ``outlier_label``, and
    "most_frequent" is the most frequent class of the remaining rows: a row may change
    it for every outlier. A regressor, and a classifier without ``outlier_label``,
    has no prediction then (scikit-learn: NaN, an error), and the influence is NaN:
    a refit is to say what follows.

    **When it fails.** Whether a row at the radius itself is a neighbour is a matter
    of rounding, which changes with the tree: test rows with such rows are asked of
    refits.
    """

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X, y)
        self.rows = self.targets  # what is averaged, one row per training row
        self.counts = None
        if self.n_classes is not None:
            self.rows = np.eye(self.n_classes)[self.targets]
            self.counts = self.rows.sum(axis=0)
            self._set_outlier()

    def _set_outlier(self):
        """Find the class index of the outlier label, -1 if it is not a class."""
        estimator, classes = self.estimator, self.estimator.classes_
        label = given = estimator.outlier_label
        if label is not None and not isinstance(label, str):
            label = np.ravel(label)[0]
        self.most_frequent = isinstance(label, str) and label == "most_frequent"
        # One by one: numpy 1.24 does not compare an array of text with a number.
        same = [known == label for known in classes.tolist()]
        self.outlier = np.append(np.flatnonzero(same), -1)[0]
        by_index = (
            label is not None
            and estimator.weights == "uniform"
            and estimator._fit_method == "brute"
            and estimator.effective_metric_ in BallTree.valid_metrics
            and estimator.effective_metric_ != "euclidean"
        )
        same = np.array_equal(classes, np.arange(len(classes))) and np.isscalar(given)
        if by_index and (self.most_frequent or not same):
            refuse(
                estimator,
                "outlier_label",
                "scikit-learn's brute-force search compares it with the indices of "
                "classes, not with their labels",
            )

    def changed_predictions(self, X, masks, response, own):
        exact = self._counts_exactly(X)
        lower = upper = self.estimator.radius
        if not exact:
            lower, upper = Closeness(self.estimator, X, self.X).around(upper)
        n = n_rows(X)
        n_removals = len(self.targets) if masks is None else len(masks)
        undecided = Undecided(n, n_removals, own)
        parts, size = [], 0
        for t, (distance, neighbor) in enumerate(self._searched(X, upper)):
            if not exact and np.any(distance >= lower):
                undecided.marks[t] = True
                part = self._no_change(response)
            elif len(neighbor):
                part = self._row(t, distance, neighbor, masks, response, own)
            else:
                part = self._lonely(t, masks, response, own)
            parts.append(part)
            size += part[2].size
            if size > TILE or t == n - 1:
                yield tuple(map(np.concatenate, zip(*parts, strict=True)))
                parts, size = [], 0
        yield from self.refitted(X, undecided, masks, response)

    def _searched(self, X, radius):
        """Yield distances and neighbours of each row.

        Searched in blocks: a radius may hold all training rows of every test row.
        """
        size = max(1, BLOCK // len(self.targets))
        for start in range(0, n_rows(X), size):
            rows = take_rows(X, np.arange(start, min(start + size, n_rows(X))))
            yield from zip(*self.estimator.radius_neighbors(rows, radius), strict=True)

    def _counts_exactly(self, X):
        """Tell whether distances are sums of integers, without rounding errors."""
        if self.estimator._fit_method == "ball_tree":  # whose centers are means
            return False
        if self.estimator.effective_metric_ not in EXACT:
            return False
        values = [self.estimator.radius]
        for rows in (X, self.X):
            rows = check_array(rows, accept_sparse="csr", ensure_all_finite=False)
            values.append(rows.data if issparse(rows) else rows.ravel())
        values = np.concatenate([np.ravel(part) for part in values])
        return bool(np.all((values == np.round(values)) & (np.abs(values) < 2**20)))

    def _no_change(self, response):
        """No pairs, in the form of `_row`."""
        width = 1 if response == "predict" and self.n_classes else self.rows.shape[1]
        none = np.empty(0, dtype=np.intp)
        return none, none, np.empty((0, width)), np.empty((0, width))

    def _row(self, t, distance, neighbor, masks, response, own):
        """One test row: its number, removals, predictions before and after."""
        r = len(neighbor)
        if masks is None:
            which = np.flatnonzero(neighbor == t) if own else np.arange(r)
            removals, member, left = neighbor[which], None, np.full(len(which), r - 1)
        else:
            member = masks[:, neighbor]
            removals = np.flatnonzero(member.any(axis=1))
            member = member[removals]
            left = r - member.sum(axis=1)
        if self.estimator.weights in (None, "uniform"):
            rows = self.rows[neighbor]
            total = rows.sum(axis=0)
            gone = rows[which] if member is None else member.astype(float) @ rows
            before = self._answer((total / r)[None], response)
            after = self._answer(
                (total - gone) / np.maximum(left, 1)[:, None], response
            )
        else:
            everyone = np.ones((1, r), dtype=bool)
            before = self._weighted(distance, neighbor, everyone, response)
            after = np.empty((len(removals), before.shape[1]), dtype=before.dtype)
            size = max(1, TILE // r)
            for start in range(0, len(removals), size):
                part = slice(start, start + size)
                if member is None:
                    keep = np.arange(r) != which[part, None]
                else:
                    keep = ~member[part]
                some = np.flatnonzero(left[part])
                if len(some):
                    after[part][some] = self._weighted(
                        distance, neighbor, keep[some], response
                    )
        emptied = left == 0
        if emptied.any():
            after = after.astype(np.float64)
            after[emptied] = self._outlier(removals[emptied], masks, response)
        tests = np.full(len(removals), t)
        return tests, removals, np.repeat(before, len(removals), axis=0), after

    def _lonely(self, t, masks, response, own):
        """A test row without neighbours, which depends on rows by the outlier label."""
        before = self._outlier(None, masks, response)
        n_removals = len(self.targets) if masks is None else len(masks)
        removals = np.array([t]) if own else np.arange(n_removals)
        after = self._outlier(removals, masks, response)
        removals = removals[(after != before).any(axis=1)]
        return (
            np.full(len(removals), t),
            removals,
            np.repeat(before, len(removals), axis=0),
            self._outlier(removals, masks, response),
        )

    def _answer(self, average, response):
        if self.n_classes is None or response == "predict_proba":
            return average
        return average.argmax(axis=1)[:, None]

    def _weighted(self, distance, neighbor, keep, response):
        """Predictions from several subsets of the neighbours of one test row."""
        weights = self._weights(distance, keep)
        neighbor = np.broadcast_to(neighbor, keep.shape)
        if self.n_classes is None:
            return self.mean_target(neighbor, weights)
        return self._answer(self.vote(neighbor, weights, "predict_proba"), response)

    def _weights(self, distance, keep):
        """Weights of the kept neighbours; rows at distance zero take all of it."""
        kind = self.estimator.weights
        if callable(kind):  # scikit-learn hands it an array of arrays
            kept = np.empty(len(keep), dtype=object)
            for g, mask in enumerate(keep):
                kept[g] = distance[mask]
            weights = np.zeros(keep.shape)
            for g, values in enumerate(kind(kept)):
                weights[g, keep[g]] = values
            return weights
        zero = distance == 0
        exact = keep & zero
        return np.where(
            exact.any(axis=1, keepdims=True), exact, keep / np.where(zero, 1, distance)
        )

    def _outlier(self, removals, masks, response):
        """Predict without neighbours; without removals for None, else one row each."""
        name = type(self.estimator).__name__
        if self.n_classes is None or self.estimator.outlier_label is None:
            if removals is not None:
                width = 1 if response == "predict" and self.n_classes else None
                return np.full((len(removals), width or self.rows.shape[1]), np.nan)
            fix = " or set outlier_label" if self.n_classes is not None else ""
            raise ValueError(
                f"{name}(radius={self.estimator.radius!r}) must find some training row "
                "within the radius of every test row, or its prediction and so the "
                "influence is not defined. A test row has none, even with all training "
                f"rows. Use a larger radius{fix}, or leave such test rows out."
            )
        left = self.counts[None]
        if removals is not None:
            rows = self.rows
            gone = rows[removals] if masks is None else masks[removals] * 1.0 @ rows
            left = left - gone
        if self.most_frequent:
            code = left.argmax(axis=1)
        else:
            code = np.full(len(left), self.outlier)
        if response == "predict":
            return code[:, None]
        # A label that is not a class, or no longer one, has no column of its own.
        seen = (code >= 0) & (left[np.arange(len(left)), code] > 0)
        return seen[:, None] * np.eye(self.n_classes)[code]


@removal_model.register(RadiusNeighborsClassifier)
@removal_model.register(RadiusNeighborsRegressor)
def _(estimator, X, y, sample_weight=None):
    return RadiusNeighborsModel(estimator, X, y)
