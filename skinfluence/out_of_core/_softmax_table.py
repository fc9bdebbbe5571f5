"""Multinomial logistic regression of a table in blocks."""

from dataclasses import replace

import numpy as np

from skinfluence._memory import check_memory
from skinfluence.out_of_core import _softmax_passes as passes
from skinfluence.out_of_core._minimisers import gather
from skinfluence.out_of_core._model import NONE, BlockModel
from skinfluence.out_of_core._problem import problem_of, set_up
from skinfluence.out_of_core._single_rows import TENSOR, RowsOneByOne
from skinfluence.removal._minimisation import Problems, newton_steps
from skinfluence.removal.smooth._certificate import psi2, psi3
from skinfluence.removal.smooth._quasi_newton import minimise, range_radius
from skinfluence.removal.smooth._softmax import FULL_LEVERAGE, ROUGH

CHUNK = 2**18  # numbers of the moves that share passes: each has 36 more for its steps


class SoftmaxProblems(Problems):
    """Multinomial objectives without some rows, as `BlockProblems`."""

    def __init__(self, model, problem, outputs, removed, penalties):
        self.model, self.problem = model, problem
        self.removed, self.penalties = removed, penalties

    def evaluate(self, which, x):
        gradient, hessian = self.model.blocks.total(
            passes.derivatives,
            list(self.model.blocks.slices()),
            problem=self.problem,
            mean=self.model.mean,
            theta=x,
            removed=[self.removed[i] for i in which],
        )
        penalty = np.stack(
            [self.model.penalty_hessian(own) for own in self.penalties[which]]
        )
        return gradient + np.einsum("kab,kb->ka", penalty, x), hessian + penalty

    def step(self, which, x, state):
        return newton_steps(state[1], state[0])

    def left(self, which, x, state, step, decrement):
        # On separable data decrements fall as well, but steps are long.
        theta = step.reshape(len(step), -1, len(self.model.reach))
        apart = np.abs(theta[:, :, None] - theta[:, None]) @ self.model.reach
        zeta = apart.max(axis=(1, 2))
        rest = psi2(np.minimum(zeta, 1.0)) * decrement
        return np.where(zeta < 0.1, rest, np.inf)


