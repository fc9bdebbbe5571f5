"""Multinomial logistic regression: rows leave to a certified tolerance."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal._linear import LinearModel
from skinfluence.removal._quasi_newton import certified_radius, minimise
from skinfluence.removal._softmax_objective import SoftmaxObjective, largest_range

# Rows that leave at the same time: enough for matrix products to be efficient,
# few enough for the logits of all their models to stay in cache.
BLOCK = 64
# From this leverage on, a row or set determines a direction on its own.
FULL_LEVERAGE = 1 - 1e-9


class Softmax(LinearModel):
    r"""Minimiser of ``sum_j s_j CE(theta x_j, y_j) + 1/2 sum_c theta_c' R theta_c``.

    With the Hessian H at the optimum, ``g_i = s_i (p_i - e_{y_i})``,
    ``S_i = s_i (diag(p_i) - p_i p_i')`` and the C x C matrix
    ``K_i = (I \otimes x_i)' H^{-1} (I \otimes x_i)``, one Newton step towards the
    minimiser without row i moves the coefficients by

    .. math::
        \Delta_i = H^{-1} (v_i \otimes x_i), \quad v_i = (I - S_i K_i)^{-1} g_i

    ("newton"; ``v_i = g_i`` for "infinitesimal"). "exact" continues from there
    with the same downdated inverse Hessian and secant pairs until the raw
    predictions of all training rows are certified to ``tol``; a row for which that
    does not happen gets full Newton steps, to rounding. Where no minimiser exists,
    because the remaining classes are separable and nothing is penalised, or
    because a class goes with its last row, the removal is unresolved; so is every
    one where the fitted model itself has no optimum.

    Cost: O(n C^2 p^2 + C^3 p^3) once, O(C^2 p^2) per row for one Newton step, and
    ``4 n C p`` flops per row and evaluation, of which two or three are usual. A
    full Newton step, or a group, costs as much as the setup. Memory: the
    (C p)^2 Hessian and its inverse, n C^2, and the n C p moves.

    Parameters
    ----------
    design : Design
        Rows and their handling.
    y_idx : ndarray of shape (n,)
        Class indices.
    weight : ndarray of shape (n,)
        Sample weights.
    penalty : ndarray of shape (p,)
        Diagonal of R, the same for all classes.
    fitted : ndarray of shape (C, p)
        Coefficients that scikit-learn returned.
    """

    link = "softmax"

    def __init__(self, design, y_idx, weight, penalty, fitted):
        self.design, self.labels, self.weight = design, y_idx, weight
        objective = SoftmaxObjective(design.rows, y_idx, weight, penalty, len(fitted))
        self.objective = objective
        start = fitted - (penalty == 0) * fitted.mean(axis=0)
        theta, self.hessian, self.inverse, _, _ = objective.minimise(start, weight)
        self._set_optimum(theta if self._finite else start, fitted)
        if self._finite:
            self._prepare()
        else:
            self.optimum_distance = np.inf

    @property
    def _finite(self):
        return self.inverse is not None

    def _prepare(self):
        """Compute the C x C matrices by which single rows change the Hessian."""
        objective, s = self.objective, self.weight
        C = len(self.theta)
        self.pivots = np.diag(np.linalg.cholesky(self.hessian)) ** 2
        self.state = objective.start_state(self.theta)
        _, _, P = objective.state(self.theta, s)
        self.P, self.pull = P, objective.pull(P, s)
        self.leverage, self.rho = np.empty(len(s)), 0.0
        # (I - S K)^{-1} = I + M K, and (I - S K)^{-1} S = M
        self.M, self.v = np.empty((len(s), C, C)), self.pull.copy()
        for r, K in objective.kernels(self.inverse):
            self.rho = max(self.rho, largest_range(K))
            root = np.sqrt(P[r])
            # a square root of S: A A' = s (diag(p) - p p')
            A = root[:, :, None] * np.eye(C) - P[r, :, None] * root[:, None, :]
            A *= np.sqrt(s[r])[:, None, None]
            values, vectors = np.linalg.eigh(A.transpose(0, 2, 1) @ K @ A)
            self.leverage[r] = values[:, -1]
            left = np.where(values > FULL_LEVERAGE, 1.0, 1.0 - values)
            vectors = A @ vectors
            self.M[r] = (vectors / left[:, None, :]) @ vectors.transpose(0, 2, 1)
            self.v[r] += _apply(self.M[r], _apply(K, self.pull[r]))

    def _displacements(self, step, tol):
        n, C, p = len(self.weight), *self.theta.shape
        used = self.weight > 0
        if not self._finite:
            return np.zeros((n, C, p)), np.flatnonzero(used)
        full = used & (self.leverage > FULL_LEVERAGE)
        moves = np.empty((n, C, p))
        v = self.pull if step == "infinitesimal" else self.v
        for a in range(0, n, 256):
            lifted = _outer(v[a : a + 256], self.design.rows[a : a + 256])
            moves[a : a + 256] = (lifted @ self.inverse).reshape(-1, C, p)
        if step == "infinitesimal":
            return moves, np.empty(0, dtype=np.intp)
        if step == "newton":
            return moves, np.flatnonzero(full)
        return moves, self._refine(moves, full, tol)

    def _refine(self, moves, full, tol):
        """Continue from the Newton steps ``moves``, in place; return unresolved."""
        C = len(self.theta)
        X, s = self.design.rows, self.weight
        own = np.einsum("icp,ip->ic", moves, X)
        # Bound the gradient after the Newton step without evaluating it.
        zeta = self.rho * np.sqrt(np.maximum((self.v * own).sum(axis=1), 0.0))
        size = np.sqrt(np.maximum((self.pull * own).sum(axis=1), 0.0))
        rho = self.rho / np.sqrt(1 - np.minimum(self.leverage, FULL_LEVERAGE))
        with np.errstate(over="ignore", invalid="ignore"):
            nu = np.where(zeta < 1e-5, zeta / 2, (np.expm1(zeta) - zeta) / zeta) * size
        uncertain = (s > 0) & ~(certified_radius(zeta, rho, nu) <= tol)
        counts = np.bincount(self.labels[s > 0], minlength=C)
        last = (s > 0) & (counts[self.labels] == 1)
        todo = np.flatnonzero(uncertain & ~full & ~last)
        # Rows that need as many evaluations as each other share a block.
        todo = todo[np.argsort(zeta[todo], kind="stable")]
        hard = list(np.flatnonzero(full & ~last))
        for a in range(0, len(todo), BLOCK):
            rows = todo[a : a + BLOCK]
            moves[rows], certified = self._refine_block(
                rows, moves[rows], rho[rows], tol
            )
            hard.extend(rows[~certified])
        unresolved = list(np.flatnonzero(last))
        for i in hard:
            weight = s.copy()
            weight[i] = 0.0
            start = np.zeros_like(moves[i]) if full[i] else moves[i]
            moves[i], resolved = self._newton(start, weight)
            if not resolved:
                unresolved.append(i)
        moves[unresolved] = 0.0
        return np.sort(np.asarray(unresolved, dtype=np.intp))

    def _refine_block(self, rows, moves, rho, tol):
        X, shape = self.design.rows, (-1, *self.theta.shape)
        first = -_outer(self.pull[rows], X[rows])

        def solve(g, which):
            """Apply the inverse of the Hessian without the row, by Woodbury."""
            r = rows[which]
            q = g @ self.inverse
            inner = np.einsum("mcp,mp->mc", q.reshape(shape), X[r])
            return q + _outer(_apply(self.M[r], inner), X[r]) @ self.inverse

        def evaluate(x, which):
            gradient, value, zeta = self.objective.moved(
                x.reshape(shape),
                self.state,
                first[which].reshape(shape),
                self.weight,
                rows[which],
            )
            return gradient.reshape(len(x), -1), value, zeta

        start = moves.reshape(len(rows), -1)
        x, certified = minimise(evaluate, solve, first, start, rho, tol)
        return x.reshape(shape), certified

    def _newton(self, move, weight):
        """Minimise with other weights; return the move and whether it exists."""
        theta, hessian, _, _, _ = self.objective.minimise(self.theta + move, weight)
        if hessian is None:
            return np.zeros_like(move), False
        return theta - self.theta, True

    def _group_displacements(self, masks, step, tol):
        moves = np.zeros((len(masks), *self.theta.shape))
        unresolved = []
        for k, mask in enumerate(masks):
            rows = np.flatnonzero(mask & (self.weight > 0))
            if not len(rows):
                continue
            if self._finite:
                moves[k], resolved = self._without(rows, step, tol)
            if not self._finite or not resolved:
                unresolved.append(k)
        return moves, np.asarray(unresolved, dtype=np.intp)

    def _without(self, rows, step, tol):
        """Return the move of theta without a set of rows, and if it is certified."""
        objective, shape = self.objective, self.theta.shape
        first = -(self.pull[rows].T @ self.design.rows[rows])
        if step == "infinitesimal":
            return -(self.inverse @ first.ravel()).reshape(shape), True
        weight = self.weight.copy()
        weight[rows] = 0.0
        counts = np.bincount(self.labels[weight > 0], minlength=len(self.theta))
        zero = np.zeros(shape)
        if step == "exact" and not counts.all():
            return zero, False
        hessian = self.hessian - objective.hessian(self.P, self.weight, rows)
        try:
            factor = sla.cho_factor(hessian, lower=True)
        except np.linalg.LinAlgError:
            factor = None
        # A pivot is what the others leave of a direction's curvature.
        if factor is None or np.any(
            np.diag(factor[0]) ** 2 < (1 - FULL_LEVERAGE) * self.pivots
        ):
            return (zero, False) if step == "newton" else self._newton(zero, weight)
        start = -sla.cho_solve(factor, first.ravel())[None]
        if step == "newton":
            return start.reshape(shape), True

        def evaluate(x, which):
            gradient, value, zeta = objective.moved(
                x.reshape(1, *shape), self.state, first[None], weight
            )
            return gradient.reshape(1, -1), value, zeta

        def solve(g, which):
            return sla.cho_solve(factor, g[0])[None]

        rho = objective.reach(sla.cho_solve(factor, np.eye(len(hessian))))
        x, certified = minimise(
            evaluate, solve, first.reshape(1, -1), start, np.array([rho]), tol
        )
        move = x.reshape(shape)
        return (move, True) if certified[0] else self._newton(move, weight)


def _apply(matrices, vectors):
    """Multiply (m, C, C) matrices and (m, C) vectors."""
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def _outer(v, X):
    """Rows ``v_i (x) x_i``, shape (m, C p)."""
    return (v[:, :, None] * X[:, None]).reshape(len(v), -1)
