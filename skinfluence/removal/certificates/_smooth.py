r"""Smooth losses of one linear predictor: logistic, Poisson, Gamma, Tweedie.

Notation of `removal.smooth._certificate`. The gradient of what remains without the
rows S, at any move u from the model of all rows, is

.. math:: g = g_0 - \sum_{i \in S} d_i z_i
          + \sum_{j \notin S} [l'_j(\eta_j + z_j' u) - l'_j(\eta_j)] z_j
          + (R_S - R)(\theta + \Delta) + R \Delta

with g_0 what is left of the gradient of all rows. Three ways to bound its length nu:

- *a priori*: by its Taylor series, which needs no pass over the rows (`_series`). At
  the Newton step the linear part of g vanishes, at the first-order step it is
  ``sum_S a_i (z_i'u) z_i``, and at Halley's the quadratic part vanishes too;
- *by a pass*: the sum itself, over all rows;
- *at the point*: the gradient and the Hessian there, O(n p^2), for removals that move
  predictors so far that the Hessian of all rows says nothing about theirs.

A gradient becomes a distance by `radius`, with ``B_S >= kappa H``, ``kappa`` the
smallest share of the penalties that is left, minus the leverage of the set.
"""

import numpy as np

from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.certificates._certificate import Certificate
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._increments import slope_change
from skinfluence.removal.certificates._many_points import at_points
from skinfluence.removal.certificates._points import at_point, distances
from skinfluence.removal.certificates._problem import Problem, penalties_without
from skinfluence.removal.certificates._removed import Removed, leverages
from skinfluence.removal.certificates._rounding import EPS, UNITS, row_errors
from skinfluence.removal.certificates._series import Series
from skinfluence.removal.smooth._newton import row_chunks
from skinfluence.removal.smooth._pointwise import SERIES_ERROR
from skinfluence.removal.smooth._smooth import Smooth

_BATCH, _TILE = 256, 512  # removals and rows of a tile: it stays in cache
_REACH = 2e-3  # moves of predictors for which a Taylor series has all digits
_POLISH = 60  # Newton steps at a point, which two or three are enough for


@certificate.register
def _(model: Smooth, source, masks=None):
    moves, unresolved = source.moves(model, masks)
    args = model.penalty, model.penalties, masks, source.polished
    problem = Problem(
        model.design,
        model.y,
        model.weight,
        model.pointwise,
        model.penalty,
        model.theta[0],
        *penalties_without(*args),
    )

    def minimise(masks):
        exact = model._exact_groups(masks, source.tol)
        return exact.displacement[:, 0]

    removed = Removed(len(model.y), masks)
    found = Distances(problem, source, removed, moves[:, 0], unresolved, minimise)
    return joined(model, source, removed, [found])


def joined(model, source, removed, outputs):
    """Return the `Certificate` of problems that share rows, one for each output."""
    lost = np.zeros(removed.n_removals, dtype=bool)
    if model.labels is not None:
        used = model.weight > 0
        lost = loses_class(model.labels, removed.masks, used)
    unchanged = removed.sums((model.weight > 0)[removed.row].astype(float)) == 0
    problem = outputs[0].problem
    if problem.without is not None:
        unchanged &= (problem.without == problem.penalty).all(axis=1)
    own = {}
    for k, found in enumerate(outputs):
        found.moves[lost], found.distance[lost] = 0.0, np.inf
        for i, point in found.own.items():
            if not lost[i]:
                own[i, k] = point
    return Certificate(
        model,
        np.stack([found.moves for found in outputs], axis=1),
        [found.base.metric for found in outputs],
        np.array([found.base.distance for found in outputs]),
        np.stack([found.distance for found in outputs], axis=1),
        own,
        unchanged,
    )


