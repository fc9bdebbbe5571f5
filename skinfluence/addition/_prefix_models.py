"""The seam: models of the first rows of an order, without a fit for each."""

from abc import ABC, abstractmethod
from functools import singledispatch

import numpy as np
import sklearn
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from skinfluence._losses import LogLoss, log_loss_of_raw
from skinfluence._predictions import link_prediction

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


def only_seen(scores, counts):
    """Give classes that a prefix has not seen no chance; one class alone, all.

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
