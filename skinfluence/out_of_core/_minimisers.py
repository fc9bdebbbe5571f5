"""Minimisers of objectives of all rows but some, each step a pass over the table."""

import numpy as np

from skinfluence.out_of_core import _passes
from skinfluence.removal._minimisation import Problems, minimise, newton_steps
from skinfluence.removal.smooth import _certificate as certificate

_PASSES = 8  # chord steps before the others are left to Newton's method
_AT_A_TIME = 64  # objectives whose Hessians are held


class BlockProblems(Problems):
    """Objectives without some rows, one for each output and set of rows.

    Parameters
    ----------
    model : BlockModel
    outputs : ndarray of int of shape (k,)
    removed : list of k ndarrays of int
        Positions of the rows.
    penalties : ndarray of shape (k, p)
        Diagonals.
    """

    def __init__(self, model, outputs, removed, penalties):
        self.model, self.outputs, self.removed = model, outputs, removed
        self.penalties = penalties

    def evaluate(self, which, x):
        gradient, hessian = self.model.blocks.total(
            _passes.derivatives,
            list(self.model.blocks.slices()),
            problem=self.model.problem,
            mean=self.model.mean,
            theta=x,
            outputs=[int(o) for o in self.outputs[which]],
            removed=[self.removed[i] for i in which],
        )
        penalty = self.penalties[which]
        np.einsum("kii->ki", hessian)[...] += penalty
        return gradient + penalty * x, hessian

    def step(self, which, x, state):
        return newton_steps(state[1], state[0])

    def left(self, which, x, state, step, decrement):
        M = self.model.problem.pointwise.M
        if not M:
            return decrement
        # Towards an infimum at infinity decrements vanish, but not steps: this bounds
        # by how much any linear predictor moves.
        zeta = M * np.abs(step) @ self.model.reach
        rest = certificate.psi2(np.minimum(zeta, 1.0)) * np.maximum(decrement, zeta)
        return np.where((decrement < 1e-5) & (zeta < 0.1), rest, np.inf)


def minimisers(model, start, outputs, removed, penalty=None):
    """Return the minimisers (k, p), and which were reached.

    ``penalty`` is that without the rows, unless another one is given.
    """
    found, left = np.empty_like(start), np.empty(len(start))
    if penalty is None:
        penalties = np.array([model.penalty(len(rows)) for rows in removed])
    else:
        penalties = np.tile(penalty, (len(start), 1))
    for first in range(0, len(start), _AT_A_TIME):
        part = slice(first, first + _AT_A_TIME)
        problems = BlockProblems(model, outputs[part], removed[part], penalties[part])
        found[part], left[part] = minimise(problems, start[part])
    return found, np.isfinite(left)


def chords(model, base, rows, tol):
    """Go on from Newton steps without single rows until a proven bound is met.

    The steps and bounds of `removal.smooth._ladder`, for one output.

    Parameters
    ----------
    model : BlockModel
    base : ndarray of shape (p,)
        The point that the steps start at.
    rows : ndarray of int of shape (m,)
        The rows.
    tol : float

    Returns
    -------
    moves : ndarray of shape (m, p)
        Of the coefficients, from ``base``.
    met : ndarray of bool of shape (m,)
        Whether the bound is met.
    """
    blocks, problem = model.blocks, model.problem
    spans = list(blocks.slices())
    shared = {"problem": problem, "mean": model.mean}
    X, targets, weight = blocks.total(_passes.rows_at, spans, positions=rows, **shared)
    first, second, _ = problem.pointwise.derivatives(X @ base, targets[:, 0])
    Z, a = X @ model.root.T, weight * second
    kappa = np.maximum(1 - a * np.einsum("ij,ij->i", Z, Z), 1e-15)

    def solve(rows, v):
        along = np.einsum("ij,ij->i", Z[rows], v)
        return v + (a[rows] / kappa[rows] * along)[:, None] * Z[rows]

    def norm(rows, v):
        along = np.einsum("ij,ij->i", Z[rows], v)
        square = np.einsum("ij,ij->i", v, v) - a[rows] * along**2
        return np.sqrt(np.maximum(square, 0.0))

    newton = (weight * first / kappa)[:, None] * Z
    u, met = newton.copy(), np.zeros(len(rows), dtype=bool)
    todo, previous = np.arange(len(rows)), np.full(len(rows), np.inf)
    M, h_max = problem.pointwise.M, model.h_max
    for _ in range(_PASSES):
        if not len(todo):
            break
        total, largest = blocks.total(
            _passes.remainders,
            spans,
            combine=_sum_and_maximum,
            theta=base,
            root=model.root,
            rows=rows[todo],
            u=u[todo],
            **shared,
        )
        new = newton[todo] - solve(todo, total + model.slack)
        nu = norm(todo, new - u[todo])
        good = ((nu <= previous[todo] / 2) | (nu <= 1e-14)) & (largest <= 1)
        todo, new, nu, largest = todo[good], new[good], nu[good], largest[good]
        u[todo], previous[todo] = new, nu
        after, reach = certificate.chord_residual(nu, largest, kappa[todo], h_max, M)
        bound = certificate.radius(after, reach, kappa[todo], h_max, M)
        met[todo] = bound <= tol
        todo = todo[~met[todo]]
    return u @ model.root, met


def _sum_and_maximum(one, other):
    return one[0] + other[0], np.maximum(one[1], other[1])
