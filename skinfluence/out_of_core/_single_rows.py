"""The minimisers without each row of a table, to a certified tolerance."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from time import perf_counter

import numpy as np

from skinfluence._counts import counted, verb
from skinfluence._memory import check_memory
from skinfluence.out_of_core import _passes
from skinfluence.out_of_core._column_scales import hidden_rows
from skinfluence.out_of_core._minimisers import chords, minimisers
from skinfluence.out_of_core._removals import Found
from skinfluence.out_of_core._row_ladders import Start
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal.linear._penalty import COLLAPSE
from skinfluence.removal.smooth import _certificate as certificate
from skinfluence.removal.smooth._newton import row_chunks

# Relative rounding error of one minus leverage from which on Newton's method is used.
ROUGH = 1e-9
LONG = 60  # seconds that are announced
SLOWEST = 2e8  # products per second of a slow core
TENSOR = 2**24  # numbers of a tensor, of which a sum over blocks holds several


def in_chunks(bound, n):
    """Return ``bound(rows)`` of n rows, some of them at a time."""
    return np.concatenate([bound(rows) for rows in row_chunks(n, 64)])


class RowsOneByOne(ABC):
    """The minimisers without each row of a table, or each row of a class.

    Parameters
    ----------
    model : BlockModel
        At its optimum.
    problem : Problem
        That without a row, but for the row itself: its class weights, if balanced.
    tol : float
        Largest error of the linear predictor.
    of_class : int, default=None
        The class of the rows; None for all rows.

    Attributes
    ----------
    base : Base
        The quantities from which their moves are computed.
    found : Found
        Results for all rows; meaningless for rows of other classes.
    """

    rough = ROUGH

    def __init__(self, model, problem, tol, of_class=None):
        self.model, self.problem, self.tol = model, problem, tol
        self.blocks, self.n = model.blocks, len(model.blocks)
        theta, removed, drift = model.theta, 0.0, None
        if problem.per_weight:
            removed = model.total / self.n
        excess = model.excess(removed)
        penalty = model.penalty(model.total - removed)
        if removed or of_class is not None:
            theta = model.optimum(theta, problem, penalty)
            drift = theta - model.theta
        gradient, root, lift, error = model.factorise(problem, theta, penalty)
        self.theta, self.penalty = theta, penalty
        self.base = _passes.Base(
            problem, model.mean, model.theta, lift, drift=drift, of_class=of_class
        )
        clock = perf_counter()
        self.factor, gap, radius = self.step(lift, root, gradient, excess)
        self.seconds = perf_counter() - clock
        sure = error <= self.rough * gap
        if problem.per_weight:
            sure &= model.weights <= (1 - COLLAPSE) * model.total
        if model.rescales:
            # Rounding hides what a scaler does without these rows.
            scales = model.steps.scales
            sure &= ~np.concatenate(self.blocks.map(hidden_rows, scales=scales))
        self.level = np.full(self.n, int(excess is not None), dtype=np.uint8)
        hard = self.mine & (~(radius <= tol) | ~sure)
        left = self.correct(np.flatnonzero(hard & sure))
        rows, moves = self._polish(left, np.flatnonzero(hard & ~sure))
        self.found = Found(self.factor, self.level, rows, moves)

    @abstractmethod
    def step(self, lift, root, gradient, excess):
        """Take one step without each row, and set the start of the base's corrections.

        Parameters
        ----------
        lift, root : ndarray
            Inverse of the Hessian, and its root.
        gradient : ndarray of shape (k, p)
            At the base, where it is nearly zero.
        excess : Shares or None
            As of `Start`.

        Returns
        -------
        factor : ndarray of shape (n, k)
            As of `Found`.
        gap : ndarray of shape (n,)
            One minus leverage.
        radius : ndarray of shape (n,)
            Bound of the error of the linear predictor.
        """

    def correct(self, todo):
        """Correct some rows by sums over the table; return those beyond tolerance."""
        return todo

    @abstractmethod
    def chords(self, rows):
        """Take chord steps; return moves (m, k, p), and which of them suffice."""

    @cached_property
    def mine(self):
        """Which rows this is about, bool (n,)."""
        if self.base.of_class is None:
            return np.ones(self.n, dtype=bool)
        return np.concatenate(self.blocks.map(_passes.rows_of, base=self.base))

    def announce(self, m, products):
        """Warn if passes for m rows take long: so many products for every row.

        The leverages, ``p^2`` products for every row, have been timed; of small tables
        that is the time of the scheduler.
        """
        squares = len(self.penalty) ** 2
        timed = min(self.seconds, self.n * squares / SLOWEST)
        seconds = timed * products / squares
        if seconds > LONG and m:
            warnings.warn(
                f"After one step {counted(m, 'row')} of {self.n} "
                f"{verb(m, 'is', 'are')} further than tol from the minimum: more "
                f"passes take about {seconds / 60:.0f} min. "
                f"{self.model.advice}, or use fewer columns.",
                UserWarning,
                stacklevel=self.model.stacklevel,
            )

    def _polish(self, left, rough):
        """Return some rows, ascending, and the moves (m, k, p) without each."""
        shape = (0, *self.theta.shape)
        rows, moves = [np.empty(0, dtype=np.intp)], [np.empty(shape)]
        m = len(left) + len(rough)
        check_memory(
            8 * m * self.theta.size,
            f"The moves of {self.theta.size} coefficients by {m} rows",
            "Raise tol, or use fewer columns.",
        )
        if len(left) and self.chord_steps:
            # Steps of 2 p products and a loss for every pair of rows.
            products = len(left) * (2 * len(self.penalty) + 20)
            self.announce(len(left), self.chord_steps * products)
            # Rows that move alike share a pass.
            left = left[np.argsort(self.length[left], kind="stable")]
            found, met = self.chords(left)
            if self.base.drift is not None:
                found += self.base.drift
            rows.append(left[met])
            moves.append(found[met])
            left = left[~met]
        hard = np.concatenate([left, rough])
        if len(hard):
            rows.append(hard)
            moves.append(self._minimised(hard))
        rows, moves = np.concatenate(rows), np.concatenate(moves)
        order = np.argsort(rows)
        return rows[order], moves[order]

    def _minimised(self, rows):
        """Return the moves (m, k, p) without each of some rows, by Newton's method."""
        model, start = self.model, self.model.flat(self.theta)
        k = len(start)
        found, reached = minimisers(
            model,
            self.problem,
            np.tile(start, (len(rows), 1)),
            np.tile(np.arange(k), len(rows)),
            [np.array([row]) for row in rows for _ in range(k)],
            np.repeat(model.penalties([[row] for row in rows]), k, axis=0),
        )
        if not reached.all():
            bad = np.unique(rows[~reached.reshape(-1, k).all(axis=1)]).tolist()
            raise UnsupportedEstimator(
                "A coefficient is determined by a single row, or there is no optimum "
                f"without the row (the first such rows: {bad[:10]}). Drop them, or add "
                "a penalty."
            )
        return found.reshape(len(rows), *self.theta.shape) - model.theta


