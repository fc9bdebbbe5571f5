"""Intervals of the losses of classifiers whose class scores are balls.

The losses are evaluated in long double and both of their ends are rounded outwards, so
that also the difference of two losses that are nearly equal, or far below what a double
holds, keeps its digits.
"""

from functools import singledispatch

import numpy as np

from skinfluence._losses import Brier, LogLoss, ZeroOne
from skinfluence.removal.certificates._rounding import EPS, WIDE_EPS
from skinfluence.removal.certificates._spreads import refuse_loss

_CLIP = -np.log(np.longdouble(EPS))


@singledispatch
def loss_interval(loss, y, scores):
    """Return the smallest and the largest value of a loss.

    Parameters
    ----------
    loss : Loss
        Loss of single rows.
    y : ndarray of int, shape (n,)
        Class indices.
    scores : Ball of shape (n, m, k)
        Scores of classes, of which only differences count. Without a finite radius
        the interval is all that the loss can be.

    Returns
    -------
    low, high : ndarray of longdouble, shape (n, m)
    """
    refuse_loss(loss)


def _differences(y, scores):
    """Scores minus that of the true class, and their largest error, (n, m)."""
    own = np.take_along_axis(scores.mid, y[:, None, None], axis=2)
    apart = scores.mid - own
    size = np.abs(apart).max(axis=2).astype(float)
    radius = 2 * scores.rad.max(axis=2) + 4 * WIDE_EPS * size
    lost = ~np.isfinite(radius) | (radius > 1)
    apart[lost] = 0.0
    true = (y[:, None] == np.arange(apart.shape[2]))[:, None]
    return apart, true, np.where(lost, 0.0, radius * (1 + 8 * EPS)), lost


@loss_interval.register
def _(loss: LogLoss, y, scores):
    apart, true, radius, lost = _differences(y, scores)
    units = 8 * (apart.shape[2] + 8) * WIDE_EPS
    ends = []
    for sign in (-1, 1):
        end = np.where(true, -np.inf, apart + sign * radius[..., None])
        top = np.maximum(end.max(axis=2), 0.0)
        rest = np.exp(end - top[..., None]).sum(axis=2)
        value = np.where(top > 0, top + np.log(np.exp(-top) + rest), np.log1p(rest))
        value = value * (1 + sign * units)
        # at the clip itself, which is a double, not the logarithm
        value = np.where(value > _CLIP * (1 - EPS), _CLIP * (1 + sign * EPS), value)
        ends.append(np.where(lost, 0.0 if sign < 0 else _CLIP * (1 + EPS), value))
    return tuple(ends)


@loss_interval.register
def _(loss: Brier, y, scores):
    apart, true, radius, lost = _differences(y, scores)
    share = np.exp(apart - apart.max(axis=2, keepdims=True))
    share /= share.sum(axis=2, keepdims=True)
    k = share.shape[2]
    # 1 - p of the true class as the sum of the others, which loses no digits
    others = np.where(true, 0.0, share)
    wrong = others.sum(axis=2)
    if k == 2:
        value, largest = wrong**2, 1.0
    else:
        value, largest = wrong**2 + (others**2).sum(axis=2), 2.0
    # each probability is off by a factor of at most e^radius
    factor = np.expm1(2 * radius.astype(np.longdouble)) + 16 * (k + 8) * WIDE_EPS
    factor = np.where(lost, np.inf, factor)
    low = np.where(lost, 0.0, value * np.maximum(1 - factor, 0.0))
    high = np.where(lost, largest, np.minimum(value * (1 + factor), largest))
    return low, high


@loss_interval.register
def _(loss: ZeroOne, y, scores):
    apart, true, radius, lost = _differences(y, scores)
    rival = np.where(true, -np.inf, apart).max(axis=2)
    low = np.where((rival > radius) & ~lost, 1.0, 0.0)
    high = np.where((rival < -radius) & ~lost, 0.0, 1.0)
    return low.astype(np.longdouble), high.astype(np.longdouble)
