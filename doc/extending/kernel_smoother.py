"""A regressor that is not part of the library, and its exact removal of rows."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.validation import validate_data

from skinfluence.removal import RemovalModel, Removals, removal_model


class KernelSmoother(RegressorMixin, BaseEstimator):
    """Mean of the training targets, weighted by closeness to the test row."""

    def __init__(self, gamma=1.0):
        self.gamma = gamma

    def fit(self, X, y):
        """Keep the rows."""
        self.X_, self.y_ = validate_data(self, X, y, y_numeric=True)
        return self

    def predict(self, X):
        """Divide two sums over the training rows."""
        X = validate_data(self, X, reset=False)
        closeness = rbf_kernel(X, self.X_, self.gamma)
        return closeness @ self.y_ / closeness.sum(axis=1)


class SmootherModel(RemovalModel):
    """Says which rows, or which sets of rows, are removed."""

    lacks = "KernelSmoother minimises no objective: it has no influence functions."

    def __init__(self, estimator):
        self.estimator = estimator

    def exact(self, tol=1e-8, masks=None):
        """Remove sets of rows, or every single row."""
        if masks is None:
            masks = np.eye(len(self.estimator.y_), dtype=bool)
        return SmootherRemovals(self.estimator, masks)


class SmootherRemovals(Removals):
    """Knows the losses of the models that remain."""

    def __init__(self, estimator, masks):
        self.estimator = estimator
        self.kept = (~masks).astype(np.float64)
        self.unresolved = np.flatnonzero(masks.all(axis=1))  # nothing remains

    def influence(self, X, y, loss):
        """Loss without minus loss with, shape (n_samples, n_removals)."""
        X = validate_data(self.estimator, X, reset=False)
        return self._influence(X, y, loss)

    def own_influence(self, y, loss):
        """Influence of each training row on itself."""
        return np.diag(self._influence(self.estimator.X_, y, loss))

    def _influence(self, X, y, loss):
        closeness = rbf_kernel(X, self.estimator.X_, self.estimator.gamma)
        weighted = closeness * self.estimator.y_
        before = weighted.sum(axis=1) / closeness.sum(axis=1)
        left = np.fmax(closeness @ self.kept.T, np.finfo(np.float64).tiny)
        after = (weighted @ self.kept.T) / left
        # The last axis is that of the outputs.
        return (
            loss.value(y, after[:, :, None]) - loss.value(y, before[:, None])[:, None]
        )


@removal_model.register
def _(estimator: KernelSmoother, X, y, sample_weight=None):
    return SmootherModel(estimator)
