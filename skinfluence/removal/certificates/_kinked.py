r"""Squares beyond a kink: the squared hinge, and tubes.

The objective ``sum_j a_j l_j + theta' R theta / 2`` is convex with kinks in its
gradient, but R is positive: everywhere

.. math:: |\theta - \theta^*|_R \le |\nabla F(\theta)|_{R^{-1}}.

Rows that are so far from their kinks that they stay on their parabolas within this
distance add their curvature: between theta and the minimiser the objective is convex
by their Hessian as well, which makes the same bound a sharper one. The gradient without
rows is summed in changes of the slopes, which are at most ``2 a_j |t_j|``, so that no
digits are lost to the costs.
"""

from dataclasses import replace

import numpy as np

from skinfluence.removal._classes import loses_class
from skinfluence.removal.certificates._certificate import Certificate
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._metric import Metric, PenaltyMetric
from skinfluence.removal.certificates._removed import Removed
from skinfluence.removal.certificates._rounding import (
    EPS,
    UNITS,
    WIDE_EPS,
    row_errors,
    wide_gradient,
)
from skinfluence.removal.certificates._sources import EXACT
from skinfluence.removal.kinked._kinked_squares import Hinge, KinkedSquares

_BATCH, _TILE = 256, 512
_SHARPER = 2  # times that a distance shows that more rows stay


@certificate.register
def _(model: KinkedSquares, source, masks=None):
    # Kinks leave no bound around a single step: a row may cross one anywhere.
    moves, _ = replace(source, kind=EXACT).moves(model, masks)
    moves = np.array(moves)
    removed = Removed(len(model.design.rows), masks)
    outputs = [
        _Output(model, k, removed, moves[:, k], source.tol)
        for k in range(len(model.theta))
    ]
    distance = np.stack([output.distance for output in outputs], axis=1)
    own = {(i, k): v for k, out in enumerate(outputs) for i, v in out.own.items()}
    used = (model.cost > 0).any(axis=1)
    gone = removed.totals(used.astype(float))
    metrics = [outputs[0].metric] * len(outputs)
    base = np.array([output.base[1] for output in outputs])
    args = model, moves, metrics, base, distance, own, gone == 0
    out = Certificate(*args)
    out.base_metrics = [output.base[0] for output in outputs]
    if model.labels is not None:
        out.forget(np.flatnonzero(loses_class(model.labels, masks, used)))
    return out


