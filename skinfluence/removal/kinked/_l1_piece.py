"""One L1-penalised quadratic, and its minimisers without single rows."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal.kinked._l1 import ROUNDING, padded_batches, violation
from skinfluence.removal.linear._penalty import sums_without

# Steps between sets of signs before a row is given to the solver of one problem.
STEPS = 30
# Changes of signs beyond which factorising anew is cheaper than bordering.
CHANGES = 256
# Share of a row's or column's square that others must leave for it to be unique.
DEPENDENT = 1e-9


class Piece:
    """One output at the optimum for a share of the penalty, and its quadratic."""

    def __init__(self, model, k, share, damping):
        self.model, self.k = model, k
        self.X, self.weight, self.free = model.design.rows, model.weight, model.free
        self.gram, self.l1, self.l2 = model.gram, model.l1, model.l2
        theta = model.theta[k]
        base = model.minimise(k, np.empty(0, dtype=np.intp), share, theta)
        self.theta, self.share = (theta, 1.0) if base is None else (base, share)
        self.left = sums_without(self.weight) / self.weight.sum()
        self.residual = model.targets[:, k] - self.X @ self.theta
        self.slope = -(self.X.T @ (self.weight * self.residual))
        self.sign = np.where(self.free, 0.0, np.sign(self.theta))
        self.A = A = np.flatnonzero((self.sign != 0) | self.free)
        size = np.abs(self.gram[:, A]) @ np.abs(self.theta[A])
        size += np.abs(model.moment[k])
        self.noise = 10 * ROUNDING * (size + self.l1)
        self.pull = (self.l2 * self.theta + self.l1 * self.sign)[A]
        # Coordinates where the Hessian is the identity, and diagonal for any share.
        hessian = self.gram[np.ix_(A, A)] + np.diag(self.share * self.l2[A] + damping)
        factor = np.linalg.cholesky(hessian)
        self.vectors = np.eye(len(A))
        if len(A):  # scipy 1.10 raises for empty matrices
            self.vectors = sla.solve_triangular(factor, self.vectors, lower=True).T
        self.stretch = np.zeros(len(A))
        if self.l2.any():
            scaled = self.vectors.T @ (self.l2[A][:, None] * self.vectors)
            self.stretch, rotation = np.linalg.eigh(scaled)
            self.vectors = self.vectors @ rotation
        self.rotated = self.X[:, A] @ self.vectors
        # Borders by number: rows, columns that enter, coefficients that leave, none.
        p = len(self.theta)
        self.table = np.zeros((len(self.X) + 2 * p + 1, len(A)))
        self.table[: len(self.X)] = self.rotated
        self.table[len(self.X) :][:p] = self.gram[:, A] @ self.vectors
        self.table[len(self.X) + p + A] = self.vectors

    def _inverse(self, rows):
        """Inverse eigenvalues of the Hessian for each row's share."""
        change = self.left[rows] - self.share
        return 1 / np.maximum(1 + np.outer(change, self.stretch), DEPENDENT)

    def _gradient(self, rows):
        """Gradient without each row at the base, on A, rotated."""
        grad = (self.weight * self.residual)[rows, None] * self.rotated[rows]
        return grad + np.outer(self.left[rows] - self.share, self.pull @ self.vectors)

    def newton_step(self, rows, refuse_dependent=False):
        """Minimise without each row while signs hold.

        ``refuse_dependent`` makes rows without a minimiser there NaN: `_alone`.
        """
        inverse, z = self._inverse(rows), self.rotated[rows]
        u = inverse * self._gradient(rows)
        lifted = inverse * z
        kept = 1 - self.weight[rows] * np.einsum("ij,ij->i", lifted, z)
        factor = self.weight[rows] * np.einsum("ij,ij->i", z, u)
        if refuse_dependent:
            kept = np.where(kept > DEPENDENT, kept, np.nan)
        u += (factor / np.maximum(kept, DEPENDENT))[:, None] * lifted
        return self._moves(u)

    def first_order_step(self, rows):
        """Move without each row to first order."""
        return self._moves(self._gradient(rows))

    def _moves(self, u):
        moves = np.zeros((len(u), len(self.theta)))
        moves[:, self.A] = -u @ self.vectors.T
        return moves

    def refine(self, rows, moves):
        """Follow the signs from ``moves`` to the minimisers without each of ``rows``.

        Returns
        -------
        moves : ndarray of shape (n_rows, p)
            Moves from the base.
        failed : ndarray of int
            Positions of rows without a unique minimiser.
        """
        moves, failed = moves.copy(), []
        todo = np.arange(len(rows))
        signs = np.repeat(self.sign[None], len(rows), axis=0)
        lost = []
        for _ in range(STEPS):
            new, fine = self._next(rows[todo], moves[todo], signs[todo])
            stuck = ~fine & (new == signs[todo]).all(axis=1)
            lost.extend(todo[stuck])
            go = ~fine & ~stuck
            todo, new = todo[go], new[go]
            if not len(todo):
                break
            signs[todo] = new
            count = ((new != 0) != (self.sign != 0)).sum(axis=1)
            large = count > CHANGES
            lost.extend(todo[large])
            todo, count = todo[~large], count[~large]
            order = np.argsort(count, kind="stable")
            todo, count = todo[order], count[order]
            for batch in padded_batches(count, len(self.A)):
                s = todo[batch]
                moves[s] = self._on_pieces(rows[s], signs[s])
        else:
            lost.extend(todo)
        for j in lost:
            new = self._alone(rows[j])
            if new is None:
                failed.append(j)
            else:
                moves[j] = new - self.theta
        return moves, np.asarray(failed, dtype=np.intp)

    def _next(self, rows, moves, signs):
        """Signs that the optimality conditions ask for, and where they all hold."""
        share = self.left[rows, None]
        theta = self.theta + moves
        own = self.residual[rows] - np.einsum("ij,ij->i", self.X[rows], moves)
        used = np.flatnonzero(moves.any(axis=0))
        grad = moves[:, used] @ self.gram[used]
        grad += self.slope
        grad += (self.weight[rows] * own)[:, None] * self.X[rows]
        grad += share * (self.l2 * theta)
        inside = (signs != 0) | self.free
        leave = signs * theta < 0
        slack = violation(grad, share * self.l1, self.model.positive)
        enter = ~inside & (slack > self.noise)
        new = np.where(leave, 0.0, np.where(enter, -np.sign(grad), signs))
        grad += share * self.l1 * signs
        settled = np.abs(np.where(inside, grad, 0.0)) <= 10 * self.noise
        fine = np.isfinite(moves).all(axis=1) & settled.all(axis=1)
        return new, fine & (new == signs).all(axis=1)

    def _on_pieces(self, rows, signs):
        """Minimise without each of ``rows``, signs held.

        The removed row, columns that enter and coefficients that leave are borders
        of the Hessian on A; a Schur complement of their number is solved.
        """
        m, n, p, A = len(rows), len(self.X), len(self.theta), self.A
        inverse, share, grad = (
            self._inverse(rows),
            self.left[rows],
            self._gradient(rows),
        )
        base, inside = self.sign != 0, signs != 0
        flips = np.where(base & inside, signs - self.sign, 0.0)[:, A]
        grad += (share[:, None] * self.l1[A] * flips) @ self.vectors
        j, column = np.nonzero(base != inside)
        slot = np.arange(len(j)) - np.searchsorted(j, j) + 1
        size = slot.max(initial=0) + 1
        enters = inside[j, column]
        which = np.full((m, size), n + 2 * p)
        which[:, 0] = rows
        which[j, slot] = n + column + np.where(enters, 0, p)
        corner = np.zeros((m, size, size))
        diagonal = np.arange(size)
        corner[:, diagonal, diagonal] = which == n + 2 * p
        corner[:, 0, 0] = 1 / self.weight[rows]
        right = np.zeros((m, size))
        right[j[~enters], slot[~enters]] = -self.theta[column[~enters]]
        moves = np.zeros((m, p))
        moves[j[~enters], column[~enters]] = -self.theta[column[~enters]]
        j, slot, column = j[enters], slot[enters], column[enters]
        x = self.X[rows[j], column]
        corner[j, 0, slot] = corner[j, slot, 0] = x
        entering = np.zeros((m, size), dtype=bool)
        entering[j, slot] = True
        pairs = np.where(entering, which - n, 0)
        corner += np.where(
            entering[:, :, None] & entering[:, None],
            self.gram[pairs[:, :, None], pairs[:, None]],
            0.0,
        )
        corner[j, slot, slot] += share[j] * self.l2[column]
        right[j, slot] = -(
            self.slope[column]
            + (self.weight * self.residual)[rows[j]] * x
            + share[j] * self.l1[column] * signs[j, column]
        )
        borders = self.table[which]
        lifted = borders * inverse[:, None]
        kernel = corner - np.matmul(lifted, borders.transpose(0, 2, 1))
        right += np.matmul(lifted, grad[:, :, None])[:, :, 0]
        try:
            inner = np.linalg.inv(kernel)
        except np.linalg.LinAlgError:  # one of them has no unique minimiser
            return np.full((m, p), np.nan)
        nu = np.matmul(inner, right[:, :, None])[:, :, 0]
        # One over an inverse's diagonal is what the others leave of a pivot.
        with np.errstate(divide="ignore", invalid="ignore"):
            left = 1 / np.einsum("mqq->mq", inner)
        entering[:, 0] = True
        whole = np.einsum("mqq->mq", corner)
        nu[(entering & ~(left > DEPENDENT * whole)).any(axis=1)] = np.nan
        u = inverse * grad + np.matmul(nu[:, None], lifted)[:, 0]
        kept = np.where(inside | self.free, 1.0, 0.0)[:, A]
        moves[:, A] += np.where(kept, -u @ self.vectors.T, 0.0)
        moves[j, column] = nu[j, slot]
        return moves

    def _alone(self, row):
        """Minimise without one row, by itself."""
        rows = np.array([row])
        return self.model.minimise(self.k, rows, self.left[row], self.theta)
