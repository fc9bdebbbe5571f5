"""Nearest neighbours among the rows of a table in blocks."""

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import pairwise_distances
from sklearn.utils.validation import validate_data

# Parameters that pairwise_distances estimates from the rows, unless they are passed.
LEARNED = {"seuclidean": "V", "mahalanobis": "VI"}


class BlockNeighbors(BaseEstimator):
    """Neighbours of test rows; among equal distances the first rows of the table.

    Parameters
    ----------
    blocks : Blocks
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets of all rows.
    n_neighbors : int
    distances : dict
        Arguments of `sklearn.metrics.pairwise_distances`.
    """

    def __init__(self, blocks, y, n_neighbors, distances):
        self.blocks, self.y = blocks, y
        self.n_neighbors, self.distances = n_neighbors, distances
        self.n_features_in_ = blocks.n_features
        if blocks.names is not None:
            self.feature_names_in_ = np.array(blocks.names, dtype=object)

    def checked(self, X):
        """Return test rows as floats."""
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float64)
        return X.toarray() if sp.issparse(X) else X

    def distance_tasks(self, X):
        """Return the distances of checked rows from every block's, delayed."""
        return self.blocks.tasks(block_distances, X=X, params=self.distances)

    def distances_to(self, X):
        """Return the same in memory, a list with an item for each block."""
        return self.blocks.map(block_distances, X=X, params=self.distances)

    def kneighbors(self, X):
        """Return the positions of the nearest rows, (n_samples, n_neighbors)."""
        (_, rows), _ = self.blocks.total(
            _nearest,
            list(self.blocks.slices()),
            combine=_nearer,
            X=self.checked(X),
            params=self.distances,
            k=min(self.n_neighbors, len(self.blocks)),
        )
        return rows


class BlockNeighborsClassifier(ClassifierMixin, BlockNeighbors):
    """KNeighborsClassifier of a table in blocks."""

    def __init__(self, blocks, y, n_neighbors, distances):
        super().__init__(blocks, y, n_neighbors, distances)
        self.classes_ = np.unique(y)

    def predict_proba(self, X):
        """Return the shares of the classes among the neighbours."""
        labels = self.y[self.kneighbors(X)]
        return np.stack([(labels == c).mean(axis=1) for c in self.classes_], axis=1)

    def predict(self, X):
        """Return the most frequent class; the first one of several."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class BlockNeighborsRegressor(RegressorMixin, BlockNeighbors):
    """KNeighborsRegressor of a table in blocks."""

    def predict(self, X):
        """Return the mean of the neighbours' targets."""
        return self.y[self.kneighbors(X)].mean(axis=1)


def block_distances(block, X, params):
    """Return the distances of test rows from a block's, (n_samples, n)."""
    return pairwise_distances(X, block.X, **params)


def block_targets(block):
    """Return the targets of a block."""
    return block.y


def _nearest(block, span, X, params, k):
    found = block_distances(block, X, params)
    return _smallest(found, np.arange(span.start, span.stop), k), k


def _nearer(one, other):
    (first, k), (second, _) = one, other
    found = np.hstack([first[0], second[0]])
    return _smallest(found, np.hstack([first[1], second[1]]), k), k


def _smallest(distances, rows, k):
    """Return the k smallest distances of each test row, and their rows, in order."""
    rows = np.broadcast_to(rows, distances.shape)
    order = np.lexsort((rows, distances), axis=1)[:, :k]
    return tuple(np.take_along_axis(a, order, axis=1) for a in (distances, rows))
