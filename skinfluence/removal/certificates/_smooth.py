r"""Smooth losses of one linear predictor: logistic, Poisson, Gamma, Tweedie.

Notation of `removal.smooth._certificate`. The gradient of what remains without the
rows S, at any move u from the model of all rows, is

.. math:: g = g_0 - \sum_{i \in S} d_i z_i
          + \sum_{j \notin S} [l'_j(\eta_j + z_j' u) - l'_j(\eta_j)] z_j
          + (R_S - R)(\theta + \Delta) + R \Delta

with g_0 what is left of the gradient of all rows. Three ways to bound its length nu:

- *a priori*: the sum is its linear part, which needs no pass over the rows, plus
  Taylor remainders, of norm at most ``psi2(M zeta) |u|`` (as
  ``|sum_j v_j z_j|^2 <= sum_j v_j^2 / a_j``; ``zeta`` bounds all ``|z_j'u|``). At the
  Newton step the linear part vanishes; at the first-order step it is
  ``sum_S a_i (z_i'u) z_i``;
- *by a pass*: the sum itself, over all rows;
- *at the point*: the gradient and the Hessian there, O(n p^2), for removals that move
  predictors so far that the Hessian of all rows says nothing about theirs.

A gradient becomes a distance by `radius`, with ``B_S >= kappa H``, ``kappa`` the
smallest share of the penalties that is left, minus the leverage of the set.
"""

from dataclasses import dataclass

import numpy as np

from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.certificates._certificate import Certificate
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._increments import slope_and_terms, slope_change
from skinfluence.removal.certificates._metric import Metric
from skinfluence.removal.certificates._rounding import (
    EPS,
    UNITS,
    row_errors,
    wide_gradient,
)
from skinfluence.removal.linear._penalty import Penalty
from skinfluence.removal.smooth._certificate import psi2, radius
from skinfluence.removal.smooth._newton import hessians, row_chunks
from skinfluence.removal.smooth._pointwise import SERIES_ERROR
from skinfluence.removal.smooth._smooth import Smooth

# Sum of leverages up to which it is good enough as the largest eigenvalue of a set.
ENOUGH = 0.3
_BATCH, _TILE = 256, 512  # removals and rows of a tile: it stays in cache
_REACH = 2e-3  # moves of predictors for which a Taylor series has all digits
_POLISH = 60  # Newton steps at a point, which two or three are enough for


@dataclass(frozen=True)
class Point:
    """The objective of some rows at some coefficients, and how far its minimiser is.

    Attributes
    ----------
    metric : Metric
        That of its Hessian there.
    gradient : ndarray of longdouble, shape (p,)
        Its gradient.
    slack : ndarray of shape (p,)
        The gradient's error, that of the rows included.
    raw : ndarray of shape (n,)
        Raw predictions.
    reach : float
        Length of the longest row in the metric.
    distance : float
        Of the minimiser, in the metric; infinite where nothing is known.
    """

    metric: Metric
    gradient: np.ndarray
    slack: np.ndarray
    raw: np.ndarray
    reach: float
    distance: float


