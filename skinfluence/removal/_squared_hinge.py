"""Squared hinge loss: rows leave by finitely many steps between active sets."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal._linear import LinearModel

# Removed rows whose margins are checked together, and floats of a temporary.
BATCH, TILE = 128, 2**20
# Steps between active sets before a row is given to the solver with line search.
STEPS = 30
# A row nearer to full leverage than this loses half the digits to cancellation.
HIGH_LEVERAGE = 1 - 1e-7


class SquaredHinge(LinearModel):
    r"""Minimiser of ``F = sum_j a_j max(0, 1 - c_j x_j'theta)^2 + theta' R theta / 2``.

    F is quadratic wherever the active set A (rows with a positive hinge) is fixed.
    With ``H = 2 X_A' a_A X_A + R`` and ``d_j = -2 a_j c_j (1 - c_j x_j'theta)``, the
    minimiser without row i of A, on the piece where the rows F have left
    (sign -1) or entered (sign +1) A, is

    .. math::
        \Delta = -H^{-1} U' (I + \Sigma U H^{-1} U')^{-1} \sigma d, \quad
        U = X_{\{i\} \cup F}, \; \sigma = \pm 1, \; \Sigma = 2 a \sigma

    The first step has F empty ("newton"; "infinitesimal" is ``H^{-1} x_i d_i``).
    Then F is what has changed at the new point, until nothing changes: the exact
    minimiser, since its own piece has it (Mangasarian 2002, Optimization Methods
    and Software 17(5), 913-929). Rows outside A move nothing, exactly. The tolerance
    is not used. A row still changing after 30 steps gets a line search.

    Cost: O(n p^2) once and, per active row and step, ``2 n p`` flops to check the
    margins and O(f^2 p + f^3) for the solution. Memory O(n p K). R must be
    positive: then nothing is ever unresolved.

    Parameters
    ----------
    design : Design
        Rows and their handling.
    y_idx : ndarray of shape (n,)
        Class indices.
    codes : ndarray of shape (n, K)
        Targets +1 and -1 of each of K independent problems.
    cost : ndarray of shape (n, K)
        Weights a of the losses.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    fitted : ndarray of shape (K, p)
        Coefficients that scikit-learn returned.
    """

    link = "margin"

    def __init__(self, design, y_idx, codes, cost, penalty, fitted):
        self.design, self.labels = design, y_idx
        self.codes, self.cost, self.penalty = codes, cost, penalty
        theta = [
            minimise(design.rows, codes[:, k], cost[:, k], penalty, start)
            for k, start in enumerate(fitted)
        ]
        self._set_optimum(np.array(theta), fitted)

    def _displacements(self, step, tol, damping):
        n, p = self.design.rows.shape
        moves = np.zeros((n, len(self.theta), p))
        for k in range(len(self.theta)):
            piece = _Piece(self, k, 0.0 if step == "exact" else damping)
            rows = piece.active
            moves[rows, k] = piece.first_step(rows, step)
            if step == "exact":
                for start in range(0, len(rows), BATCH):
                    batch = rows[start : start + BATCH]
                    moves[batch, k] = piece.refine(batch, moves[batch, k])
        return moves, np.empty(0, dtype=np.intp)

    def _group_displacements(self, masks, step, tol, damping):
        X = self.design.rows
        moves = np.zeros((len(masks), *self.theta.shape))
        for k, theta in enumerate(self.theta):
            piece = _Piece(self, k, 0.0 if step == "exact" else damping)
            for g, mask in enumerate(masks):
                rows = piece.active[mask[piece.active]]
                if not len(rows):
                    continue
                if step == "exact":
                    cost = np.where(mask, 0.0, piece.cost)
                    new = minimise(X, piece.code, cost, self.penalty, theta)
                    moves[g, k] = new - theta
                    continue
                pull = piece.slope[rows] @ X[rows]
                hessian = piece.hessian
                if step == "newton":
                    hessian = hessian - _gram(X[rows], 2 * piece.cost[rows])
                moves[g, k] = sla.solve(hessian, pull, assume_a="pos")
        return moves, np.empty(0, dtype=np.intp)


class _Piece:
    """One problem at its optimum, and the quadratic that it is there."""

    def __init__(self, model, k, damping):
        self.X, self.penalty, self.theta = (
            model.design.rows,
            model.penalty,
            model.theta[k],
        )
        self.code, self.cost = model.codes[:, k], model.cost[:, k]
        self.violation = 1 - self.code * (self.X @ self.theta)
        self.inside = (self.violation > 0) & (self.cost > 0)
        self.active = np.flatnonzero(self.inside)
        self.slope = -2 * self.cost * self.code * self.violation
        self.hessian = np.diag(self.penalty + damping)
        self.hessian += _gram(self.X[self.active], 2 * self.cost[self.active])
        self.lifted = sla.cho_solve(sla.cho_factor(self.hessian), self.X.T).T
        self.leverage = 2 * self.cost * np.einsum("ij,ij->i", self.lifted, self.X)

    def first_step(self, rows, step):
        """Move to the minimiser on this piece, or to first order."""
        scale = self.slope[rows]
        if step != "infinitesimal":
            scale = scale / np.maximum(1 - self.leverage[rows], 1 - HIGH_LEVERAGE)
        return scale[:, None] * self.lifted[rows]

    def refine(self, rows, moves):
        """Follow the active sets from ``moves``, each without one of ``rows``."""
        moves = moves.copy()
        high = self.leverage[rows] > HIGH_LEVERAGE
        lost = list(np.flatnonzero(high))
        # Positions in rows that are not done, and the changes they account for.
        todo = np.flatnonzero(~high)
        known = np.zeros((len(todo), len(self.X)), dtype=bool)
        for _ in range(STEPS):
            margin = moves[todo] @ self.X.T
            margin *= -self.code
            margin += self.violation
            changed = ((margin > 0) != self.inside) & (self.cost > 0)
            changed[np.arange(len(todo)), rows[todo]] = False
            moving = np.flatnonzero((changed != known).any(axis=1))
            todo, known = todo[moving], changed[moving]
            if not len(todo):
                break
            count = known.sum(axis=1)
            large = count > max(64, self.X.shape[1])
            lost.extend(todo[large])
            todo, known, count = todo[~large], known[~large], count[~large]
            order = np.argsort(count, kind="stable")
            todo, known, count = todo[order], known[order], count[order]
            start = 0
            while start < len(todo):
                # padded to the same size, so that one call solves them all
                size = TILE // ((count[start] + 8) * self.X.shape[1] + 1) + 1
                s = slice(start, start + min(size, 64))
                moves[todo[s]] = self._on_pieces(
                    rows[todo[s]], known[s], count[s].max()
                )
                start = s.stop
        lost.extend(todo)
        for j in lost:
            cost = self.cost.copy()
            cost[rows[j]] = 0.0
            start = self.theta + moves[j] if not high[j] else self.theta
            moves[j] = (
                minimise(self.X, self.code, cost, self.penalty, start) - self.theta
            )
        return moves

    def _on_pieces(self, rows, changed, size):
        """Minimise without each of ``rows``, on the piece where ``changed`` rows are
        on the other side."""
        m = len(rows)
        which = np.repeat(rows[:, None], size + 1, axis=1)
        sign = np.zeros((m, size + 1))
        sign[:, 0] = -1.0
        k, j = np.nonzero(changed)
        position = np.arange(len(k)) - np.searchsorted(k, k) + 1
        which[k, position] = j
        sign[k, position] = np.where(self.inside[j], -1.0, 1.0)
        U, lifted = self.X[which], self.lifted[which]
        kernel = np.matmul(U, lifted.transpose(0, 2, 1))
        kernel *= (2 * sign * self.cost[which])[:, :, None]
        kernel += np.eye(size + 1)
        pull = (sign * self.slope[which])[:, :, None]
        coefficient = np.linalg.solve(kernel, pull)
        return -np.matmul(coefficient.transpose(0, 2, 1), lifted)[:, 0]


def minimise(X, code, cost, penalty, theta, max_iter=1000):
    """Minimise by Newton steps between active sets, with a line search.

    Finite: F decreases, so no active set returns, and the step on the last one
    ends at the minimiser.
    """
    raw = X @ theta
    for _ in range(max_iter):
        violation = 1 - code * raw
        active = violation > 0
        A, a = X[active], cost[active]
        value = a @ violation[active] ** 2 + 0.5 * penalty @ theta**2
        gradient = penalty * theta - A.T @ (2 * a * code[active] * violation[active])
        factor = sla.cho_factor(_gram(A, 2 * a) + np.diag(penalty))
        step = -sla.cho_solve(factor, gradient)
        reach = X @ step
        # Rounding alone can move a row across its kink: no further step then.
        if np.abs(reach).max() <= 1e-14 * (1 + np.abs(raw).max()):
            break
        slope, length = gradient @ step, 1.0
        while True:
            new = theta + length * step
            hinge = np.maximum(0.0, 1 - code * (raw + length * reach))
            trial = cost @ hinge**2 + 0.5 * penalty @ new**2
            noise = 1e-14 * value
            if trial <= value + 1e-4 * length * slope + noise or length < 1e-12:
                break
            length *= 0.5
        theta = new
        raw = X @ theta
    return theta


def _gram(X, weight):
    return X.T @ (weight[:, None] * X)
