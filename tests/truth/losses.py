"""Losses of single rows by their definitions, from public methods of a fitted model."""

import numpy as np
from scipy.special import xlogy
from sklearn.base import is_classifier
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    RidgeClassifier,
    RidgeClassifierCV,
    TweedieRegressor,
)

SMALLEST = np.finfo(np.float64).eps  # where sklearn.metrics.log_loss clips


def row_losses(model, X, y, loss="auto", full=None):
    """Return the loss of each row.

    ``full``, the model of all rows, says which classes there are and what "auto" is;
    a model of some rows may lack a class.
    """
    full = model if full is None else full
    if not is_classifier(full):
        return _of_regressor(model, X, y, loss, full)
    if loss == "auto":
        loss = _auto(full)
    if loss == "zero_one":
        return (model.predict(X) != y).astype(float)
    classes = full.classes_
    true = np.asarray(y)[:, None] == classes
    if loss in ("hinge", "squared_hinge", "squared_margin"):
        violation = 1 - np.where(true, 1, -1) * _margins(model, X, classes)
        if loss != "squared_margin":
            violation = np.maximum(violation, 0)
        violation = violation if loss == "hinge" else violation**2
        return violation[:, -1] if len(classes) == 2 else violation.sum(axis=1)
    probability = np.zeros(true.shape)
    seen = np.searchsorted(classes, model.classes_)
    probability[:, seen] = model.predict_proba(X)
    if loss == "log_loss":
        return -np.log(np.maximum(probability[true], SMALLEST))
    if loss == "brier":
        distance = ((probability - true) ** 2).sum(axis=1)
        return distance / 2 if len(classes) == 2 else distance
    return np.asarray(loss(y, probability))


def deviance(y, mu, power):
    """Unit deviance of a Tweedie power."""
    if power == 1:
        return 2 * (xlogy(y, y / mu) - y + mu)
    if power == 2:
        return 2 * (np.log(mu / y) + y / mu - 1)
    return 2 * (
        y ** (2 - power) / ((1 - power) * (2 - power))
        - y * mu ** (1 - power) / (1 - power)
        + mu ** (2 - power) / (2 - power)
    )


def _of_regressor(model, X, y, loss, full):
    prediction = np.asarray(model.predict(X), dtype=float).reshape(len(y), -1)
    target = np.asarray(y, dtype=float).reshape(len(y), -1)
    if loss == "auto":
        powers = {PoissonRegressor: 1, GammaRegressor: 2}
        power = powers.get(type(full))
        if isinstance(full, TweedieRegressor):
            power = full.power
        if power is not None:
            return deviance(target[:, 0], prediction[:, 0], power)
    if callable(loss):
        return np.asarray(loss(y, prediction.reshape(np.shape(y))))
    error = prediction - target
    error = np.abs(error) if loss == "absolute_error" else error**2
    return error.mean(axis=1)


def _auto(model):
    """The log loss, the training loss of a margin classifier, or the zero-one loss."""
    if hasattr(model, "predict_proba"):
        return "log_loss"
    if not hasattr(model, "decision_function"):
        return "zero_one"
    if isinstance(model, RidgeClassifier | RidgeClassifierCV):
        return "squared_margin"
    return getattr(model, "loss", "hinge")


def _margins(model, X, classes):
    """A margin per class, of which those of two classes mirror each other.

    -1 for a class that the model has not seen; ``2 p - 1`` of a constant model.
    """
    margins = np.full((len(X), len(classes)), -1.0)
    seen = np.searchsorted(classes, model.classes_)
    if not hasattr(model, "decision_function"):
        margins[:, seen] = 2 * model.predict_proba(X) - 1
        return margins
    margin = model.decision_function(X)
    if margin.ndim == 1:
        margin = np.column_stack([-margin, margin])
    margins[:, seen] = margin
    return margins