class Distances:
    """How far one problem's models without sets of rows are from their minimisers.

    Parameters
    ----------
    problem : Problem
        Of all rows.
    source : Source
        Where the moves came from.
    removed : Removed
        The sets.
    moves : ndarray of shape (m, p)
        Moves of the coefficients.
    unresolved : ndarray of int
        Those that mean nothing.
    minimise : callable
        Returns moves to the minimisers without sets of rows, given their masks.
    """

    def __init__(self, problem, source, removed, moves, unresolved, minimise):
        self.problem, self.source, self.removed = problem, source, removed
        self.minimise = minimise
        self.moves = moves = np.array(moves)
        theta = problem.theta.astype(np.longdouble)
        self.base = at_point(problem, theta, problem.weight, problem.penalty)
        if not np.isfinite(self.base.distance):
            raise UnsupportedEstimator(
                "Nothing can be proven about this model in double precision: its "
                "columns depend on each other, up to rounding, and the penalty is too "
                "weak to decide between its minimisers. Leave columns out, or take a "
                "stronger penalty (a smaller C, a larger alpha)."
            )
        self.distance, self.own = np.full(len(moves), np.inf), {}
        self.taken = 0.0
        broken = ~np.isfinite(moves).all(axis=1)
        broken[unresolved] = True
        moves[broken] = 0.0
        self._bound_all()
        reach, wanted = self.base.reach, np.finfo(float).max
        if source.polished:  # to the tolerance, or to what rounding has left of it
            wanted = max(source.tol / 2, 8 * self.base.distance * reach)
        hard = ~(self.distance * reach <= wanted) | broken
        self._solve_alone(np.flatnonzero(hard))

    def _bound_all(self):
        """Distances of all removals in the metric of all rows."""
        problem, base, metric = self.problem, self.base, self.base.metric
        X, pointwise, M = problem.design.rows, problem.pointwise, problem.pointwise.M
        first, second, _ = pointwise.derivatives(base.raw, problem.y)
        d, a = (
            np.where(problem.weight > 0, problem.weight * v, 0) for v in (first, second)
        )
        errors = row_errors(problem.design)
        leverage = leverages(metric, X, a * (1 + metric.units), self.removed, errors)
        share = np.ones(len(self.moves))
        if problem.without is not None:
            used = problem.penalty > 0
            share = problem.without[:, used] / problem.penalty[used]
            share = share.min(axis=1, initial=1.0)
            share = np.clip(share * (1 - problem.penalty_error), 0.0, 1.0)
        self.kappa = share * (metric.kappa - leverage)
        if self.removed.masks is not None:  # rounding of long sums of what rows took
            taken = self.removed.totals(np.abs(d[:, None] * X))
            units = 2 * EPS * (self.removed.masks.sum(axis=1) + 8)
            self.taken = units * metric.norms_of_boxes(taken)
        self.spill = self._spill(a)
        if self.source.polished and M > 0:
            self.distance, _ = self._distances(self.moves, *self._gradients(d, a))
            return
        series = Series(problem, self.removed, base, d, a)
        found = series.gradients(self.moves, 1)
        self.distance, gradient = self._distances(self.moves, *found)
        if self.removed.masks is not None or not series.has_second_order:
            return
        # Halley's correction: the gradient to second order, taken back by a step
        found = series.gradients(self.moves, 2)
        _, gradient = self._distances(self.moves, *found)
        step = series.step(gradient, np.maximum(1 - leverage, 1e-3))
        moves = self.moves - np.where(np.isfinite(step), step, 0.0)
        distance, _ = self._distances(moves, *series.gradients(moves, 2))
        nearer = distance < self.distance
        self.moves[nearer], self.distance[nearer] = moves[nearer], distance[nearer]

    def _distances(self, moves, gradient, zeta, dropped, total=None):
        """Return distances at moves, and their gradients with all their parts.

        ``total`` bounds ``sqrt(sum_j v_j^2 / a_j)`` of the changes v of the slopes.
        """
        problem, metric, M = self.problem, self.base.metric, self.problem.pointwise.M
        gradient = gradient + self.base.gradient.astype(float)
        gradient += moves * problem.penalty
        left_over = 0.0
        if problem.without is not None:
            excess = problem.without - problem.penalty
            gradient += excess * (problem.theta + moves)
            pull = np.abs(excess) + problem.penalty
            pull = problem.penalty_error * pull * np.abs(problem.theta + moves)
            left_over = metric.unit * (pull / metric.size).max(axis=1)
        n, p = problem.design.rows.shape
        length = np.abs(moves) @ metric.size
        with np.errstate(over="ignore", invalid="ignore"):
            # of the moves of predictors, of sums over rows, and of the rows
            units = 4 * (p + 16) * EPS + UNITS * metric.unit
            lost = metric.box(self.base.slack) + (units + self.spill) * length
            relative = (n + 32) * EPS + 4 * UNITS
            if total is None:
                lost, total = lost * np.exp(np.minimum(M * zeta, 700.0)), length
            else:  # slopes say how much curvatures have changed
                relative += 2 * M * (self.base.off + self._off(moves))
            lost = lost + relative * metric.unit * total + self.taken
            # sums over rows are bounded by H, which L L' may exceed
            rest = (1 + metric.slack) * (dropped + lost)
            nu = metric.norms(gradient) + left_over + rest
            reach = self.base.reach**2
            return distances(nu, zeta, self.kappa, reach, M), gradient

    def _spill(self, a):
        """Errors of a gradient by absolute errors of the rows, per length of a move.

        Twice: of the rows that are summed, and of those that move predictors.
        """
        design = self.problem.design
        _, absolute = row_errors(design)
        box = self.base.metric.box(np.full(design.rows.shape[1], absolute))
        return 2 * np.sqrt(a.sum()) * box

    def _off(self, moves):
        """Largest errors of moves of predictors."""
        design, size = self.problem.design, np.abs(moves)
        relative, absolute = row_errors(design)
        units = relative + 4 * (size.shape[1] + 16) * EPS
        longest = np.abs(design.rows).max(axis=0, initial=0.0)
        return size @ (units * longest + absolute)

    def _gradients(self, d, a):
        """Gradients summed over all rows, largest moves, and what rounding sees.

        That is what the series drop, and ``sqrt(sum_j v_j^2 / a_j)`` of the changes v
        of slopes, which bounds ``|sum_j v_j z_j|`` and the sums of their sizes.
        """
        problem, X = self.problem, self.problem.design.rows
        raw, y, pointwise = self.base.raw, problem.y, problem.pointwise
        weight = problem.weight
        m, n = self.removed.n_removals, len(X)
        gradient = -self.removed.totals(d[:, None] * X)
        zeta, dropped, square = np.zeros((3, m))
        share = 1 / np.where(a > 1e-290, a, np.inf)
        curvature = pointwise.curvature(raw, y)
        used = weight > 0
        series = np.where(used, pointwise.series(raw, y) * weight, 0.0)
        lengths = np.abs(self.moves) @ self.base.metric.size
        for start in range(0, m, _BATCH):
            stop = min(start + _BATCH, m)
            member, row = self.removed.pairs(start, stop)
            batch, total = self.moves[start:stop], np.zeros((stop - start, X.shape[1]))
            short = False
            for first in range(0, n, _TILE):
                tile = slice(first, min(first + _TILE, n))
                t = batch @ X[tile].T
                own = (row >= first) & (row < tile.stop)
                t[member[own], row[own] - first] = 0.0
                t[:, ~used[tile]] = 0.0
                reach = np.abs(t).max(axis=1, initial=0.0)
                np.maximum(zeta[start:stop], reach, out=zeta[start:stop])
                if reach.max(initial=0.0) < _REACH:
                    short = True
                    c2, c3, c4, c5 = series[:, tile]
                    change = c5 * t
                    for c in (c4, c3, c2, a[tile]):
                        change += c
                        change *= t
                else:
                    with np.errstate(over="ignore", invalid="ignore"):
                        change = weight[tile] * slope_change(
                            pointwise, raw[tile], y[tile], curvature[tile], t
                        )
                    change[t == 0] = 0.0
                total += change @ X[tile]
                change *= change
                square[start:stop] += change @ share[tile]
            gradient[start:stop] += total
            if short:
                dropped[start:stop] = SERIES_ERROR * _REACH**5 * lengths[start:stop]
        square = np.sqrt(square) * (1 + 1e-6)
        return gradient, zeta, dropped, square

    def _penalty(self, removals):
        """Diagonals of R without sets of rows."""
        without = self.problem.without
        return self.problem.penalty if without is None else without[removals]

    def _solve_together(self, hard, masks, wanted):
        """Certify what double precision can, and return which others are left."""
        problem = self.problem
        left = np.ones(len(hard), dtype=bool)
        if row_errors(problem.design)[1]:
            return left
        for chunk in row_chunks(len(hard), 8 * len(problem.y)):
            args = self.moves[hard[chunk]], masks[chunk], self._penalty(hard[chunk])
            found = at_points(problem, self.base, *args)
            for i, (metric, distance, reach) in enumerate(found, chunk.start):
                if distance * reach <= wanted:
                    self.own[hard[i]], left[i] = (metric, distance), False
        return left

    def _solve_alone(self, hard):
        """Certify removals at their own minimisers, in their own metrics."""
        if not len(hard):
            return
        problem = self.problem
        wanted = max(self.source.tol / 4, 4 * self.base.distance * self.base.reach)
        masks = np.array([self.removed.mask(i) for i in hard])
        if not self.source.polished:  # single steps are not near these
            for chunk in row_chunks(len(hard), 16 * len(problem.y)):
                self.moves[hard[chunk]] = self.minimise(masks[chunk])
        left = self._solve_together(hard, masks, wanted)
        for i, mask in zip(hard[left], masks[left], strict=True):
            weight, penalty = np.where(mask, 0.0, problem.weight), self._penalty(i)
            theta, best = problem.theta.astype(np.longdouble), np.inf
            kept = move = self.moves[i].copy()
            for _ in range(_POLISH):
                point = at_point(problem, theta + move, weight, penalty)
                if not point.metric.trusted:
                    break
                if np.isfinite(best) and not point.distance < best / 2:
                    break  # the rest is rounding
                if point.distance < best:
                    kept, best = move, point.distance
                    self.own[i] = point.metric, best
                if best * point.reach <= wanted:
                    break
                inverse = point.metric.inverse / point.metric.size
                step = inverse.T @ (inverse @ point.gradient.astype(float))
                far = problem.pointwise.M * np.abs(problem.design.rows @ step).max()
                # A damped step, as in `removal.smooth._newton`: it cannot overshoot.
                move = move - step * (np.log1p(far) / far if far > 1 else 1.0)
            self.moves[i] = kept
