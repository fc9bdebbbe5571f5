"""The seam: models of the first rows of an order, without a fit for each."""

from abc import ABC, abstractmethod
from functools import singledispatch

import numpy as np
import sklearn
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from skinfluence._losses import LogLoss
from skinfluence._predictions import link_prediction

# Minus the logarithm of the smallest probability that is not zero.
SMALLEST = 745.13

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
            return log_losses(self.raw(path, rows, loss.response), y)
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


def log_losses(raw, y):
    """Log loss of raw scores, without the probabilities in between.

    Where the probability underflows the loss is that of zero, as everywhere.
    """
    if raw.shape[-1] <= 2:
        against = raw[..., 0] if raw.shape[-1] == 1 else raw[..., 1] - raw[..., 0]
        against = against * np.where(y == 1, -1.0, 1.0)[:, None]
        out = np.log1p(np.exp(-np.abs(against)))
        out += np.maximum(against, 0.0)
    else:
        truth = np.take_along_axis(raw, y[:, None, None], axis=-1)
        top = raw.max(axis=-1, keepdims=True)
        share = raw - top
        np.exp(share, out=share)
        out = np.log(share.sum(axis=-1))
        out += (top - truth)[..., 0]
    out[out > SMALLEST] = -np.log(np.finfo(np.float64).eps)
    return out


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
