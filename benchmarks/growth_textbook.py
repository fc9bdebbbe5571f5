"""The methods of influence analysis as textbooks state them, for scikit-learn models.

Each class has `fit(X, y)` and `influence(X, y)`, positive where the row made the
prediction better, in units of the loss of one test row. Nothing is done for speed but
to leave loops over numbers to NumPy; the losses are the log loss and the squared error.
"""

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.neighbors import NearestNeighbors


def losses(model, X, y):
    """Loss of every row."""
    if not is_classifier(model):
        return (model.predict(X) - y) ** 2
    proba = model.predict_proba(X)[np.arange(len(y)), y]
    return -np.log(np.maximum(proba, np.finfo(float).eps))


class LeaveOneOut:
    """One model without each row, and one with all."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        """Train n + 1 models."""
        rows = np.arange(len(X))
        self.model_ = clone(self.estimator).fit(X, y)
        self.without_ = [
            clone(self.estimator).fit(X[rows != i], y[rows != i]) for i in rows
        ]
        return self

    def influence(self, X, y):
        """Loss without the row minus the loss with it."""
        without = np.array([losses(model, X, y) for model in self.without_])
        return (without - losses(self.model_, X, y)).T


class Downsampling:
    """Models of random halves (Feldman & Zhang, 2020)."""

    def __init__(self, estimator, n_retrainings):
        self.estimator, self.n_retrainings = estimator, n_retrainings

    def fit(self, X, y):
        """Train K models."""
        rng, n = np.random.default_rng(0), len(X)
        draws = [rng.permutation(n) < n // 2 for _ in range(self.n_retrainings)]
        self.masks_ = np.array(draws)
        self.models_ = [clone(self.estimator).fit(X[m], y[m]) for m in self.masks_]
        return self

    def influence(self, X, y):
        """Mean loss of the models without the row minus that of those with it."""
        all_losses = np.array([losses(model, X, y) for model in self.models_])
        with_row = all_losses.T @ self.masks_ / self.masks_.sum(axis=0)
        out = ~self.masks_
        return all_losses.T @ out / out.sum(axis=0) - with_row


class PermutationShapley:
    """Models of all prefixes of random orders (Ghorbani & Zou, 2019); regression."""

    def __init__(self, estimator, n_permutations):
        self.estimator, self.n_permutations = estimator, n_permutations

    def fit(self, X, y):
        """Train K n models."""
        rng, n = np.random.default_rng(0), len(X)
        self.mean_, self.n_ = y.mean(), n
        self.orders_ = [rng.permutation(n) for _ in range(self.n_permutations)]
        self.models_ = [
            [clone(self.estimator).fit(X[o[:k]], y[o[:k]]) for k in range(1, n + 1)]
            for o in self.orders_
        ]
        return self

    def influence(self, X, y):
        """Mean contribution of each row to the rows before it."""
        values = np.zeros((len(X), self.n_))
        for order, models in zip(self.orders_, self.models_, strict=True):
            path = [(self.mean_ - y) ** 2, *(losses(m, X, y) for m in models)]
            values[:, order] -= np.diff(path, axis=0).T
        return values / self.n_permutations


class NeighboursShapley:
    """The recursion over sorted neighbours (Jia et al., 2019), row by row."""

    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def fit(self, X, y):
        """Keep the rows."""
        self.y_ = y
        self.search_ = NearestNeighbors(n_neighbors=len(X), algorithm="brute").fit(X)
        return self

    def influence(self, X, y):
        """Shapley value of the share of right neighbours."""
        n, k = len(self.y_), self.n_neighbors
        values = np.empty((len(X), n))
        nearest = self.search_.kneighbors(X, return_distance=False)
        for t, order in enumerate(nearest):
            right = (self.y_[order] == y[t]).astype(float)
            value = right[-1] / n
            values[t, order[-1]] = value
            for i in range(n - 2, -1, -1):
                step = (right[i] - right[i + 1]) / k
                value += step * min(k, i + 1) / (i + 1)
                values[t, order[i]] = value
        return values


class Linear:
    """Gradients of a logistic regression without intercept, at its optimum."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        """Train once."""
        self.model_ = clone(self.estimator).fit(X, y)
        self.X_, self.residual_ = X, self._residuals(X, y)
        return self

    def _residuals(self, X, y):
        return self.model_.predict_proba(X)[:, 1] - y


class InfluenceFunctions(Linear):
    """The Hessian is formed and inverted (Koh & Liang, 2017)."""

    def fit(self, X, y):
        """Train, and invert the Hessian of the objective."""
        super().fit(X, y)
        p = self.model_.predict_proba(X)[:, 1]
        hessian = (
            X.T @ (X * (p * (1 - p))[:, None]) + np.eye(X.shape[1]) / self.model_.C
        )
        self.inverse_ = np.linalg.inv(hessian)
        return self

    def influence(self, X, y):
        """Gradient, inverse Hessian, gradient."""
        test = X * self._residuals(X, y)[:, None]
        return test @ self.inverse_ @ (self.X_ * self.residual_[:, None]).T


class RepresenterPoints(Linear):
    """The terms of the prediction (Yeh et al., 2018)."""

    def influence(self, X, y):
        """Slope of the loss times the row's term."""
        alpha = -self.model_.C * self.residual_
        return -self._residuals(X, y)[:, None] * alpha * (X @ self.X_.T)
