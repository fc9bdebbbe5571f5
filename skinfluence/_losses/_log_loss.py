"""The log loss, clipped in one place for probabilities, logits and slopes.

The log loss is ``min(-log p, -log eps)`` with the eps of float64, as in
`sklearn.metrics.log_loss`. It is monotone in the probability p of the true class, and
the same for probabilities, logits, and classes that the model was not trained on.
Beyond the clip it is constant, with slope zero. The eps of float64 is used for
probabilities in single precision too, so that a net's losses on logits and on
probabilities have the same clip.
"""

import numpy as np
from scipy.special import expit, logsumexp, softmax

from skinfluence._losses._loss import Loss, pick, spread

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
LARGEST_LOG_LOSS = float(-np.log(SMALLEST_PROBABILITY))  # 36.04


def clip_log_loss(loss):
    """Clip log losses, an array or a tensor."""
    return loss.clip(max=LARGEST_LOG_LOSS)


def log_loss_of_probability(probability):
    """Log loss of a probability of the true class."""
    return -np.log(np.maximum(probability, SMALLEST_PROBABILITY))


def log_loss_of_raw(y, raw):
    """Log loss of logits, computed without probabilities.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Class indices.
    raw : ndarray of shape (n, ..., k)
        One logit for two classes, or a score for every class.
    """
    loss = unclipped_log_loss_of_raw(y, raw)
    return np.minimum(loss, LARGEST_LOG_LOSS, out=loss)


def log_loss_slope(y, raw):
    """Derivative of the log loss *without* its clip, as models are trained on it."""
    if raw.shape[-1] == 1:
        return expit(raw) - y[:, None]
    return softmax(raw, axis=-1) - (y[:, None] == np.arange(raw.shape[-1]))


def unclipped_log_loss_of_raw(y, raw):
    """Log loss of logits *without* its clip, as models are trained on it."""
    if raw.shape[-1] <= 2:
        against = raw[..., 0] if raw.shape[-1] == 1 else raw[..., 1] - raw[..., 0]
        against = against * spread(np.where(y == 1, -1.0, 1.0), against.ndim)
        out = np.log1p(np.exp(-np.abs(against)))
        out += np.maximum(against, 0.0)
        return out
    top = raw.max(axis=-1, keepdims=True)
    share = raw - top
    np.exp(share, out=share)
    out = np.log(share.sum(axis=-1))
    out += top[..., 0] - pick(raw, y)
    return out


class LogLoss(Loss):
    """Minus log-probability of the true class, natural logarithm, at most 36.04."""

    name = "log_loss"
    response = "predict_proba"

    def value(self, y, prediction):
        return log_loss_of_probability(pick(prediction, y))

    def of_log_probabilities(self, y, log_probabilities):
        return clip_log_loss(-pick(log_probabilities, y))

    def change(self, y, raw, delta, link):
        return self.clip_growth(
            self.growth(y, raw, delta, link), unclipped_log_loss_of_raw(y, raw)
        )

    def clip_growth(self, growth, before):
        """Clip the loss at both ends of moves.

        Parameters
        ----------
        growth : ndarray of shape (n, m)
            Result of `growth`; changed in place.
        before : ndarray of shape (n,)
            Losses before the moves, not clipped.

        Returns
        -------
        change : ndarray of shape (n, m)
            Equal to ``growth`` if both ends are below the clip.
        """
        room = LARGEST_LOG_LOSS - before
        lowest = room.min(initial=np.inf)
        if growth.max(initial=0.0) <= lowest:
            return growth
        if lowest < 0:
            beyond = room < 0
            growth[beyond] -= room[beyond, None]
        return np.minimum(growth, np.maximum(room, 0.0)[:, None], out=growth)

    def growth(self, y, raw, delta, link):
        """Growth of the loss without its clip, accurate to rounding."""
        # log sum_c p_c e^delta_c - delta_y
        #     = log1p(sum_c p_c expm1(delta_c - delta_m)) + delta_m - delta_y
        # for any class m. With the likeliest one the argument is above 1/K - 1, so
        # that there is no cancellation for any move.
        if link == "logit":
            toward = np.where(raw[:, 0] > 0, -1.0, 1.0)[:, None]  # the other class
            relative = delta[..., 0] * toward
            likely = -np.abs(raw)
            far = _far(relative[..., None], likely)
            np.expm1(relative, out=relative)
            relative *= expit(likely)
            out = np.log1p(relative, out=relative)
            wrong = np.flatnonzero((raw[:, 0] > 0) != (y == 1))
            out[wrong] -= toward[wrong] * delta[wrong, :, 0]
        else:
            likeliest = raw.argmax(axis=-1)
            pivot = pick(delta, likeliest)
            relative = delta - pivot[..., None]
            far = _far(relative, raw - raw.max(axis=-1, keepdims=True))
            np.expm1(relative, out=relative)
            out = np.matmul(relative, softmax(raw, axis=-1)[:, :, None])[..., 0]
            np.log1p(out, out=out)
            wrong = np.flatnonzero(likeliest != y)
            out[wrong] += pivot[wrong] - pick(delta[wrong], y[wrong])
        if far is not None:
            t, m = far
            out[far] = self._far_growth(y[t], raw[t], delta[t, m], link)
        return out

    def _far_growth(self, y, raw, delta, link):
        """Difference of two losses, for single moves of shape (n, k)."""
        if link == "logit":
            sign = 1.0 - 2.0 * y
            before, move = sign * raw[:, 0], sign * delta[:, 0]
            return np.logaddexp(0, before + move) - np.logaddexp(0, before)
        before = raw - pick(raw, y)[:, None]
        after = before + delta - pick(delta, y)[:, None]
        return logsumexp(after, axis=-1) - logsumexp(before, axis=-1)

    def expansion(self, y, raw, link):
        if link != "logit":
            return None
        side = np.where(y == 1, -1.0, 1.0)[:, None]
        wrong = expit(side * raw)  # with all digits where a row is surely right
        curvature = wrong * expit(-side * raw)
        curvature[unclipped_log_loss_of_raw(y, raw) > LARGEST_LOG_LOSS - 1] = np.nan
        return side * wrong, curvature, 1.0

    def slope(self, y, raw, link):
        slope = log_loss_slope(y, raw)
        slope[unclipped_log_loss_of_raw(y, raw) > LARGEST_LOG_LOSS] = 0.0
        return slope


def _far(relative, likely):
    """Find moves whose exponentials overflow, and limit those without an effect.

    Parameters
    ----------
    relative : ndarray of shape (n, m, k)
        Moves relative to the likeliest class; limited in place.
    likely : ndarray of shape (n, k)
        Raw predictions relative to the likeliest class.

    Returns
    -------
    far : tuple of ndarray or None
        Indices of moves that raise a class of negligible probability.
    """
    if relative.max(initial=0.0) < 700:
        return None
    counts = (relative >= 700) & (relative > -60 - likely[:, None])
    np.minimum(relative, 700, out=relative)
    return np.nonzero(counts.any(axis=-1))
