"""The interface of models of the first rows of an order, without a fit for each."""

from abc import ABC, abstractmethod
from functools import singledispatch

import numpy as np
import sklearn
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from skinfluence._losses import LogLoss, log_loss_of_raw
from skinfluence._predictions import link_prediction
from skinfluence.removal._objective import objective

# Version of scikit-learn, where what it computes has changed.
SKLEARN = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


@singledispatch
def prefix_models(estimator, X, y):
    """Return the `PrefixModels` of a fitted estimator, None where there are none.

    A family registers the estimator's class, answers for exactly that class, and
    returns None for settings under which adding a row is not what it computes: these
    are retrained.

    Parameters
    ----------
    estimator : estimator
        Fitted to all rows.
    X : array-like of shape (n, n_features)
        Training rows.
    y : ndarray
        Encoded targets: class indices (n,), or floats (n, n_outputs).
    """
    return None


def dense_rows(estimator, X):
    """Validate rows as a fitted estimator does; sparse ones become dense."""
    rows = validate_data(
        estimator, X, reset=False, dtype=np.float64, accept_sparse="csr"
    )
    return rows.toarray() if issparse(rows) else rows


class PrefixModels(ABC):
    """Models trained on the first rows of any order of the training rows.

    They equal what ``clone(estimator).fit`` gives on these rows, or the optimum that
    it approaches. Prefixes of one class predict that class.
    """

    link = "identity"
    n_classes = 1  # scores of a row, of classifiers that have one for each class

    @abstractmethod
    def prepare(self, X):
        """Return what `raw` needs of test rows; indexing it selects test rows."""

    def paths(self, orders, ends):
        """Yield, for each order, what `raw` needs of the models along it.

        Parameters
        ----------
        orders : ndarray of shape (n_orders, n)
            Permutations of the training rows.
        ends : ndarray of int
            Lengths of the prefixes that are asked for, increasing, from 1 on.
        """
        for order in orders:
            yield self.path(order, ends)

    @abstractmethod
    def path(self, order, ends):
        """Return what `raw` needs of the models along one order."""

    @abstractmethod
    def raw(self, path, rows, response):
        """Raw predictions, shape (n_samples, n_ends, n_raw)."""

    def predict(self, path, rows, response):
        """Predictions of every prefix, shape (n_samples, n_ends, n_classes or so)."""
        return link_prediction(self.raw(path, rows, response), self.link, response)

    def losses(self, path, rows, y, loss):
        """Losses of every prefix, shape (n_samples, n_ends)."""
        if isinstance(loss, LogLoss) and self.link in ("logit", "softmax"):
            return log_loss_of_raw(y, self.raw(path, rows, loss.response))
        return loss.value(y, self.predict(path, rows, loss.response))


class PenalisedPrefixes(PrefixModels):
    """Models with a linear predictor and L2 penalties, of what `objective` states.

    Parameters
    ----------
    estimator : estimator
        Fitted to all rows.
    X : array-like of shape (n, n_features)
        Training rows.
    turns : bool, default=False
        Whether rows of more columns than rows are turned into their span: an L2 penalty
        does not depend on the axes.

    Attributes
    ----------
    rows : ndarray of shape (n, p)
        Centred where there is an intercept, whose column of ones is the last.
    penalties : ndarray of shape (p,)
        Second derivatives of the penalty.
    """

    def __init__(self, estimator, X, turns=False):
        self.estimator, self.intercept = estimator, bool(estimator.fit_intercept)
        rows = dense_rows(estimator, X)
        self.basis = None
        self.center = rows.mean(axis=0) if self.intercept else 0.0
        if turns and rows.shape[1] > len(rows):
            self.basis = np.linalg.svd(rows, full_matrices=False)[2].T
            self.center = 0.0  # centring would leave the span
        self.rows = self._augment(rows)
        goal = objective(estimator)
        self.penalties, _ = goal.penalties(self.rows.shape[1], self.intercept)

    def _augment(self, rows):
        rows = rows - self.center
        if self.basis is not None:
            rows = rows @ self.basis
        if self.intercept:
            rows = np.column_stack([rows, np.ones(len(rows))])
        return rows

    def prepare(self, X):
        return self._augment(dense_rows(self.estimator, X))


class ClassifierPrefixes(PrefixModels):
    """Prefix models of a classifier with one score per class."""

    link = "softmax"

    def __init__(self, estimator, y):
        self.estimator, self.labels = estimator, y
        self.n_classes = len(estimator.classes_)

    def class_counts(self, order, ends):
        """Rows of each class in each prefix, shape (n_ends, n_classes)."""
        indicator = self.labels[order, None] == np.arange(self.n_classes)
        return np.cumsum(indicator, axis=0)[ends - 1]


class CentredPrefixes(ClassifierPrefixes):
    """Prefix models of a classifier made of means and variances of its classes.

    Attributes
    ----------
    rows : ndarray of shape (n, n_features)
        Training rows less their mean, so that sums of squares lose no digits.
    """

    def __init__(self, estimator, X, y):
        super().__init__(estimator, y)
        rows = dense_rows(estimator, X)
        self.center = rows.mean(axis=0)
        self.rows = rows - self.center

    def prepare(self, X):
        return dense_rows(self.estimator, X) - self.center


def only_seen(scores, counts):
    """Set the probability of classes without rows to zero, of a single class to one.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_ends, n_classes)
        Changed in place.
    counts : ndarray of shape (n_ends, n_classes)
    """
    seen = counts > 0
    scores[:, ~seen] = -np.inf
    alone = seen.sum(axis=1) == 1
    scores[:, alone[:, None] & seen] = 0.0
    return scores
