"""Influence by its definition: one model trained anew for every removal.

Neither a loss nor a prediction of the library occurs here.
"""

import warnings

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from truth.losses import row_losses


def refit(estimator, X, y, kept, weight=None):
    """Fit on some of the rows; one class that cannot be fitted is predicted."""
    params = {} if weight is None else {"sample_weight": weight[kept]}
    try:
        return clone(estimator).fit(X[kept], y[kept], **params)
    except ValueError:
        if not is_classifier(estimator) or len(np.unique(y[kept])) > 1:
            raise
        return DummyClassifier().fit(X[kept], y[kept])


def brute_force(estimator, X, y, X_test, y_test, masks=None, loss="auto", weight=None):
    """Return the matrix of influences of rows, or of the sets in ``masks``."""
    full = refit(estimator, X, y, np.arange(len(y)), weight)
    masks = np.eye(len(y), dtype=bool) if masks is None else masks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = row_losses(full, X_test, y_test, loss)
        models = (refit(estimator, X, y, np.flatnonzero(~m), weight) for m in masks)
        columns = [row_losses(m, X_test, y_test, loss, full) - before for m in models]
        return np.stack(columns, axis=1)
