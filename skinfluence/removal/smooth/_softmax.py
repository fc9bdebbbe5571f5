"""Multinomial logistic regression: rows leave to a certified tolerance."""

import numpy as np
import scipy.linalg as sla

from skinfluence._memory import check_memory
from skinfluence._threads import in_threads
from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.linear._normal_equations import cholesky
from skinfluence.removal.linear._penalty import Penalty
from skinfluence.removal.smooth._certificate import psi2
from skinfluence.removal.smooth._quasi_newton import minimise, range_radius
from skinfluence.removal.smooth._softmax_objective import (
    SoftmaxObjective,
    largest_range,
)

# Rows that leave at the same time: enough for matrix products to be efficient,
# few enough for the logits of all their models to stay in cache.
BLOCK = 64
# From this leverage on, a row or set determines a direction on its own.
FULL_LEVERAGE = 1 - 1e-9
# Relative rounding error of one minus leverage from which on a row is solved alone.
ROUGH = 1e-7


class Softmax(LinearModel):
    r"""Minimiser of ``sum_j s_j CE(theta x_j, y_j) + 1/2 sum_c theta_c' R theta_c``.

    With the Hessian H at the optimum, ``g_i = s_i (p_i - e_{y_i})``,
    ``S_i = s_i (diag(p_i) - p_i p_i')`` and the C x C matrix
    ``K_i = (I \otimes x_i)' H^{-1} (I \otimes x_i)``, one Newton step towards the
    minimiser without row i moves the coefficients by

    .. math::
        \Delta_i = H^{-1} (v_i \otimes x_i), \quad v_i = (I - S_i K_i)^{-1} g_i

    (`newton`; ``v_i = g_i`` for `first_order`). `exact` continues from there
    with the same downdated inverse Hessian and secant pairs until the raw
    predictions of all training rows are certified to ``tol``; a row for which that
    does not happen gets full Newton steps, to rounding. Where no minimiser exists,
    because the remaining classes are separable and nothing is penalised, or
    because a class goes with its last row, the removal is unresolved. A fitted
    model that has no optimum itself is refused.

    Cost: O(n C^2 p^2 + C^3 p^3) once, O(C^2 p^2) per row for one Newton step, and
    ``4 n C p`` flops per row and evaluation, of which two or three are usual. A
    full Newton step, or a group, costs as much as the setup. Memory: the
    (C p)^2 Hessian and its inverse, n C^2, and the n C p moves.

    Parameters
    ----------
    y_idx : ndarray of shape (n,)
        Class indices.
    penalty : ndarray of shape (p,)
        Diagonal of R, the same for all classes.
    """

    def __init__(self, design, y_idx, weight, penalty, fitted):
        super().__init__(design, "softmax", y_idx)
        self.weight = weight
        (n, p), C = design.rows.shape, len(fitted)
        check_memory(
            8 * (4 * (C * p) ** 2 + n * C * (p + 2 * C)),
            f"Exact removal from a model of {C} classes and {p} columns",
            "Use fewer columns, or LeaveOneOutInfluence(..., solver='refit').",
        )
        self.penalties = Penalty(penalty, weight, scales=design.scales)
        objective = SoftmaxObjective(design.rows, y_idx, weight, penalty, C)
        self.objective = objective
        start = fitted - (penalty == 0) * fitted.mean(axis=0)
        optimum = objective.minimise(start, weight)
        if optimum is None:
            raise UnsupportedEstimator(
                "The training objective has no finite optimum: the classes are "
                "separable and there is no penalty. Add a penalty, or use "
                "solver='refit'."
            )
        self._set_optimum(optimum, fitted)
        _, self.P = objective.state(self.theta, weight)
        self.hessian = objective.hessian(self.P, weight) + objective.penalty_hessian()
        self.pull = objective.pull(self.P, weight)

    @property
    def penalises_columns(self):
        penalty = self.penalties.diagonal
        return bool(np.all(penalty[: -1 if self.design.intercept else None] > 0))

    @property
    def follows_scales(self):
        return self.design.scales is not None

    def _first_order_rows(self, damping):
        self._check_moves(len(self.weight))
        base = DowndatedRows(self, damping)
        return self._moved(base.lift(self.pull), first_order=True)

    def _newton_rows(self, damping):
        self._check_moves(len(self.weight))
        base, moves, full = self._steps(damping)
        return self._moved(moves, np.flatnonzero(full))

    def _steps(self, damping, excess=None):
        """Newton steps without single rows, and which mean nothing by rounding."""
        base = DowndatedRows(self, damping, excess)
        base.downdate()
        full = ~(base.error <= ROUGH * (1 - base.leverage)) & (self.weight > 0)
        return base, base.lift(base.v), full

    def _exact_rows(self, tol):
        self._check_moves(len(self.weight))
        # What the downdate of rounded numbers cannot tell is minimised by itself.
        excess = None
        if not self.penalties.constant:
            excess = self.penalties.without() - self.penalties.diagonal
        base, moves, full = self._steps(0.0, excess)
        used = self.weight > 0
        last = loses_class(self.labels, used=used)
        uncertain = used & ~(base.newton_radius(moves) <= tol)
        if base.excess is not None:
            uncertain[:] = True
        todo = np.flatnonzero(uncertain & ~full & ~last)
        # Rows that need as many evaluations as each other share a block.
        todo = todo[np.argsort(base.zeta[todo], kind="stable")]
        hard = list(np.flatnonzero(full & ~last))

        def refine(a):
            rows = todo[a : a + BLOCK]
            moves[rows], certified = base.refine(rows, moves[rows], tol)
            return rows[~certified]

        for left in in_threads(refine, range(0, len(todo), BLOCK)):
            hard.extend(left)
        unresolved = list(np.flatnonzero(last))
        for i in hard:
            weight = self.weight.copy()
            weight[i] = 0.0
            start = np.zeros_like(moves[i]) if full[i] else moves[i]
            penalty = None if base.excess is None else base.excess[i]
            found = self._newton(start, weight, penalty)
            if found is None:
                unresolved.append(i)
            else:
                moves[i] = found
        moves[unresolved] = 0.0
        return self._moved(moves, np.sort(unresolved))

    def _newton(self, move, weight, excess=None):
        """Minimise with other weights; return the move, None where there is none."""
        objective = self.objective
        if excess is not None:
            penalty = self.penalties.diagonal + excess
            objective = SoftmaxObjective(
                self.design.rows, self.labels, weight, penalty, len(self.theta)
            )
        optimum = objective.minimise(self.theta + move, weight)
        return None if optimum is None else optimum - self.theta

    def _exact_groups(self, masks, tol):
        if self.penalties.constant:
            base = DowndatedRows(self, 0.0)
            return self._each_group(
                masks, lambda g, rows: self._minimise_without(rows, base, tol)
            )
        excess = self.penalties.without(masks) - self.penalties.diagonal

        def move(g, rows):
            weight = np.where(masks[g], 0.0, self.weight)
            return self._newton(0.0, weight, excess[g])

        return self._each_group(masks, move, idle=True)

    def _newton_groups(self, masks, damping):
        base = DowndatedRows(self, damping)

        def move(g, rows):
            factor = base.factor_without(rows)
            if factor is None:
                return None
            step = -sla.cho_solve(factor, self._pull_without(rows).ravel())
            return step.reshape(self.theta.shape)

        return self._each_group(masks, move)

    def _first_order_groups(self, masks, damping):
        base = DowndatedRows(self, damping)

        def move(g, rows):
            step = -(base.inverse @ self._pull_without(rows).ravel())
            return step.reshape(self.theta.shape)

        return self._each_group(masks, move, first_order=True)

    def _pull_without(self, rows):
        """Gradient without a set of rows at the optimum with all, shape (C, p)."""
        return -(self.pull[rows].T @ self.design.rows[rows])

    def _minimise_without(self, rows, base, tol):
        """Return the certified move of theta without a set of rows, or None."""
        objective, shape = self.objective, self.theta.shape
        weight = self.weight.copy()
        weight[rows] = 0.0
        left = np.isin(np.arange(len(weight)), rows)[None]
        if loses_class(self.labels, left, self.weight > 0)[0]:
            return None
        factor = base.factor_without(rows)
        if factor is None:
            return self._newton(0.0, weight)
        first = self._pull_without(rows)
        start = -sla.cho_solve(factor, first.ravel())[None]

        def evaluate(x, which):
            gradient, value, zeta = objective.moved(
                x.reshape(1, *shape), base.state, first[None], weight
            )
            return gradient.reshape(1, -1), value, zeta

        def solve(g, which):
            return sla.cho_solve(factor, g[0])[None]

        rho = objective.reach(sla.cho_solve(factor, np.eye(len(base.hessian))))
        x, certified = minimise(
            evaluate, solve, first.reshape(1, -1), start, np.array([rho]), tol
        )
        move = x.reshape(shape)
        return move if certified[0] else self._newton(move, weight)


