"""The raw prediction before the first tree, as a function of the row weights."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class ConstantBase:
    """An initial raw prediction that does not depend on the targets."""

    raw: np.ndarray

    def value(self, y, weight):
        """Raw prediction, shape (K,)."""
        return self.raw

    def slope(self, y, weight):
        """Derivative with respect to the weight of each row, shape (n, K)."""
        return np.zeros((len(y), len(self.raw)))

    def changes(self, y, weight):
        """Value without each row minus value with all, shape (n, K)."""
        return np.zeros((len(y), len(self.raw)))


@dataclass(frozen=True)
class MeanBase:
    """The weighted mean of the targets on the scale of the raw prediction.

    Parameters
    ----------
    link : {"identity", "log", "logit", "log_prior", "centred_log_prior"}
        "log_prior" is the logarithm of the classes' shares; "centred_log_prior"
        subtracts its mean over the classes.
    """

    link: str

    def value(self, y, weight):
        """Raw prediction, shape (K,)."""
        return self._raw(weight @ y / weight.sum())

    def slope(self, y, weight):
        """Derivative with respect to the weight of each row, shape (n, K)."""
        total = weight.sum()
        mean = weight @ y / total
        slope = (y - mean) / total
        if self.link == "identity":
            return slope
        if self.link == "logit":
            return slope / (mean * (1 - mean))
        slope = slope / mean
        if self.link == "centred_log_prior":
            slope -= slope.mean(axis=1, keepdims=True)
        return slope

    def changes(self, y, weight):
        """Value without each row minus value with all, shape (n, K)."""
        total = weight.sum()
        without = (weight @ y - weight[:, None] * y) / (total - weight)[:, None]
        return self._raw(without) - self.value(y, weight)

    def _raw(self, mean):
        if self.link == "identity":
            return mean
        if self.link == "logit":
            return logit(np.clip(mean, EPS, 1 - EPS))
        raw = np.log(np.maximum(mean, EPS))
        if self.link == "centred_log_prior":
            raw = raw - raw.mean(axis=-1, keepdims=True)
        return raw
