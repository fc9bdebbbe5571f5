"""Losses of classes, probabilities and margins, except the log loss."""

import numpy as np
from scipy.special import expit, softmax

from skinfluence._losses._loss import Loss, indicator, spread


class Brier(Loss):
    """Squared distance of the probabilities from the true class's indicator.

    For two classes half of it, ``(y - p)**2``, as `sklearn.metrics.brier_score_loss`.
    """

    name = "brier"
    response = "predict_proba"

    def value(self, y, prediction):
        truth = spread(indicator(y, prediction), prediction.ndim)
        total = ((prediction - truth) ** 2).sum(axis=-1)
        return total / 2 if prediction.shape[-1] == 2 else total

    def slope(self, y, raw, link):
        if link == "logit":
            p = expit(raw)
            return 2 * (p - y[:, None]) * p * expit(-raw)
        p = softmax(raw, axis=-1)
        factor = 1 if raw.shape[-1] == 2 else 2
        residual = factor * (p - indicator(y, raw))
        return p * (residual - (p * residual).sum(axis=-1, keepdims=True))


class ZeroOne(Loss):
    """One for a wrong class, else zero."""

    name = "zero_one"

    def value(self, y, prediction):
        return (prediction[..., 0] != spread(y, prediction.ndim - 1)).astype(np.float64)


class MarginLoss(Loss):
    """Training loss of a margin classifier, summed over one-vs-rest problems.

    ``squared``: squared error of the decision function against ±1 (ridge
    classifiers); otherwise hinge or squared hinge.
    """

    response = "decision_function"

    def __init__(self, name):
        self.name = name

    def value(self, y, prediction):
        code = spread(_codes(y, prediction.shape[-1]), prediction.ndim)
        violation = 1.0 - code * prediction
        if self.name != "squared_margin":
            violation = np.maximum(violation, 0.0)
        return (violation if self.name == "hinge" else violation**2).sum(axis=-1)

    def expansion(self, y, raw, link):
        if self.name != "squared_margin":
            return None
        return self.slope(y, raw, link), np.full(raw.shape, 2.0), 0.0

    def slope(self, y, raw, link):
        code = _codes(y, raw.shape[-1])
        violation = 1.0 - code * raw
        if self.name != "squared_margin":
            violation = np.maximum(violation, 0.0)
        if self.name == "hinge":
            return -code * (violation > 0)
        return -2.0 * code * violation


def _codes(y, n_columns):
    """One-vs-rest targets ±1, in one column for two classes."""
    if n_columns == 1:
        return (2.0 * y - 1.0)[:, None]
    return 2.0 * (y[:, None] == np.arange(n_columns)) - 1.0