class SingleRows(RowsOneByOne):
    """Rows of models whose outputs share no coefficients."""

    def step(self, lift, root, gradient, excess):
        self.slack = np.linalg.norm(gradient @ root.T, axis=1).max()
        slack = root @ gradient[0]
        start = Start(self.theta[0], root, self.penalty, slack, np.inf, excess)
        if excess is None:
            factor, h, gap = self.model.moves(self.problem, self.theta, root, gap=True)
            size = np.abs(factor).max(axis=1)
            self.length, self.slope = (
                size * np.sqrt(h * left) for left in (1.0, np.maximum(gap, 1e-15))
            )
            self.uneven, self.floor = np.zeros(1), np.ones(1)
        else:
            sizes = self.model.each_row(
                _passes.uneven_moves, problem=self.problem, start=start
            )
            h, gap, self.length, self.slope, self.uneven, self.floor = sizes
            factor = np.empty((self.n, 0))  # no step is along one direction
        self.kappa, self.h_max = np.maximum(gap, 1e-15), h.max()
        start = replace(start, h_max=self.h_max)
        self.base = replace(self.base, start=start)
        self.uneven, self.floor = (
            np.broadcast_to(a, self.n) for a in (self.uneven, self.floor)
        )
        return factor, gap, in_chunks(self.step_radius, self.n)

    @property
    def chord_steps(self):
        """How many steps are usual; none are known of several outputs."""
        return 0 if len(self.theta) > 1 else 1 if self.base.start.tensors else 2

    def chords(self, rows):
        moves, met = chords(self.model, self.base, rows, self.tol)
        return moves[:, None], met

    @property
    def _M(self):
        return self.problem.pointwise.M

    def _radius(self, rows, nu, length):
        """Bound errors, by gradients in the norm of B_i and lengths of moves."""
        kappa, floor = self.kappa[rows], self.floor[rows]
        nu = (nu + self.slack / np.sqrt(kappa)) / np.sqrt(floor)
        zeta, kappa = length * np.sqrt(self.h_max), kappa * floor
        return certificate.radius(nu, zeta, kappa, self.h_max, self._M)

    def step_radius(self, rows=slice(None)):
        """Bound the error of the linear predictor after one step, per row."""
        length, slope = self.length[rows], self.slope[rows]
        nu = certificate.newton_residual(length, slope, self.h_max, self._M)
        return self._radius(rows, nu + self.uneven[rows] * slope, length)

    def correction_radius(self, rows=slice(None)):
        """Bound it after the first correction, from the length of the step alone.

        With t_j the moves of the linear predictors, the correction is
        ``B_i^{-1} sum_j c_j t_j^2 z_j / 2`` with ``|c_j| <= M a_j``, and so in the norm
        of B_i at most ``M max |t_j| / 2`` times as long as the step.
        """
        length, uneven = self.length[rows], self.uneven[rows]
        reach = self._M * length * np.sqrt(self.h_max)
        share = (reach / 2 + uneven) / np.sqrt(self.kappa[rows])
        change = share * length
        after = length + change
        args = length, after, change, self.h_max, self._M, 2
        nu = certificate.correction_residual(*args)
        radius = self._radius(rows, nu + uneven * change, after)
        # A correction longer than half the step it corrects is no correction.
        return np.where(share < 0.5, radius, np.inf)

    def correct(self, todo):
        p, rest = len(self.penalty), []
        for order, width in enumerate((p * (p + 1) // 2, p * (p + 1) * (p + 2) // 6)):
            m = len(todo)
            # A tensor is a pass of n products for each number; chords are n m p.
            if not self._M or width * p > TENSOR or width * (self.n + m) > self.n * m:
                break
            self.announce(m, width * p * (1 + m / self.n))
            self._add_tensor(order)
            self.level[todo] = 2 + order
            asked = todo
            if not order:
                asked = todo[~(self.correction_radius(todo) <= self.tol)]
            missed, helped = self._certified(asked)
            rest.append(asked[missed & ~helped])
            todo = asked[missed & helped]
        return np.concatenate([*rest, todo])

    def _add_tensor(self, order):
        start = self.base.start
        (total,) = self.blocks.total(
            _passes.tensors, order=order, start=start, **self._shared
        )
        start = replace(start, tensors=(*start.tensors, total))
        self.base = replace(self.base, start=start)

    @property
    def _shared(self):
        return {"problem": self.base.problem, "mean": self.model.mean}

    def _certified(self, rows):
        """Return which of some rows miss the tolerance, and would not with the cube."""
        if not len(rows):
            return np.zeros((2, 0), dtype=bool)
        spans = list(self.blocks.slices())
        cuts = np.searchsorted(rows, [span.stop for span in spans[:-1]])
        own = [
            part - span.start
            for part, span in zip(np.split(rows, cuts), spans, strict=True)
        ]
        start = self.base.start
        found = self.blocks.map(
            _passes.certified, own, start=start, tol=self.tol, **self._shared
        )
        return np.concatenate(found, axis=1)