def at_point(problem, theta, weight, penalty):
    """Return the `Point` of weights and a penalty at ``theta``, in long double."""
    pointwise, y, X = problem.pointwise, problem.y, problem.design.rows
    wide_y, used = y.astype(np.longdouble), weight > 0

    def weighted(part, values):
        return np.where(used[part], weight[part] * values, 0.0)

    def derivatives(part, eta):
        slope, terms = slope_and_terms(pointwise, eta, wide_y[part])
        curvature = pointwise.curvature(eta.astype(float), y[part])
        return tuple(weighted(part, v) for v in (slope, terms, curvature))

    with np.errstate(over="ignore", invalid="ignore"):
        gradient, slack, raw, off = wide_gradient(problem.design, theta, derivatives)
        gradient = gradient + penalty * theta
        slack = slack + UNITS * penalty * np.abs(theta).astype(float)
        a = weighted(slice(None), pointwise.curvature(raw, y))
    finite = np.isfinite(a).all() and np.isfinite(slack).all()
    if not finite:
        nothing = Metric(np.full((len(theta), len(theta)), np.nan), 1)
        return Point(nothing, gradient, slack, raw, np.inf, np.inf)
    # A slope may change with the error of a raw prediction by a factor of e^(M off).
    slack *= np.exp(min(2 * pointwise.M * off, 1.0))
    hessian = hessians(X, a[None])[0]
    hessian[np.diag_indices_from(hessian)] += penalty
    metric = metric_of(problem.design, hessian, a, pointwise.M * off)
    if not metric.trusted:
        return Point(metric, gradient, slack, raw, np.inf, np.inf)
    nu = metric.norms(gradient[None].astype(float))[0] + metric.box(slack)
    kappa = metric.kappa
    lengths = metric.row_norms(X[used], row_errors(problem.design))
    reach = float(lengths.max(initial=0.0))
    distance = float(distances(nu, 0.0, kappa, reach**2, pointwise.M))
    return Point(metric, gradient, slack, raw, reach, distance)


def metric_of(design, hessian, curvature, off):
    """Return the `Metric` of a Hessian whose curvatures are off by a factor."""
    n = len(curvature)
    _, absolute = row_errors(design)
    relative = UNITS + 4 * off
    if absolute:
        size = np.sqrt(np.maximum(np.diag(hessian), 0.0)).min()
        relative += 2 * absolute * np.sqrt(curvature.sum()) / max(size, 1e-300)
    return Metric(hessian, n, relative)


