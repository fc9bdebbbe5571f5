"""How far a loss can be from its value where a raw prediction is not known exactly.

`spread` says how much lower and higher the loss of a row is anywhere within a distance
of its raw prediction; an infinite distance leaves the smallest and the largest value
that the loss has at all. Losses are monotone or convex in the raw prediction, so that
their extremes lie at the ends of an interval, or where the loss is smallest.
"""

from functools import singledispatch

import numpy as np
from scipy.special import expit, softmax

from skinfluence._losses import (
    LARGEST_LOG_LOSS,
    AbsoluteError,
    Brier,
    Deviance,
    LogLoss,
    MarginLoss,
    MinusPrediction,
    SquaredError,
    ZeroOne,
    unclipped_log_loss_of_raw,
)
from skinfluence._predictions import link_prediction
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.certificates._rounding import EPS

# Length of a move from which on the change of a log loss is taken as a difference.
_LONG = 50.0


@singledispatch
def spread(loss, y, raw, radius, link):
    """Return how much the loss falls at most, and how much it rises.

    Parameters
    ----------
    loss : Loss
        Loss of single rows.
    y : ndarray of shape (n,) or (n, k)
        Encoded targets.
    raw : ndarray of shape (n, m, k)
        Raw predictions.
    radius : ndarray of shape (n, m, k) or (n, m, 1)
        Largest distance of each; for ``link="softmax"``, in whose k predictions only
        differences count, the largest minus the smallest distance.
    link : str
        See `_predictions.link_prediction`.

    Returns
    -------
    down, up : ndarray of shape (n, m)
        Not positive, not negative.
    """
    refuse_loss(loss)


def refuse_loss(loss):
    """Raise for a loss of which nothing is known."""
    name = getattr(loss, "name", type(loss).__name__)
    raise UnsupportedEstimator(
        f"loss={name!r} has no certificate: nothing is known of how a loss of "
        "your own changes with predictions. Use one of the named losses."
    )


def change_with_error(loss, y, raw, delta, link):
    """Change of the loss by moves, and the largest rounding error of it."""
    change = loss.change(y, raw, delta, link)
    error = 64 * EPS * (np.abs(change) + _size(loss, y, raw, delta, link))
    if isinstance(loss, LogLoss):
        _replace_long_moves(y, raw, delta, change, error)
    return change, error


def _replace_long_moves(y, raw, delta, change, error):
    """Take differences of log losses where probabilities may have underflown."""
    reach = np.abs(delta).max(axis=-1) * (1 if delta.shape[-1] == 1 else 2)
    if reach.max(initial=0.0) < 10:
        return
    small = delta.shape[-1] * np.finfo(float).tiny
    error += np.where(reach < _LONG, small * np.exp(np.minimum(reach, _LONG)), 0.0)
    t, m = np.nonzero(reach >= _LONG)
    before = np.minimum(_log_loss(y[t], raw[t]), LARGEST_LOG_LOSS)
    after = np.minimum(_log_loss(y[t], raw[t] + delta[t, m]), LARGEST_LOG_LOSS)
    change[t, m] = after - before
    error[t, m] = 64 * EPS * (before + after)


def _log_loss(y, raw):
    """Log losses of logits (n, ..., k) to all digits, however small, not clipped."""
    y = y.reshape(-1, *[1] * (raw.ndim - 1))
    if raw.shape[-1] == 1:
        apart = np.where(y == 1, -1.0, 1.0) * raw
    else:
        own = np.take_along_axis(raw, y, axis=-1)
        apart = np.where(y == np.arange(raw.shape[-1]), -np.inf, raw - own)
    top = np.maximum(apart.max(axis=-1), 0.0)
    rest = np.exp(apart - top[..., None]).sum(axis=-1)
    return np.where(top > 0, top + np.log(np.exp(-top) + rest), np.log1p(rest))


@singledispatch
def _size(loss, y, raw, delta, link):
    """What a change was computed from, where that may be larger than the change."""
    before = loss.value(y, link_prediction(raw, link, loss.response))
    after = link_prediction(raw[:, None] + delta, link, loss.response)
    return before[:, None] + loss.value(y, after)


@_size.register
def _(loss: LogLoss, y, raw, delta, link):
    # below the clip no digits are lost; above it changes are differences
    beyond = unclipped_log_loss_of_raw(y, raw) > LARGEST_LOG_LOSS - 1
    return LARGEST_LOG_LOSS * beyond[:, None] + 0.0 * delta[..., 0]


