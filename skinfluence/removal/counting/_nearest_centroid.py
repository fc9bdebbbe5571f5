"""Nearest centroids: means of classes and their common scale without a row."""

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestCentroid
from sklearn.utils.validation import validate_data

from skinfluence._memory import check_memory
from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._model import Removals
from skinfluence.removal.counting._class_scores import (
    PARAMETERS,
    REMAINS,
    constant_columns,
)
from skinfluence.removal.counting._diagonal_scores import DiagonalScores


class NearestCentroids(DiagonalScores):
    r"""Nearest (shrunken) centroids: ``2 log prior_c - sum_j (x_j - m_cj)^2 / s_j^2``.

    The centroid of the row's class moves by ``-(x_i - m) / (n_c - 1)`` and the
    scatter ``(n - n_classes) s^2`` by ``-(x_i - m)^2 n_c / (n_c - 1)``; shrunken
    centroids follow from these. Under equal priors scikit-learn's ``predict``
    compares distances that are *not* divided by s, unlike ``predict_proba``: losses
    of predicted classes follow the former, losses of probabilities the latter.

    **Cost.** O(n_classes d) for each test row and removal, in matrix products.

    **When it fails.** ``metric="manhattan"`` is refused. A row that has all the
    scatter of a feature is refitted. Sparse rows are made dense.

    References
    ----------
    R. Tibshirani, T. Hastie, B. Narasimhan, G. Chu, "Diagnosis of multiple cancer
    types by shrunken centroids of gene expression", PNAS, 2002.

    Parameters
    ----------
    predicts : bool, default=False
        Whether scores are those that ``predict`` compares.
    """

    def __init__(self, estimator, X, y, sample_weight=None, predicts=False):
        super().__init__(estimator, X, y, sample_weight)
        self.predicts, self.rows = predicts, self.check(X)
        if estimator.metric != "euclidean":
            refuse(estimator, "metric", "medians are not sums over rows")
        if not np.all(estimator.class_prior_):
            refuse(estimator, "priors", "a prior of zero has no logarithm")
        if len(self.rows) <= self.n_classes:
            refuse(estimator, "metric", "there is no scatter within classes")
        flags = np.eye(self.n_classes)[self.labels]
        self.mean = self.rows.mean(axis=0)
        centred = flags.T @ (self.rows - self.mean)
        self.means = self.mean + centred / self.totals[:, None]
        self.scatter = ((self.rows - self.means[self.labels]) ** 2).sum(axis=0)
        self.scatter[constant_columns(estimator, self.rows, self.scatter)] = 0.0
        centers, self.scales, self.offsets = (
            value[0]
            for value in self._parameters(
                self.means[None], self.mean[None], self.scatter[None], self.totals[None]
            )
        )
        if not np.isfinite(centers).all():
            reason = "most features do not vary within classes"
            refuse(estimator, "shrink_threshold", reason)
        self.centers = centers
        self.scales = np.tile(self.scales, (self.n_classes, 1))

    def _parameters(self, means, mean, scatter, counts):
        """Centers, scales and offsets of models, the first axis of all arguments."""
        n, n_classes = counts.sum(axis=1, keepdims=True), self.n_classes
        spread = np.sqrt(scatter / (n - n_classes))
        if self.estimator.shrink_threshold:
            unit = np.sqrt(1 / counts - 1 / n)[:, :, None]
            unit = unit * (spread + np.median(spread, axis=1, keepdims=True))[:, None]
            with np.errstate(invalid="ignore", divide="ignore"):
                deviation = (means - mean[:, None]) / unit
            size = np.abs(deviation) - self.estimator.shrink_threshold
            deviation = np.sign(deviation) * np.maximum(size, 0.0)
            means = mean[:, None] + unit * deviation
        prior = self.estimator.class_prior_
        if (
            isinstance(self.estimator.priors, str)
            and self.estimator.priors != "uniform"
        ):
            prior = counts / n
        prior = np.broadcast_to(prior, counts.shape)
        plain = np.isclose(prior, 1 / n_classes).all(axis=1, keepdims=True)
        plain = plain & self.predicts
        scales = np.where(plain | (spread == 0), 0.5, 0.5 * spread**2)
        return means, scales, np.where(plain, 0.0, 2 * np.log(prior))

    def check(self, X):
        rows = validate_data(
            self.estimator, X, accept_sparse="csr", reset=False, dtype=np.float64
        )
        if not sp.issparse(rows):
            return rows
        check_memory(
            8 * rows.shape[0] * rows.shape[1],
            f"Making {rows.shape[0]} rows with {rows.shape[1]} columns dense",
            "Use fewer columns, or LeaveOneOutInfluence(..., solver='refit').",
        )
        return rows.toarray()

    def _remaining(self, removed, resolved):
        """Means, mean, scatter and counts without each row, and moves of means."""
        label, own = (
            self.labels[removed],
            (np.arange(len(removed)), self.labels[removed]),
        )
        left = np.maximum(self.totals[label] - 1, 1)[:, None]
        away = np.where(resolved[:, None], self.rows[removed] - self.means[label], 0.0)
        counts = np.tile(self.totals, (len(removed), 1))
        counts[own] -= resolved
        means = np.tile(self.means, (len(removed), 1, 1))
        means[own] -= away / left
        offset = (self.rows[removed] - self.mean) / (len(self.rows) - 1)
        mean = self.mean - resolved[:, None] * offset
        scatter = np.maximum(self.scatter - away**2 * (left + 1) / left, 0.0)
        scatter[:, self.scatter == 0] = 0.0
        return (means, mean, scatter, counts), away / left

    def unresolved(self):
        n, d = self.rows.shape
        out = loses_class(self.labels)
        if n - 1 <= self.n_classes:
            out[:] = True
        size = max(1, PARAMETERS // self.means.size)
        for start in range(0, n, size):
            part = np.arange(start, min(start + size, n))
            parameters, _ = self._remaining(part, ~out[part])
            scatter = parameters[2]
            lost = (self.scatter > 0) & (scatter < REMAINS * self.scatter)
            out[part] |= lost.any(axis=1)
            if self.estimator.shrink_threshold:
                median = np.median(scatter, axis=1)
                out[part] |= (median == 0) & (scatter == 0).any(axis=1)
        self.resolved = ~out
        return out

    def changes(self, removed):
        resolved = self.resolved[removed]
        parameters, pull = self._remaining(removed, resolved)
        centers, scales, offsets = self._parameters(*parameters)
        constant = offsets - self.offsets
        if self.estimator.shrink_threshold:
            shift = self.centers - centers
            pull = shift / scales[:, None]
            constant -= 0.5 * (shift * pull).sum(axis=2)
        else:
            own = np.arange(len(removed)), self.labels[removed]
            constant[own] -= 0.5 * (pull**2 / scales).sum(axis=1)
            pull = pull / scales
        precision = (self.scales[0] - scales) / (self.scales[0] * scales)
        return np.repeat(precision[:, None], self.n_classes, axis=1), pull, constant

    def refitted(self, kept):
        return super().refitted(kept, predicts=self.predicts)

    def seen_by(self, predicts):
        """Return this model with the scores of predict, or of predict_proba."""
        if predicts == self.predicts:
            return self
        return type(self)(self.estimator, *self.training, predicts=predicts)

    def _without(self, masks):
        predictions = super(NearestCentroids, self.seen_by(True))._without(masks)
        return CentroidRemovals(super()._without(masks), predictions)


class CentroidRemovals(Removals):
    """Removals as losses of probabilities and of predicted classes see them."""

    def __init__(self, probabilities, predictions):
        self.probabilities, self.predictions = probabilities, predictions
        self.unresolved = probabilities.unresolved

    def _seen_by(self, loss):
        predicts = loss.response == "predict"
        return self.predictions if predicts else self.probabilities

    def influence(self, X, y, loss):
        return self._seen_by(loss).influence(X, y, loss)

    def own_influence(self, y, loss):
        return self._seen_by(loss).own_influence(y, loss)


@removal_model.register
def _(estimator: NearestCentroid, X, y, sample_weight=None):
    return NearestCentroids(estimator, X, y, sample_weight)
