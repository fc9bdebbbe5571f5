"""Regression with Huber's loss and its scale: rows leave by chords, then Newton.

The chord steps stand apart from `removal._minimisation` for the reason given in
`smooth._ladder`: on 600 rows with 30 columns they take a sixth of its time.
"""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.kinked._huber_objective import HuberObjective
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.linear._normal_equations import cholesky

# Relative rounding error of one minus leverage from which on a row is solved alone.
ROUGH = 1e-7
# Removed rows that share a pass over the training rows, and training rows of a tile.
BATCH, TILE = 256, 512
# Passes before a row is given to Newton's method.
PASSES = 12


class Concomitant(LinearModel):
    r"""Minimiser of Huber's objective in coefficients and scale (`HuberObjective`).

    With H the Hessian at the optimum, ``u_i = (x_i, r_i / sigma)``, curvature ``a_i =
    2 s_i / sigma`` of inliers (0 of outliers) and ``g_i`` the gradient of row i's term,
    moves without row i start from one Newton step and take chord steps

    .. math::
        \Delta_1 = B_i^{-1} g_i, \quad \Delta \leftarrow \Delta - B_i^{-1}
        \nabla F_{-i}(\Delta), \quad B_i = H - a_i u_i u_i'

    with exact gradients, in batches, until a step moves predictions by less than a
    tenth of the tolerance and by less than half of the step before (so that what
    remains is smaller still: an estimate, not a proof, as rows that cross their kinks
    change the contraction). Rows that do not contract are minimised by Newton's
    method, in batches. `newton` is the first step, `first_order` is
    ``H^{-1} g_i``. Groups are minimised from the optimum.

    Cost O(n p^2) once and O(n p) per row and chord step (three on average where many
    rows remain), memory O(n p). Unresolved are rows without which no minimiser of
    positive scale is found. A model that fits most rows exactly has no scale and is
    refused.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.
    epsilon : float
        The kink.
    penalty : ndarray of shape (p,)
        Second derivative of the penalty.
    scale : float
        Scale that it returned: the unit of all computations.

    References
    ----------
    .. [1] P. J. Huber, E. M. Ronchetti, "Robust Statistics", 2009, section 7.7.
    """

    def __init__(self, design, y, weight, epsilon, penalty, fitted, scale):
        super().__init__(design)
        self.weight = weight
        self.unit = scale if scale > 0 else 1.0
        self.objective = HuberObjective(
            design.rows, y / self.unit, epsilon, penalty * self.unit
        )
        start = np.append(fitted[0] / self.unit, 1.0)[None]
        point, converged = self.objective.minimise(weight[None], start)
        if not converged[0]:
            raise UnsupportedEstimator(
                "No minimiser of Huber's objective with a positive scale was found: "
                "most rows fit exactly, or columns depend on each other. Use "
                "solver='refit'."
            )
        self.point = point[0]
        self._set_optimum(point[:, :-1] * self.unit, fitted)

    def _exact_rows(self, tol):
        self._check_moves(len(self.weight))
        base = WhitenedHuber(self, 0.0)
        moves = base.solve(slice(None), base.own)
        rows = np.flatnonzero(self.weight > 0)
        # Rows that move alike need as many passes.
        rows = rows[np.argsort(np.linalg.norm(moves[rows], axis=1), kind="stable")]
        moves, unresolved = base.refine(rows, moves, 0.1 * tol / self.unit)
        return self._moved(base.to_theta(moves)[:, None] * self.unit, unresolved)

    def _newton_rows(self, damping):
        self._check_moves(len(self.weight))
        base = WhitenedHuber(self, damping)
        moves = base.solve(slice(None), base.own)
        return self._moved(base.to_theta(moves)[:, None] * self.unit)

    def _first_order_rows(self, damping):
        self._check_moves(len(self.weight))
        base = WhitenedHuber(self, damping)
        moves = base.to_theta(base.own)[:, None] * self.unit
        return self._moved(moves, first_order=True)

    def _exact_groups(self, masks, tol):
        weights, start, changes = self._left(masks)
        end, converged = self.objective.minimise(weights, start)
        moves = end - start
        unresolved = np.flatnonzero(changes & ~converged)
        moves[unresolved] = 0.0
        moves[~changes] = 0.0
        return self._moved(moves[:, None, :-1] * self.unit, unresolved)

    def _newton_groups(self, masks, damping):
        weights, start, changes = self._left(masks)
        c, inlier = self.objective.clipped(start)
        grad = self.objective.gradient(weights, c, start)
        hessian = self.objective.hessian(weights, c, inlier, start)
        hessian += damping * np.eye(len(self.point))
        moves = -np.linalg.solve(hessian, grad[:, :, None])[:, :, 0]
        moves[~changes] = 0.0
        return self._moved(moves[:, None, :-1] * self.unit)

    def _left(self, masks):
        """Weights without sets of rows, starts, and the sets that have weight."""
        weights = np.where(masks, 0.0, self.weight)
        start = np.repeat(self.point[None], len(masks), axis=0)
        return weights, start, (masks & (self.weight > 0)).any(axis=1)