@_size.register
def _(loss: SquaredError, y, raw, delta, link):
    if link != "identity":
        return _size.dispatch(object)(loss, y, raw, delta, link)
    part = np.abs(delta) * (np.abs(delta) + 2 * np.abs(raw - y)[:, None])
    return part.mean(axis=-1)


@_size.register
def _(loss: MinusPrediction, y, raw, delta, link):
    prediction = np.abs(link_prediction(raw, link, loss.response))[:, None]
    return (prediction + np.abs(delta)).mean(axis=-1)


@_size.register
def _(loss: Deviance, y, raw, delta, link):
    if link != "log":
        return _size.dispatch(object)(loss, y, raw, delta, link)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.maximum(raw[:, None], raw[:, None] + delta)
        near = np.minimum(raw[:, None], raw[:, None] + delta)
        terms = np.exp((2 - loss.power) * far)
        terms = terms + y[:, None] * np.exp((1 - loss.power) * near)
        # log(0) of the floor is none of ours: a mean there has lost no digits
        reach = np.minimum(np.abs(delta) * (1 + np.abs(raw[:, None])), 1e3)
        return 2 * (terms * reach).mean(axis=-1)


@spread.register
def _(loss: MinusPrediction, y, raw, radius, link):
    if link == "log":
        with np.errstate(over="ignore"):
            high = np.exp(raw + radius) - np.exp(raw)
            low = np.exp(raw - radius) - np.exp(raw)
        return -high.mean(axis=-1), -low.mean(axis=-1)
    radius = np.broadcast_to(radius, raw.shape).mean(axis=-1)
    return -radius, radius


@spread.register
def _(loss: SquaredError, y, raw, radius, link):
    return _of_residuals(y, raw, radius, link, _square)


@spread.register
def _(loss: AbsoluteError, y, raw, radius, link):
    return _of_residuals(y, raw, radius, link, lambda e, r: (-np.minimum(e, r), r))


def _square(error, radius):
    """Spread of a square whose root is ``error`` >= 0, within a distance."""
    with np.errstate(invalid="ignore"):
        down = -np.where(radius >= error, error**2, radius * (2 * error - radius))
        return down, radius * (2 * error + radius)


def _of_residuals(y, raw, radius, link, of_error):
    y = y[:, None]
    if link == "log":
        with np.errstate(over="ignore"):
            center = np.exp(raw)
            radius = np.where(np.isinf(radius), np.inf, np.exp(raw + radius) - center)
            radius = np.where(np.isnan(radius), np.inf, radius)
    else:
        center = raw
    down, up = of_error(np.abs(center - y), np.broadcast_to(radius, center.shape))
    return down.mean(axis=-1), up.mean(axis=-1)


@spread.register
def _(loss: Deviance, y, raw, radius, link):
    if link != "log":
        return _of_residuals(y, raw, radius, link, _square)
    n, m, k = raw.shape
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        target = np.log(y)[:, None]
        lowest = np.clip(target, raw - radius, raw + radius)
        ends = np.stack([raw + radius, raw - radius, lowest])
        # losses, not changes: relative digits do not matter to a margin
        here = loss.value(y, np.exp(raw))
        values = [loss.value(y, np.exp(end)) for end in ends]
        noise = 64 * EPS * sum(_deviance_terms(loss, y, e) for e in (raw, *ends[:2]))
        up = np.maximum(values[0], values[1]) - here + noise
        up = np.where(np.isfinite(up), up, np.inf)
        down = np.maximum(values[2] - here - noise, -here * (1 + 4 * EPS) - noise)
        down = np.where(np.isfinite(down), down, -here * (1 + 4 * EPS))
    return np.minimum(down, 0.0), np.maximum(up, 0.0)


def _deviance_terms(loss, y, raw):
    terms = np.exp((2 - loss.power) * raw) + y[:, None] * np.exp((1 - loss.power) * raw)
    terms = terms * (1 + np.abs(raw)) + np.abs(y[:, None]) * (1 + np.abs(raw)) + 1
    return terms.mean(axis=-1)


