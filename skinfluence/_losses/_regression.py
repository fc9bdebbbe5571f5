"""Losses of numeric predictions, except the deviances."""

import numpy as np

from skinfluence._losses._loss import Loss, spread
from skinfluence._predictions import link_prediction


class SquaredError(Loss):
    """Squared error ``(y - prediction)**2``, averaged over outputs."""

    name = "squared_error"

    def value(self, y, prediction):
        return ((prediction - spread(y, prediction.ndim)) ** 2).mean(axis=-1)

    def change(self, y, raw, delta, link):
        if link != "identity":
            return super().change(y, raw, delta, link)
        residual = 2.0 * (raw - y)
        if raw.shape[-1] == 1:
            out = delta[..., 0] + residual
            out *= delta[..., 0]
            return out
        return (delta * (delta + residual[:, None])).mean(axis=-1)

    def expansion(self, y, raw, link):
        if link != "identity":
            return None
        curvature = np.full(raw.shape, 2.0 / raw.shape[1])
        return self.slope(y, raw, link), curvature, 0.0

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        slope = 2.0 * (prediction - y) / raw.shape[-1]
        return slope * prediction if link == "log" else slope


class AbsoluteError(Loss):
    """Absolute error, averaged over outputs."""

    name = "absolute_error"

    def value(self, y, prediction):
        return abs(prediction - spread(y, prediction.ndim)).mean(axis=-1)

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        slope = np.sign(prediction - y) / raw.shape[-1]
        return slope * prediction if link == "log" else slope


class MinusPrediction(Loss):
    """Minus the prediction itself, for regressors without a target.

    The influence is then the prediction with the row minus the prediction without it:
    positive means that the row raises the prediction. Averaged over outputs.
    """

    name = "prediction"

    def value(self, y, prediction):
        return -prediction.mean(axis=-1)

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        return -(prediction if link == "log" else np.ones_like(raw)) / raw.shape[-1]
