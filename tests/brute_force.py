"""Influence by its definition: one model trained anew for every removal."""

import warnings

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier

from skinfluence._losses import resolve_loss
from skinfluence._predictions import model_prediction


def encode(model, y):
    """Class indices of a classifier's targets, floats with a column per output."""
    if is_classifier(model):
        return np.searchsorted(model.classes_, y)
    return np.asarray(y, dtype=float).reshape(len(y), -1)


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
    everyone = np.arange(len(y))
    full = refit(estimator, X, y, everyone, weight)
    loss = resolve_loss(loss, full)
    target = encode(full, y_test)
    classes = full.classes_ if is_classifier(full) else None

    def losses(model):
        prediction = model_prediction(model, X_test, loss.response, classes)
        return loss.value(target, prediction)

    masks = np.eye(len(y), dtype=bool) if masks is None else masks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = losses(full)
        models = (refit(estimator, X, y, np.flatnonzero(~m), weight) for m in masks)
        return np.stack([losses(model) - before for model in models], axis=1)