@spread.register
def _(loss: LogLoss, y, raw, radius, link):
    radius = radius[..., 0]
    value = _log_loss(y, raw)
    right, wrong = _right_and_wrong(y, raw, link)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # log(1 + pbar (e^r - 1)), which is r - log(...) where e^r overflows
        up = np.where(radius < 30, np.log1p(wrong * np.expm1(radius)), radius)
        down = np.where(
            wrong < 0.5,
            np.log1p(wrong * np.expm1(-radius)),
            np.log(right + wrong * np.exp(-radius)),
        )
        down = np.maximum(np.where(np.isnan(down), -np.inf, down), -radius)
    error = 32 * EPS * (wrong >= 0.5)  # of a sum of about one
    up, down = (1 + 16 * EPS) * up + error, (1 + 16 * EPS) * down - error
    room = LARGEST_LOG_LOSS - value
    up = np.clip(room, 0.0, np.maximum(up, 0.0))
    # a loss above the clip falls only once it is below
    down = np.minimum(down - np.minimum(room, 0.0), 0.0)
    down = np.maximum(down, -np.minimum(value, LARGEST_LOG_LOSS))
    noise = 16 * EPS * LARGEST_LOG_LOSS * (np.abs(room) < 1)
    return down - noise, up + noise


def _right_and_wrong(y, raw, link):
    """Probabilities of the true class and of the others."""
    if link == "logit":
        against = np.where(y == 1, -1.0, 1.0)[:, None] * raw[..., 0]
        return expit(-against), expit(against)
    probability = softmax(raw, axis=-1)
    own = (y[:, None] == np.arange(raw.shape[-1]))[:, None]
    return (probability * own).sum(axis=-1), (probability * ~own).sum(axis=-1)


@spread.register
def _(loss: Brier, y, raw, radius, link):
    value = loss.value(y, link_prediction(raw, link, "predict_proba"))
    if link == "logit":
        sign = np.where(y == 1, -1.0, 1.0)[:, None]
        against, radius = sign * raw[..., 0], radius[..., 0]
        up = expit(against + radius) ** 2 - expit(against) ** 2
        down = expit(against - radius) ** 2 - expit(against) ** 2
        return down - 32 * EPS, up + 32 * EPS
    # each probability changes by a factor of at most e^r, and their sum does not
    radius = radius[..., 0]
    with np.errstate(over="ignore"):
        change = np.minimum(2 * np.expm1(radius), 2.0)
    two = raw.shape[-1] == 2
    change = change if two else 2 * change
    largest = 1.0 if two else 2.0
    up = np.minimum(change, np.maximum(largest - value, 0.0))
    return -np.minimum(change, value) - 32 * EPS, up + 32 * EPS


@spread.register
def _(loss: ZeroOne, y, raw, radius, link):
    value = loss.value(y, link_prediction(raw, link, "predict"))
    if raw.shape[-1] == 1:
        certain = np.abs(raw[..., 0]) > radius[..., 0]
    else:
        first = raw.argmax(axis=-1)[..., None]
        best = np.take_along_axis(raw, first, axis=-1)
        reach = np.broadcast_to(radius, raw.shape)
        if link == "softmax":  # of a difference
            gap = best - raw - reach
        else:
            gap = best - raw - reach - np.take_along_axis(reach, first, axis=-1)
        np.put_along_axis(gap, first, np.inf, axis=-1)
        certain = gap.min(axis=-1) > 0
    return np.where(certain, 0.0, -value), np.where(certain, 0.0, 1.0 - value)


@spread.register
def _(loss: MarginLoss, y, raw, radius, link):
    k = raw.shape[-1]
    if k == 1:
        code = (2.0 * y - 1.0)[:, None]
    else:
        code = 2.0 * (y[:, None] == np.arange(k)) - 1.0
    violation = 1.0 - code[:, None] * raw
    if loss.name == "squared_margin":
        down, up = _square(np.abs(violation), np.broadcast_to(radius, raw.shape))
        return down.sum(axis=-1), up.sum(axis=-1)
    power = 1 if loss.name == "hinge" else 2

    def hinge(v):
        return np.maximum(v, 0.0) ** power

    here = hinge(violation)
    down, up = hinge(violation - radius) - here, hinge(violation + radius) - here
    with np.errstate(over="ignore"):
        noise = np.where(
            np.isfinite(up), 16 * EPS * (np.abs(violation) + 1) ** power, 0
        )
    noise = noise + np.where(np.isfinite(up), 16 * EPS * (here + np.abs(up)), 0)
    return (down - noise).sum(axis=-1), (up + noise).sum(axis=-1)