class WhitenedHuber:
    """Derivatives at the optimum, in coordinates where the Hessian is the identity."""

    def __init__(self, model, damping):
        self.weight, self.objective, self.point = (
            model.weight,
            model.objective,
            model.point,
        )
        X, point = model.design.rows, model.point[None]
        c, inlier = self.objective.clipped(point)
        hessian = self.objective.hessian(self.weight[None], c, inlier, point)[0]
        hessian[np.diag_indices_from(hessian)] += damping
        lower, error = cholesky(hessian)
        self.root = sla.solve_triangular(lower, np.eye(len(hessian)), lower=True)
        c, inlier = c[0], inlier[0]
        self.u = np.column_stack([X, c]) @ self.root.T
        self.curvature = 2 * self.weight * inlier / self.point[-1]
        own = np.column_stack([-2 * c[:, None] * X, 1 - c**2]) * self.weight[:, None]
        self.own = own @ self.root.T
        h = np.einsum("ij,ij->i", self.u, self.u)
        self.kappa = np.maximum(1 - self.curvature * h, 1e-15)
        self.rough = ~(error <= ROUGH * self.kappa)
        lifted = X @ self.root[:, :-1].T
        self.reach = np.sqrt(np.einsum("ij,ij->i", lifted, lifted).max())

    def to_theta(self, moves):
        """Moves of the coefficients, in units of the scale."""
        return (moves @ self.root)[:, :-1]

    def solve(self, rows, v):
        """``B_i^{-1} v`` for each of ``rows``: a rank-one correction."""
        u = self.u[rows]
        factor = np.einsum("ij,ij->i", u, v) * self.curvature[rows] / self.kappa[rows]
        return v + factor[:, None] * u

    def refine(self, rows, moves, tol):
        """Take chord steps for ``rows``, then Newton steps where they fail."""
        moves, hard = moves.copy(), [rows[self.rough[rows]]]
        rows = rows[~self.rough[rows]]
        for start in range(0, len(rows), BATCH):
            todo = rows[start : start + BATCH]
            previous = np.full(len(todo), np.inf)
            for _ in range(PASSES):
                grad = self._gradients(todo, moves[todo])
                shift = self.solve(todo, grad)
                size = np.linalg.norm(shift, axis=1) * self.reach
                contracts = (size <= previous / 2) & np.isfinite(size)
                hard.append(todo[~contracts])
                todo, shift, size = todo[contracts], shift[contracts], size[contracts]
                moves[todo] -= shift
                # The first pass has no step before it to be compared with.
                left = (size > tol) | (np.isinf(previous[contracts]) & (size > 0))
                left &= size > 1e-15 * np.linalg.norm(self.point)
                todo, previous = todo[left], size[left]
                if not len(todo):
                    break
            else:
                hard.append(todo)
        hard = np.concatenate(hard)
        weights = np.repeat(self.weight[None], len(hard), axis=0)
        weights[np.arange(len(hard)), hard] = 0.0
        start = np.repeat(self.point[None], len(hard), axis=0)
        end, converged = self.objective.minimise(weights, start)
        end[~converged] = self.point
        moves[hard] = sla.solve_triangular(
            self.root, (end - self.point).T, lower=True, trans="T"
        ).T
        return moves, hard[~converged]

    def _gradients(self, rows, moves):
        """Whitened gradients without each of ``rows``."""
        X, y, weight = self.objective.X, self.objective.y, self.weight
        point = self.point + moves @ self.root
        theta, scale = point[:, :-1], point[:, -1:]
        epsilon = self.objective.epsilon
        out = np.empty_like(point)
        out[:, :-1] = self.objective.penalty * theta
        out[:, -1] = weight.sum() - weight[rows]
        for start in range(0, len(X), TILE):
            part = slice(start, start + TILE)
            c = theta @ X[part].T
            np.subtract(y[part], c, out=c)
            c /= scale
            np.clip(c, -epsilon, epsilon, out=c)
            own = np.flatnonzero((rows >= start) & (rows < start + TILE))
            c[own, rows[own] - start] = 0.0
            weighted = c * weight[part]
            out[:, :-1] -= 2 * (weighted @ X[part])
            out[:, -1] -= np.einsum("kn,kn->k", weighted, c)
        out[scale[:, 0] <= 0] = np.nan  # beyond the domain: no step from here
        return out @ self.root.T