class SoftmaxRows(RowsOneByOne):
    """Minimisers without each row, as `SingleRows`.

    If a scaler is fitted again without the row, the Hessian of steps, corrections and
    bounds has the penalty without the row.
    """

    rough = ROUGH
    chord_steps = 3

    def step(self, lift, root, gradient, excess):
        self.base = replace(self.base, start=passes.SoftmaxStart(excess))
        if excess is None:
            v, along, own, leverage, reach = self.model.moves(
                self.problem, self.theta, root, gap=True
            )
            floor = 1.0
        else:
            v = np.empty((self.n, 0))  # steps have no common direction
            found = self.blocks.map(
                passes.rescaled_sizes, base=self.base, penalty=self.penalty
            )
            along, own, leverage, reach, floor = (
                np.concatenate(part) for part in zip(*found, strict=True)
            )
        slack = np.linalg.norm(gradient @ root.T)
        # The Hessian without the row is at least this share of that with all rows.
        kappa = np.maximum(1 - leverage, 1e-15) * floor
        rho = reach.max()
        self.reach = rho / np.sqrt(np.maximum(kappa, 1 - FULL_LEVERAGE))
        self.length = np.sqrt(np.maximum(along, 0.0))
        zeta = rho * self.length
        nu = psi2(zeta) * np.sqrt(np.maximum(own, 0.0)) + slack / np.sqrt(kappa)
        self.rho, self.kappa, self.slack = rho, kappa, slack / np.sqrt(kappa)
        return v, (1 - leverage) * floor, range_radius(nu, zeta, self.reach)

    def correction_radius(self):
        r"""Bound errors after one correction, from the length of the step alone.

        Third derivatives along a move u and others obey :math:`|D^3 l[u, a, b]| \le
        range(u) |a| |b|` in the norms of the Hessian, and fourth ones
        :math:`|D^4 l[u, u, u, b]| \le (1 + 3/4) range(u)^2 |u| |b|`: they are the
        cumulant :math:`E[\bar u^3 \bar b] - 3 Var(u) Cov(u, b)`, and a variance is at
        most a quarter of the square of the range. So what the correction's length and
        what it leaves of the gradient are bounded by is as for one output
        (`certificate.correction_residual`), but for this factor.
        """
        share = self.rho * self.length / 2 / np.sqrt(self.kappa)
        change = share * self.length
        after = self.length + change
        zeta = self.rho * after
        nu = 1.75 * psi3(zeta) * after
        nu += self.rho * (self.length + after) / 2 * change + self.slack
        # A correction longer than half the step it corrects is no correction.
        return np.where(share < 0.5, range_radius(nu, zeta, self.reach), np.inf)

    def correct(self, todo):
        known = todo[self.correction_radius()[todo] <= self.tol]
        C, m = len(self.theta), len(known)
        width = self.theta.size * (self.theta.size + 1) // 2
        # Chord steps are about four products for every pair of rows and coefficient.
        worth = width * (C * self.n + m) <= 4 * self.n * m
        if not worth or width * self.theta.size > TENSOR:
            return todo
        self.announce(m, width * self.theta.size * (C + m / self.n))
        tensor = self.blocks.total(
            passes.tensor,
            problem=self.problem,
            mean=self.model.mean,
            theta=self.theta,
        )
        start = replace(self.base.start, tensors=tensor)
        self.base = replace(self.base, start=start)
        self.level[known] = 2
        return np.setdiff1d(todo, known)

    def chords(self, rows):
        size = max(1, CHUNK // self.theta.size)
        moves, met = np.empty((len(rows), *self.theta.shape)), np.ones(len(rows), bool)
        for first in range(0, len(rows), size):
            part = slice(first, first + size)
            moves[part], met[part] = self._refined(rows[part])
        return moves, met

    def _refined(self, rows):
        """Minimise without each of some rows, from their Newton steps."""
        own = passes.OwnRows(gather(self.blocks, rows), self.base)
        first, shape = own.gradient(), (-1, *self.theta.shape)
        penalty = self.model.penalty_hessian(self.penalty)

        def evaluate(x, which):
            change, value, zeta = self.blocks.total(
                passes.moved,
                list(self.blocks.slices()),
                combine=passes.merged_moved,
                theta=self.theta,
                rows=rows[which],
                moves=x.reshape(shape),
                problem=self.problem,
                mean=self.model.mean,
            )
            pull = x @ penalty
            if own.excess is not None:
                pull += own.penalised(x, which)
            value = value + np.einsum("mp,mp->m", 0.5 * pull + first[which], x)
            return first[which] + pull + change.reshape(len(x), -1), value, zeta

        start = -own.solve(first, np.arange(len(rows)))
        x, met = minimise(evaluate, own.solve, first, start, self.reach[rows], self.tol)
        return x.reshape(shape), met


class SoftmaxTable(BlockModel):
    """A multinomial logistic regression at the optimum of its objective.

    The notation and the steps of `removal.smooth._softmax`. Cost: a pass per Newton
    step of the fit, ``n C p^2`` and ``n (C p)^2`` operations each, and one more for the
    kernels K. Memory as of `BlockModel`, with C p for p, and C numbers per row.
    """

    problems = SoftmaxProblems
    single_rows = SoftmaxRows
    row_moves = staticmethod(passes.row_moves)

    def _prepare(self):
        """Set the matrix that fixes the shift common to all classes."""
        C, p = len(self.classes), len(self.reach)
        check_memory(
            8 * 8 * (C * p) ** 2,
            f"The Hessian of {C} classes and {p} columns",
            "Use fewer columns, or two classes at a time.",
        )
        (squares,) = self.blocks.total(
            passes.squares, mean=self.mean, intercept=self.problem.intercept
        )
        scale = squares / C**2
        scale[scale == 0] = 1.0
        self.gauge = np.where(self.penalty() == 0, scale, 0.0)

    def flat(self, theta):
        return theta.reshape(1, -1)

    def penalty_hessian(self, penalty):
        """Return the Hessian of a diagonal penalty and of the gauge, (C p, C p)."""
        C = len(self.classes)
        tile = np.tile(np.diag(self.gauge), (C, C))
        return np.diag(np.tile(penalty, C)) + tile

    def _derivatives(self, problem, theta, penalty):
        problems = SoftmaxProblems(self, problem, None, [NONE], penalty[None])
        gradient, hessian = problems.evaluate(np.zeros(1, dtype=int), self.flat(theta))
        return gradient, hessian[0]


def table_model(estimator, blocks, steps=None):
    """Return the `BlockModel` of an estimator, which is not fitted itself.

    ``steps`` are the `BlockSteps` that the blocks come from, if any.
    """
    fitted, classes = set_up(estimator, blocks)
    problem = problem_of(fitted, classes)
    kind = SoftmaxTable if problem.link == "softmax" else BlockModel
    return kind(fitted, blocks, problem, steps)