def distances(nu, zeta, kappa, h_max, M):
    """Distance of minimisers per length of a row; `radius`, of rows of any leverage.

    ``nu`` is measured in the metric of the whole Hessian.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        kappa = np.asarray(kappa, dtype=float)
        alive = kappa > 1e-8
        kappa = np.where(alive, kappa, 1.0)
        scale = max(h_max, np.finfo(float).tiny)
        out = radius(nu / np.sqrt(kappa), zeta, kappa, scale, M) / np.sqrt(scale)
    return np.where(alive & ~np.isnan(out), out * (1 + 1e-10), np.inf)


class Removed:
    """Sets of rows as index arrays, single rows among them.

    Attributes
    ----------
    member, row : ndarray of int
        Pairs of a set and a row in it.
    """

    def __init__(self, n, masks=None):
        self.masks, self.n = masks, n
        self.n_removals = n if masks is None else len(masks)
        if masks is None:
            self.member = self.row = np.arange(n)
        else:
            self.member, self.row = np.nonzero(masks)

    def sums(self, values):
        """Sums of ``values`` of the pairs, (n_pairs, ...), over each set."""
        if self.masks is None:
            return values
        out = np.zeros((self.n_removals, *values.shape[1:]))
        np.add.at(out, self.member, values)
        return out

    def pairs(self, start, stop):
        """Sets, counted from ``start``, and rows of the sets of a range."""
        a, b = np.searchsorted(self.member, [start, stop])
        return self.member[a:b] - start, self.row[a:b]

    def mask(self, i):
        """Return the rows of one set as a boolean array."""
        out = np.zeros(self.n, dtype=bool)
        out[self.row[slice(*np.searchsorted(self.member, [i, i + 1]))]] = True
        return out


def leverages(metric, rows, weight, removed, errors):
    """Upper bounds of the largest eigenvalue of what each set adds to the Hessian.

    In the metric's coordinates; ``weight`` are the rows' curvatures.
    """
    lengths = metric.row_norms(rows, errors)
    own = weight * lengths**2
    sums = removed.sums(own[removed.row])
    if removed.masks is None:
        return sums
    p = rows.shape[1]
    slip = np.maximum(lengths - metric.norms(rows) / (1 + metric.turn), 0.0)
    slip = np.sqrt(removed.sums((weight * slip**2)[removed.row]))
    for i in np.flatnonzero(sums > ENOUGH):
        _, chosen = removed.pairs(i, i + 1)
        chosen = chosen[weight[chosen] > 0]
        if len(chosen) < 2 or not np.isfinite(sums[i]):
            continue
        Z = (np.sqrt(weight[chosen])[:, None] * rows[chosen]) / metric.size
        Z = Z @ metric.inverse.T
        gram = Z @ Z.T if len(Z) < p else Z.T @ Z
        top = np.linalg.eigvalsh(gram)[-1] * (1 + (p + len(Z)) * 16 * EPS)
        # what the inverse itself is off, relative to all of a row
        slip[i] += metric.turn * np.sqrt(sums[i])
        sums[i] = min(sums[i], (np.sqrt(max(top, 0.0)) + slip[i]) ** 2)
    return sums


@dataclass(frozen=True)
class Problem:
    """One minimisation: ``sum_j weight_j l(x_j'theta, y_j) + theta' R theta / 2``.

    Attributes
    ----------
    design : Design
    y, weight : ndarray of shape (n,)
    pointwise : object
        The loss l.
    penalty, theta : ndarray of shape (p,)
        Diagonal of R, and coefficients close to the minimiser.
    excess : ndarray of shape (m, p) or None
        What the penalty without each set exceeds that with all by.
    excess_error : float
        Its relative error.
    """

    design: object
    y: np.ndarray
    weight: np.ndarray
    pointwise: object
    penalty: np.ndarray
    theta: np.ndarray
    excess: np.ndarray | None = None
    excess_error: float = UNITS


def excess_penalty(penalty, penalties, masks, polished):
    """Return what the penalty without sets exceeds ``penalty`` by, and its error.

    Single steps hold the scales of a scaler fixed.
    """
    scales = penalties.scales if polished else None
    if scales is None and penalties.mass is None:
        return None, UNITS
    if not polished:
        penalties = Penalty(penalties.diagonal, penalties.weight, penalties.mass)
    if masks is None:
        without = penalties.without_rows()
    else:
        without = penalties.without_groups(masks)
    if scales is None:
        return without - penalty, UNITS
    # A variance without a row is a difference of sums over all rows.
    used = penalty > 0
    share = (without[:, used] / penalty[used]).min(initial=1.0)
    return without - penalty, 64 * len(penalties.weight) * EPS / max(share, 1e-12)


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
        *excess_penalty(*args),
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
    if outputs[0].problem.excess is not None:
        unchanged &= (outputs[0].problem.excess == 0).all(axis=1)
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
        X, y, pointwise = problem.design.rows, problem.y, problem.pointwise
        errors = row_errors(problem.design)
        first, second, _ = pointwise.derivatives(base.raw, y)
        used, M = problem.weight > 0, pointwise.M
        d = np.where(used, problem.weight * first, 0.0)
        a = np.where(used, problem.weight * second, 0.0)
        share, left_over = np.ones((2, self.removed.n_removals))
        left_over *= 0.0
        if problem.excess is not None:
            penalty = np.where(problem.penalty > 0, problem.penalty, np.inf)
            share = (1 + problem.excess / penalty).min(axis=1)
            share = np.clip(share * (1 - problem.excess_error), 0.0, 1.0)
            pull = np.abs(problem.excess) + problem.penalty
            pull = problem.excess_error * pull * np.abs(problem.theta + self.moves)
            left_over = metric.unit * (pull / metric.size).max(axis=1)
        h_max = base.reach**2
        leverage = leverages(metric, X, a * (1 + metric.units), self.removed, errors)
        kappa = share * (metric.kappa - leverage)
        length = np.abs(self.moves) @ metric.size
        by_pass = self.source.polished and M > 0
        if by_pass:
            gradient, zeta, dropped, total = self._gradients(d, a)
        else:
            gradient, zeta, dropped = self._a_priori(d, a, h_max)
            total = length
        gradient += base.gradient.astype(float)
        n, p = X.shape
        _, absolute = errors
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.exp(np.minimum(M * zeta, 700.0))
            # of the moves of predictors, of sums over rows, and of the rows
            units = 4 * (p + 16) * EPS + UNITS * metric.unit
            spill = np.sqrt(a.sum()) * metric.box(np.full(p, absolute))
            lost = growth * (metric.box(base.slack) + (units + spill) * length)
            lost = lost + ((n + 32) * EPS + 4 * UNITS) * metric.unit * total
            if not by_pass:
                lost = lost + metric.units * metric.unit * length
            # sums over rows are bounded by H, which L L' may exceed
            rest = (1 + metric.slack) * (dropped + lost)
            nu = metric.norms(gradient) + left_over + rest
            self.distance = distances(nu, zeta, kappa, h_max, M)

    def _own_part(self, d):
        """Gradients that the rows of each set took with them."""
        X, removed = self.problem.design.rows, self.removed
        return removed.sums(d[removed.row, None] * X[removed.row])

    def _penalties(self, gradient):
        """Add the gradients of the penalties, of which the base's is in g_0."""
        problem = self.problem
        gradient += self.moves * problem.penalty
        if problem.excess is not None:
            gradient += problem.excess * (problem.theta + self.moves)
        return gradient

    def _a_priori(self, d, a, h_max):
        """Linear parts of the gradients, largest moves and Taylor remainders."""
        X, removed = self.problem.design.rows, self.removed
        hessian = hessians(X, a[None])[0]
        gradient = self.moves @ hessian
        along = np.einsum("ij,ij->i", X[removed.row], self.moves[removed.member])
        own = d[removed.row] + a[removed.row] * along
        gradient -= removed.sums(own[:, None] * X[removed.row])
        metric = self.base.metric
        scaled = self.moves * metric.size
        length = np.linalg.norm(scaled @ metric.lower, axis=1)
        length += 4 * len(metric.size) * EPS * np.abs(scaled).sum(axis=1)
        length = length * np.sqrt(1 + metric.slack)
        zeta = length * np.sqrt(h_max)
        # the rows that left have no remainder
        left = length**2 - removed.sums(a[removed.row] * along**2)
        inside = np.sqrt(np.maximum(left, 0.0) + 1e-12 * length**2)
        with np.errstate(over="ignore", invalid="ignore"):
            rest = psi2(self.problem.pointwise.M * zeta) * np.minimum(inside, length)
        return self._penalties(gradient), zeta, rest

    def _gradients(self, d, a):
        """Gradients summed over all rows, largest moves, and what rounding sees.

        That is what the series drop, and ``sqrt(sum_j v_j^2 / a_j)`` of the changes v
        of slopes, which bounds ``|sum_j v_j z_j|`` and the sums of their sizes.
        """
        problem, X = self.problem, self.problem.design.rows
        raw, y, pointwise = self.base.raw, problem.y, problem.pointwise
        weight = problem.weight
        m, n = self.removed.n_removals, len(X)
        gradient = -self._own_part(d)
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
        return self._penalties(gradient), zeta, dropped, square

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
        for i, mask in zip(hard, masks, strict=True):
            weight, penalty = np.where(mask, 0.0, problem.weight), problem.penalty
            if problem.excess is not None:
                penalty = np.maximum(penalty + problem.excess[i], 0.0)
            theta, best = problem.theta.astype(np.longdouble), np.inf
            kept = move = self.moves[i].copy()
            for _ in range(_POLISH):
                point = at_point(problem, theta + move, weight, penalty)
                if not point.metric.trusted:
                    break
                if np.isfinite(best) and not point.distance < best / 2:
                    break  # rounding is what is left
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