class DowndatedRows:
    """The optimum with all rows, and by what C x C matrices single rows change it."""

    def __init__(self, model, damping, excess=None):
        self.model, self.objective = model, model.objective
        self.rows, self.shape = model.design.rows, (-1, *model.theta.shape)
        self.hessian = model.hessian + damping * np.eye(len(model.hessian))
        lower, self.error = cholesky(self.hessian)
        self.pivots = np.diag(lower) ** 2
        self.inverse = sla.cho_solve((lower, True), np.eye(len(self.hessian)))
        self.state = self.objective.start_state(model.theta)
        self.excess = excess

    def factor_without(self, rows):
        """Cholesky factor of the Hessian without a set of rows, None if singular."""
        model = self.model
        hessian = self.hessian - self.objective.hessian(model.P, model.weight, rows)
        try:
            factor = sla.cho_factor(hessian, lower=True)
        except np.linalg.LinAlgError:
            return None
        # A pivot is what the others leave of a direction's curvature.
        pivots = np.diag(factor[0]) ** 2
        return None if np.any(pivots < (1 - FULL_LEVERAGE) * self.pivots) else factor

    def lift(self, v):
        """``H^{-1} (v_i (x) x_i)`` of every row, shape (n, C, p)."""
        out = np.empty((len(v), *self.shape[1:]))
        for a in range(0, len(v), 256):
            lifted = outer(v[a : a + 256], self.rows[a : a + 256]) @ self.inverse
            out[a : a + 256] = lifted.reshape(self.shape)
        return out

    def downdate(self):
        """Compute ``M = (I - S K)^{-1} S``, ``v``, leverages and the reach of rows."""
        model = self.model
        n, C = model.pull.shape
        self.leverage, self.rho = np.empty(n), 0.0
        self.M, self.v = np.empty((n, C, C)), model.pull.copy()
        for r, K in self.objective.kernels(self.inverse):
            self.rho = max(self.rho, largest_range(K))
            self.M[r], self.leverage[r] = downdates(K, model.P[r], model.weight[r])
            # (I - S K)^{-1} = I + M K
            self.v[r] += apply(self.M[r], apply(K, model.pull[r]))
        # In the norm of the Hessian without row i nothing reaches further than:
        self.reach = self.rho / np.sqrt(1 - np.minimum(self.leverage, FULL_LEVERAGE))

    def newton_radius(self, moves):
        """Certify Newton steps by the Taylor remainder of the gradient."""
        own = np.einsum("icp,ip->ic", moves, self.rows)
        self.zeta = self.rho * np.sqrt(np.maximum((self.v * own).sum(axis=1), 0.0))
        length = np.sqrt(np.maximum((self.model.pull * own).sum(axis=1), 0.0))
        return range_radius(psi2(self.zeta) * length, self.zeta, self.reach)

    def refine(self, rows, moves, tol):
        """Minimise without each of ``rows``, from their Newton steps."""
        X, excess = self.rows[rows], None
        first = -outer(self.model.pull[rows], X)
        reach, neglect = self.reach[rows], np.zeros(len(rows))
        if self.excess is not None:
            excess = self.excess[rows][:, None]
            first += (excess * self.model.theta).reshape(len(rows), -1)
            # B_i has the penalty with all rows: how far is that from its own?
            penalty = self.model.penalties.diagonal
            relative = excess[:, 0] / np.where(penalty > 0, penalty, np.inf)
            neglect = np.abs(relative).max(axis=1)
            reach = reach / np.maximum(1 + relative.min(axis=1), 1e-15)

        def solve(g, which):
            """Apply the inverse of the Hessian without the row, by Woodbury."""
            x = X[which]
            q = g @ self.inverse
            inner = np.einsum("mcp,mp->mc", q.reshape(self.shape), x)
            return q + outer(apply(self.M[rows[which]], inner), x) @ self.inverse

        def evaluate(x, which):
            move = x.reshape(self.shape)
            gradient, value, zeta = self.objective.moved(
                move,
                self.state,
                first[which].reshape(self.shape),
                self.model.weight,
                rows[which],
            )
            if excess is not None:
                pull = excess[which] * move
                gradient += pull
                value += 0.5 * (pull * move).sum(axis=(1, 2))
            return gradient.reshape(len(x), -1), value, zeta

        start = moves.reshape(len(rows), -1)
        if excess is not None:
            start = -solve(first, np.arange(len(rows)))
        x, certified = minimise(evaluate, solve, first, start, reach, tol, neglect)
        return x.reshape(self.shape), certified