class _Output:
    """Distances of one output's models from their minimisers.

    Attributes
    ----------
    metric : PenaltyMetric
        Of ``distance``, shape (m,), the models without rows.
    own : dict of int to (metric, float)
        Models that have a sharper distance in a metric of their own.
    base : tuple (metric, float)
        Of the model of all rows.
    """

    def __init__(self, model, k, removed, moves, tol):
        self.design, self.X = model.design, model.design.rows
        self.loss, self.cost = model.losses[k], model.cost[:, k]
        self.theta, self.penalty = model.theta[k], model.penalty
        self.metric = PenaltyMetric(model.penalty)
        n, p = self.X.shape
        gradient, slack = self._at_optimum()
        _, absolute = row_errors(self.design)
        steep = 2 * self.cost
        size = np.sqrt(steep @ self.X**2) * (1 + 4 * n * EPS)
        size += absolute * np.sqrt(steep.sum())
        length = np.abs(moves) @ size + absolute * np.sqrt(steep.sum()) * np.abs(
            moves
        ).sum(axis=1)
        units = (4 * (p + 16) + n + 32) * EPS + 2 * UNITS
        errors = slack + np.multiply.outer(units * length, size)
        errors += (
            2 * absolute * np.multiply.outer(length, np.full(p, steep.sum()) ** 0.5)
        )
        errors += UNITS * self.penalty * np.abs(moves)
        if removed.masks is not None:  # rounding of long sums of what rows took
            beyond = np.abs(self._excess(self.raw)[0])
            taken = removed.totals((steep * beyond)[:, None] * np.abs(self.X))
            errors += 2 * EPS * (removed.masks.sum(axis=1) + 8)[:, None] * taken
        self.lengths = self.metric.row_norms(self.X, row_errors(self.design))
        self.noise, self.wanted = 1e-12 * (np.abs(self.X) @ np.abs(self.theta)), 0.0
        first = self._distance(self.metric, gradient[None], slack[None])[0]
        self.base = self._sharpest(self.raw, self.cost, gradient, slack, first)
        sums = self._changes(removed, moves) + gradient + self.penalty * moves
        self.distance = self._distance(self.metric, sums, errors)
        reach, self.wanted = self.lengths.max(initial=0.0), tol / 2
        self.own = {}
        for i in np.flatnonzero(self.distance * reach > self.wanted):
            cost = np.where(removed.mask(i), 0.0, self.cost)
            raw = self.raw + self.X @ moves[i]
            args = raw, cost, sums[i], errors[i], self.distance[i]
            self.own[i] = self._sharpest(*args)

    def _excess(self, raw, part=slice(None)):
        """How far beyond their kinks predictions are, and how far from them."""
        if isinstance(self.loss, Hinge):
            code = self.loss.code[part]
            violation = 1 - code * raw
            return -code * np.maximum(violation, 0), np.abs(violation)
        residual = raw - self.loss.y[part]
        beyond = np.abs(residual) - self.loss.epsilon
        return np.sign(residual) * np.maximum(beyond, 0), np.abs(beyond)

    def _at_optimum(self):
        """Gradient of all rows, and its error."""
        steep = 2 * self.cost

        def derivatives(part, eta):
            slope = steep[part] * self._excess(eta, part)[0]
            return slope, np.abs(slope), steep[part]

        theta = self.theta.astype(np.longdouble)
        gradient, slack, self.raw, _ = wide_gradient(self.design, theta, derivatives)
        # an excess is a difference of the prediction and a kink
        scale = np.abs(self.raw) + self._excess(self.raw)[1]
        slack += 8 * WIDE_EPS * (steep * scale) @ np.abs(self.X)
        slack += UNITS * self.penalty * np.abs(self.theta)
        return (gradient + self.penalty * theta).astype(float), slack

    def _distance(self, metric, gradients, errors):
        nu = metric.norms(gradients) + metric.norms_of_boxes(errors)
        return nu / metric.kappa * (1 + UNITS)

    def _sharpest(self, raw, cost, gradient, error, distance):
        """Return the metric and distance that the rows which stay allow."""
        metric, best = self.metric, distance
        lengths = self.lengths
        beyond, apart = self._excess(raw)
        noise = 64 * len(self.theta) * EPS * (1 + np.abs(raw) + apart) + self.noise
        _, absolute = row_errors(self.design)
        for _ in range(_SHARPER):
            if best * lengths.max(initial=0.0) <= self.wanted:
                break
            stay = (beyond != 0) & (apart > best * lengths * 1.01 + noise)
            rows, weight = self.X[stay], 2 * cost[stay]
            hessian = rows.T @ (weight[:, None] * rows) + np.diag(self.penalty)
            slip = absolute * np.sqrt(weight.sum() / self.penalty.min())
            new = Metric(hessian, len(raw), 4 * slip)
            if not new.trusted:
                break
            found = self._distance(new, gradient[None], error[None])[0]
            metric, best = new, found
            lengths = new.row_norms(self.X, row_errors(self.design))
        return metric, best

    def _changes(self, removed, moves):
        """Changes of the gradient by removals and moves, the penalty's left out."""
        X, steep = self.X, 2 * self.cost
        m, n = len(moves), len(X)
        before, apart = self._excess(self.raw)
        out = -removed.totals((steep * before)[:, None] * X)
        active = before != 0
        for start in range(0, m, _BATCH):
            stop = min(start + _BATCH, m)
            member, row = removed.pairs(start, stop)
            for first in range(0, n, _TILE):
                tile = slice(first, min(first + _TILE, n))
                t = moves[start:stop] @ X[tile].T
                crossing = np.abs(t) >= apart[tile] * (1 - 1e-9)
                change = np.where(active[tile], t, 0.0)
                if crossing.any():
                    after = self._excess(self.raw[tile] + t, tile)[0] - before[tile]
                    change[crossing] = after[crossing]
                own = (row >= first) & (row < tile.stop)
                change[member[own], row[own] - first] = 0.0
                out[start:stop] += (steep[tile] * change) @ X[tile]
        return out
