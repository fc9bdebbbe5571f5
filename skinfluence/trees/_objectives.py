"""Losses that boosting descends: derivatives with respect to the raw prediction.

Targets are columns: numbers of shape (n, 1), 0 and 1 of shape (n, 1) for two classes,
indicators of shape (n, K) for K > 2 classes. Raw predictions have the same shape.
"""

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import expit, softmax


class Objective(ABC):
    """A loss of one row as a function of its raw predictions.

    Attributes
    ----------
    link : str
        How raw predictions become predictions, see `_predictions.link_prediction`.
    quadratic : bool
        Whether the gradient is linear in the raw prediction, so that a first-order
        change is exact.
    joint : bool
        Whether curvatures are matrices, and all outputs of a leaf are solved for
        together (`_joint_leaves`).
    """

    link: str
    quadratic = False
    joint = False

    @abstractmethod
    def derivatives(self, y, raw):
        """Gradient and curvature (the diagonal) of every row, each of shape (n, K).

        The curvature of a `joint` objective has shape (n, K, K).
        """

    @abstractmethod
    def slopes(self, y, raw):
        """Derivatives of `derivatives` with respect to the raw predictions.

        Returns
        -------
        gradient_slope, curvature_slope : ndarray of shape (n, K, K)
            Entry (k, m): derivative of the gradient (curvature) of output k with
            respect to the raw prediction of output m. Of a `joint` objective the
            curvature's has shape (n, K, K, K), that with respect to m last.
        """


class SquaredLoss(Objective):
    """Half the squared error."""

    link = "identity"
    quadratic = True

    def derivatives(self, y, raw):
        return raw - y, np.ones_like(raw)

    def slopes(self, y, raw):
        return np.ones((len(raw), 1, 1)), np.zeros((len(raw), 1, 1))


class LogisticLoss(Objective):
    """Log loss of two classes, targets 0 and 1."""

    link = "logit"

    def derivatives(self, y, raw):
        p = expit(raw)
        return p - y, p * expit(-raw)

    def slopes(self, y, raw):
        p = expit(raw)
        h = p * expit(-raw)
        return h[..., None], (h * (1 - 2 * p))[..., None]


class MultinomialLoss(Objective):
    """Log loss of K classes, targets indicators."""

    link = "softmax"

    def derivatives(self, y, raw):
        p = softmax(raw, axis=1)
        return p - y, p * (1 - p)

    def slopes(self, y, raw):
        p = softmax(raw, axis=1)
        slope = _covariance(p)
        return slope, (1 - 2 * p)[:, :, None] * slope


class JointMultinomialLoss(MultinomialLoss):
    """The same with its whole Hessian, not the diagonal."""

    joint = True

    def derivatives(self, y, raw):
        p = softmax(raw, axis=1)
        return p - y, _covariance(p)

    def slopes(self, y, raw):
        p = softmax(raw, axis=1)
        covariance = _covariance(p)
        # Third derivatives: the third central moments of an indicator.
        third = -p[:, :, None, None] * covariance[:, None]
        third -= p[:, None, :, None] * covariance[:, :, None]
        diagonal = np.arange(p.shape[1])
        third[:, diagonal, diagonal] += covariance
        return covariance, third


def _covariance(p):
    out = -p[:, :, None] * p[:, None, :]
    diagonal = np.arange(p.shape[1])
    out[:, diagonal, diagonal] += p
    return out


class PoissonLoss(Objective):
    """Poisson deviance with a log link, halved."""

    link = "log"

    def derivatives(self, y, raw):
        mean = np.exp(raw)
        return mean - y, mean

    def slopes(self, y, raw):
        mean = np.exp(raw)[..., None]
        return mean, mean


class GammaLoss(Objective):
    """Gamma deviance with a log link, halved."""

    link = "log"

    def derivatives(self, y, raw):
        ratio = y * np.exp(-raw)
        return 1 - ratio, ratio

    def slopes(self, y, raw):
        ratio = (y * np.exp(-raw))[..., None]
        return ratio, -ratio