def downdates(K, P, weight):
    """Return ``(I - S K)^{-1} S`` of rows, (m, C, C), and their leverages.

    Parameters
    ----------
    K : ndarray of shape (m, C, C)
        Kernels ``(I x x_i)' H^{-1} (I x x_i)``.
    P : ndarray of shape (m, C)
        Probabilities.
    weight : ndarray of shape (m,)
        Weights, with which ``S = s (diag(p) - p p')``.
    """
    root = np.sqrt(P)
    # a square root of S: A A' = s (diag(p) - p p')
    A = root[:, :, None] * np.eye(P.shape[1]) - P[:, :, None] * root[:, None, :]
    A *= np.sqrt(weight)[:, None, None]
    values, vectors = np.linalg.eigh(A.transpose(0, 2, 1) @ K @ A)
    left = np.where(values > FULL_LEVERAGE, 1.0, 1.0 - values)
    vectors = A @ vectors
    M = (vectors / left[:, None, :]) @ vectors.transpose(0, 2, 1)
    return M, values[:, -1]


def apply(matrices, vectors):
    """Multiply (m, C, C) matrices and (m, C) vectors."""
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def outer(v, X):
    """Rows ``v_i (x) x_i``, shape (m, C p)."""
    return (v[:, :, None] * X[:, None]).reshape(len(v), -1)
