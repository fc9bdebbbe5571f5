"""Deviances of positive means, with a floor for means of zero."""

import numpy as np
from scipy.special import xlogy

from skinfluence._losses._loss import Loss, spread
from skinfluence._predictions import link_prediction


class Deviance(Loss):
    """Unit Tweedie deviance (in full, not halved), as `sklearn.metrics`.

    A predicted mean is at least eps (of float64) times the target, so that the loss is
    monotone and finite if the mean underflows, in any unit of the target. For targets
    of zero, whose deviance falls to zero with the mean, the floor is the smallest
    normal number.
    """

    name = "deviance"

    def __init__(self, power):
        self.power = power

    def value(self, y, prediction):
        y, q = spread(y, prediction.ndim), self.power
        if q == 0:
            return ((y - prediction) ** 2).mean(axis=-1)
        prediction = np.maximum(prediction, _floor(y))
        if q == 1:
            unit = 2 * (xlogy(y, y / prediction) - y + prediction)
        elif q == 2:
            unit = 2 * (np.log(prediction / y) + y / prediction - 1)
        else:
            unit = 2 * (
                np.maximum(y, 0) ** (2 - q) / ((1 - q) * (2 - q))
                - y * prediction ** (1 - q) / (1 - q)
                + prediction ** (2 - q) / (2 - q)
            )
        return unit.mean(axis=-1)

    def change(self, y, raw, delta, link):
        if link != "log":
            return super().change(y, raw, delta, link)
        raw, delta = self._above_floor(y, raw, delta)
        first, second = 2 - self.power, 1 - self.power

        def growth(a):
            """(prediction**a after minus before) / a, and its limit at a = 0."""
            if a == 0:
                return delta
            grown = np.exp(a * raw)[:, None] / a * np.expm1(np.minimum(a * delta, 700))
            far = a * delta > 700  # there the plain difference is accurate
            if far.any():
                after = np.exp(a * (raw[:, None] + delta))
                grown = np.where(far, (after - np.exp(a * raw)[:, None]) / a, grown)
            return grown

        return 2 * (growth(first) - y[:, None] * growth(second)).mean(axis=-1)

    def expansion(self, y, raw, link):
        rise, fall = 2 - self.power, 1 - self.power
        if link != "log" or not (rise >= 0 >= fall) or raw.shape[1] > 1:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            up, down = 2 * np.exp(rise * raw), 2 * y * np.exp(fall * raw)
            curvature = rise * up - fall * down
        lost = (raw < self._log_floor(y) + 1) | ~np.isfinite(up + down)
        return up - down, np.where(lost, np.nan, curvature), max(rise, -fall)

    def _above_floor(self, y, raw, delta):
        """Limit moves of log-means so that both ends are at least the floor."""
        floor = self._log_floor(y)
        lowest = raw + np.minimum(delta.min(axis=1, initial=0.0), 0.0)
        if (lowest >= floor).all():
            return raw, delta
        before = np.maximum(raw, floor)
        after = np.maximum(raw[:, None] + delta, floor[:, None])
        low = (raw[:, None] < floor[:, None]) | (after == floor[:, None])
        return before, np.where(low, after - before[:, None], delta)

    def _log_floor(self, y):
        if self.power == 0:
            return np.full(y.shape, -np.inf)
        return np.log(_floor(y))

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        if self.power == 0:
            slope = 2 * (prediction - y) / raw.shape[-1]
            return slope * prediction if link == "log" else slope
        mean = np.maximum(prediction, _floor(y))
        slope = 2 * (mean - y) / raw.shape[-1]
        slope *= mean ** ((1 if link == "log" else 0) - self.power)
        return np.where(prediction < mean, 0.0, slope)


def _floor(y):
    """Smallest mean for each target."""
    double = np.finfo(np.float64)
    return np.maximum(double.eps * y, double.tiny)
