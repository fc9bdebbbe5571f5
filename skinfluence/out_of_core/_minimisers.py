"""Minimisers of objectives of all rows but some, each step a pass over the table."""

import numpy as np

from skinfluence.out_of_core import _passes
from skinfluence.out_of_core._blocks import Block
from skinfluence.out_of_core._row_ladders import corrected, ladder_of
from skinfluence.removal._minimisation import Problems, minimise, newton_steps
from skinfluence.removal.smooth import _certificate as certificate
from skinfluence.removal.smooth._ladder import Ladder

_AT_A_TIME = 64  # objectives whose Hessians are held, or fewer:
_HESSIANS = 2**22  # numbers of these
CHUNK = 2**20  # numbers of the moves that share a pass


class BlockProblems(Problems):
    """Objectives without some rows, one for each output and set of rows.

    Parameters
    ----------
    model : BlockModel
    problem : Problem
    outputs : ndarray of int of shape (k,)
    removed : list of k ndarrays of int
        Positions of the rows.
    penalties : ndarray of shape (k, p)
        Diagonals.
    """

    def __init__(self, model, problem, outputs, removed, penalties):
        self.model, self.problem = model, problem
        self.outputs, self.removed, self.penalties = outputs, removed, penalties

    def evaluate(self, which, x):
        gradient, hessian, squares = self.model.blocks.total(
            _passes.derivatives,
            list(self.model.blocks.slices()),
            problem=self.problem,
            mean=self.model.mean,
            theta=x,
            outputs=[int(o) for o in self.outputs[which]],
            removed=[self.removed[i] for i in which],
        )
        penalty = self.penalties[which]
        np.einsum("kii->ki", hessian)[...] += penalty
        return gradient + penalty * x, hessian, squares

    def step(self, which, x, state):
        return newton_steps(state[1], state[0])

    def left(self, which, x, state, step, decrement):
        M = self.problem.pointwise.M
        if not M:  # in the unit of the targets, whatever it is
            return decrement / np.sqrt(np.where(state[2] > 0, state[2], 1.0))
        # Towards an infimum at infinity decrements vanish, but not steps: this bounds
        # by how much any linear predictor moves.
        zeta = M * np.abs(step) @ self.model.reach
        rest = certificate.psi2(np.minimum(zeta, 1.0)) * np.maximum(decrement, zeta)
        return np.where((decrement < 1e-5) & (zeta < 0.1), rest, np.inf)


def minimisers(model, problem, start, outputs, removed, penalties):
    """Return the minimisers (k, p), and which were reached.

    Parameters as of `BlockProblems`, and starting points of shape (k, p).
    """
    found, left = np.empty_like(start), np.empty(len(start))
    size = min(_AT_A_TIME, max(1, _HESSIANS // start.shape[1] ** 2))
    for first in range(0, len(start), size):
        part = slice(first, first + size)
        problems = model.problems(
            model, problem, outputs[part], removed[part], penalties[part]
        )
        found[part], left[part] = minimise(problems, start[part])
    return found, np.isfinite(left)


class TableLadder(Ladder):
    """A `Ladder` of rows gathered from a table, whose chord steps are passes over it.

    Parameters as of `Ladder`; ``over`` is set after.

    Attributes
    ----------
    over : callable
        Takes moves, which of the rows they are of, and the reach of the series;
        returns the sums of `removal.smooth._remainders` over the table.
    """

    batch = CHUNK
    over = None

    def _remainders(self, u, rows, reach):
        return self.over(u, rows, reach)


def chords(model, base, rows, tol):
    """Go on from corrected steps without single rows until a proven bound is met.

    Parameters
    ----------
    model : BlockModel
    base : Base
        Has a `Start`.
    rows : ndarray of int of shape (m,)
        Positions of the rows; those that move alike next to each other.
    tol : float

    Returns
    -------
    moves : ndarray of shape (m, p)
        Moves of the coefficients from the start.
    met : ndarray of bool of shape (m,)
        Whether the bound is met.
    """
    start = base.start
    moves, met = np.empty((len(rows), len(start.theta))), np.ones(len(rows), dtype=bool)
    size = max(1, CHUNK // len(start.theta))
    for first in range(0, len(rows), size):
        part = slice(first, first + size)
        moves[part], met[part] = _chords(model, base, rows[part], tol)
    return moves, met


def _chords(model, base, rows, tol):
    blocks, start = model.blocks, base.start
    shared = {"problem": base.problem, "mean": base.mean}
    gathered = gather(blocks, rows)
    ladder = ladder_of(gathered, start=start, kind=TableLadder, **shared)

    def over(u, which, reach):
        return blocks.total(
            _passes.remainders,
            list(blocks.slices()),
            combine=_passes.merged_remainders,
            start=start,
            rows=rows[which],
            u=u,
            reach=reach,
            **shared,
        )

    ladder.over = over
    u, met = corrected(ladder, start)[0], np.ones(len(rows), dtype=bool)
    met[ladder.chords(u, np.arange(len(rows)), tol)] = False
    return u @ start.root, met


def gather(blocks, rows):
    """Return some rows of a table as one `Block`, in their order."""
    found = blocks.map(_passes.rows_at, list(blocks.slices()), positions=rows)
    where, *parts = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(where)
    return Block(*(part[order] for part in parts))
