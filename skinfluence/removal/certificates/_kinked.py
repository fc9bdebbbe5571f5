r"""Squares beyond a kink: the squared hinge, and tubes.

The objective ``sum_j a_j l_j + theta' R theta / 2`` is convex with kinks in its
gradient, but R is positive: everywhere

.. math:: |\theta - \theta^*|_R \le |\nabla F(\theta)|_{R^{-1}},

so that no Hessian is asked for. The gradient without rows is summed in changes of the
slopes, which are at most ``2 a_j |t_j|``: no digits are lost to the costs.
"""

import numpy as np

from skinfluence.removal._classes import loses_class
from skinfluence.removal.certificates._certificate import Certificate
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._metric import PenaltyMetric
from skinfluence.removal.certificates._rounding import (
    EPS,
    UNITS,
    row_errors,
    wide_gradient,
)
from skinfluence.removal.certificates._smooth import Removed
from skinfluence.removal.kinked._kinked_squares import Hinge, KinkedSquares

_BATCH, _TILE = 256, 512


def _excess(loss, raw, part=slice(None)):
    """How far predictions are on parabolas, with signs; and how far from the kinks."""
    if isinstance(loss, Hinge):
        code = loss.code[part]
        violation = 1 - code * raw
        return -code * np.maximum(violation, 0), np.abs(violation)
    residual = raw - loss.y[part]
    beyond = np.abs(residual) - loss.epsilon
    return np.sign(residual) * np.maximum(beyond, 0), np.abs(beyond)


@certificate.register
def _(model: KinkedSquares, source, masks=None):
    moves, _ = source.moves(model, masks)
    moves = np.array(moves)
    removed = Removed(len(model.design.rows), masks)
    metric = PenaltyMetric(model.penalty)
    found = [
        _distances(model, k, removed, moves[:, k], metric) for k in range(len(model.theta))
    ]
    base, distance = zip(*found, strict=True)
    distance = np.stack(distance, axis=1)
    used = model.cost > 0
    gone = removed.sums(used.any(axis=1)[removed.row].astype(float))
    if model.labels is not None:
        lost = loses_class(model.labels, masks, used.any(axis=1))
        moves[lost], distance[lost] = 0.0, np.inf
    metrics = [metric] * len(base)
    args = model, moves, metrics, np.array(base), distance
    return Certificate(*args, unchanged=gone == 0)


def _distances(model, k, removed, moves, metric):
    """Distance of the model of all rows, and of those without, for one output."""
    X, loss, cost = model.design.rows, model.losses[k], model.cost[:, k]
    n, p = X.shape
    theta = model.theta[k]

    def slope(part, eta):
        return 2 * cost[part] * _excess(loss, eta, part)[0]

    def curvature(part, eta):
        return np.broadcast_to(2 * cost[part], eta.shape)

    def terms(part, eta):
        # a difference of 1 (or y) and the prediction
        beyond, distance = _excess(loss, eta, part)
        near = np.where(beyond != 0, distance, 0)
        return 2 * cost[part] * near

    theta_wide = theta.astype(np.longdouble)
    args = model.design, theta_wide, slope, terms, curvature
    gradient, slack, raw, _ = wide_gradient(*args)
    gradient = gradient + model.penalty * theta_wide
    slack = slack + UNITS * model.penalty * np.abs(theta)
    slack += 4 * np.finfo(np.longdouble).eps * (2 * cost * (1 + np.abs(raw))) @ np.abs(X)
    first = metric.norms(gradient[None].astype(float))[0] + metric.box(slack)
    sums = _changes(X, loss, cost, theta, raw, removed, moves)
    sums += gradient.astype(float) + model.penalty * moves
    size = np.sqrt((2 * cost) @ X**2 * (1 + 4 * n * EPS))
    _, absolute = row_errors(model.design)
    length = np.abs(moves) @ size
    units = (4 * (p + 16) + n + 32) * EPS + 2 * UNITS
    spread = metric.box(size) * units + metric.box(np.full(p, absolute)) * np.sqrt(
        2 * cost.sum()
    )
    spread += 4 * absolute * np.sqrt(2 * cost.sum()) * metric.box(size) / max(
        size.min(), 1e-300
    )
    nu = metric.norms(sums) + metric.box(slack) + spread * length
    nu += UNITS * metric.box(np.sqrt(model.penalty)) * np.abs(
        moves * np.sqrt(model.penalty)
    ).max(axis=1, initial=0.0)
    return first * (1 + UNITS), nu * (1 + UNITS)


def _changes(X, loss, cost, theta, raw, removed, moves):
    """Changes of the gradients of all terms but those of the sets, without penalty."""
    m, n = len(moves), len(X)
    before, distance = _excess(loss, raw)
    out = -removed.sums((2 * cost * before)[removed.row, None] * X[removed.row])
    active = before != 0
    for start in range(0, m, _BATCH):
        stop = min(start + _BATCH, m)
        member, row = removed.pairs(start, stop)
        for first in range(0, n, _TILE):
            tile = slice(first, min(first + _TILE, n))
            t = moves[start:stop] @ X[tile].T
            crossing = np.abs(t) >= distance[tile] * (1 - 1e-9)
            change = np.where(active[tile], t, 0.0)
            if crossing.any():
                after = _excess(loss, raw[tile] + t, tile)[0] - before[tile]
                change[crossing] = after[crossing]
            own = (row >= first) & (row < tile.stop)
            change[member[own], row[own] - first] = 0.0
            out[start:stop] += (2 * cost[tile] * change) @ X[tile]
    return out
