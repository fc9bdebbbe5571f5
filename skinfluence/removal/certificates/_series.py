"""Gradients without rows by Taylor series: no pass over the rows for a removal.

At a move u the slopes of the losses have changed by ``a_j t_j + c_j t_j^2 / 2 + ...``
with ``t_j = z_j'u``. Sums of the first terms over all rows are the Hessian, applied to
u, and those of the second the tensor of third derivatives, applied to u twice: built
once, O(n p^2) and O(n p^3), then O(p^2) and O(p^3) for each move. What is left out is
at most ``psi2(M zeta) |u|`` or ``psi3(M zeta) |u|`` long (`smooth._certificate`), since
``|sum_j v_j z_j|^2 <= sum_j v_j^2 / a_j``.
"""

import numpy as np

from skinfluence.removal.certificates._rounding import EPS
from skinfluence.removal.smooth._certificate import psi2, psi3
from skinfluence.removal.smooth._newton import hessians, pair_products, row_chunks

# Products of columns times rows times columns up to which a tensor is worth its cost.
_AFFORDABLE = 1e10


class Series:
    """Gradients of the objective without sets of rows, at moves.

    Parameters
    ----------
    problem : Problem
        Of all rows.
    removed : Removed
        The sets.
    base : Point
        Where the moves start.
    d, a : ndarray of shape (n,)
        Weighted first and second derivatives of the losses there.
    """

    def __init__(self, problem, removed, base, d, a):
        self.rows, self.removed, self.base = problem.design.rows, removed, base
        self.M, self.d, self.a = problem.pointwise.M, d, a
        self.hessian = hessians(self.rows, a[None])[0]
        third = problem.pointwise.derivatives(base.raw, problem.y)[2]
        self.c = np.where(problem.weight > 0, problem.weight * third, 0.0)
        self.tensor = None

    @property
    def has_second_order(self):
        """Whether the tensor is worth its cost."""
        n, p = self.rows.shape
        return self.M > 0 and (p * p <= 2 * n or n * p**3 <= _AFFORDABLE)

    def _build(self):
        """Tensor of third derivatives, of scaled rows, from pairs to vectors."""
        Z, p = self.rows / self.base.metric.size, self.rows.shape[1]
        first, second = np.triu_indices(p)
        self.tensor = np.zeros((len(first), p))
        for part in row_chunks(len(Z), len(first)):
            self.tensor += pair_products(Z[part]).T @ (self.c[part, None] * Z[part])
        self.tensor *= np.where(first == second, 1.0, 2.0)[:, None]
        self.largest = np.abs(Z).max(axis=0, initial=0.0)

    def gradients(self, moves, order):
        """Changes of gradients, the penalties' left out, and how far they are off.

        Parameters
        ----------
        moves : ndarray of shape (m, p)
        order : {1, 2}
            Terms of the series.

        Returns
        -------
        gradient : ndarray of shape (m, p)
            Including the terms that leave with the rows of each set.
        zeta : ndarray of shape (m,)
            Largest moves of predictors.
        dropped : ndarray of shape (m,)
            Bounds of the lengths of the remainders.
        """
        removed, metric = self.removed, self.base.metric
        row, X = removed.row, self.rows
        along = np.einsum("ij,ij->i", X[row], moves[removed.member])
        own = self.d[row] + self.a[row] * along
        gradient = moves @ self.hessian
        scaled = moves * metric.size
        total = np.abs(scaled).sum(axis=1)
        length = np.linalg.norm(scaled @ metric.lower, axis=1)
        length = (length + 4 * len(metric.size) * EPS * total) * np.sqrt(
            1 + metric.slack
        )
        zeta = length * self.base.reach
        # the rows that left have no remainder
        left = length**2 - removed.sums(self.a[row] * along**2)
        inside = np.sqrt(np.maximum(left, 0.0) + 1e-12 * length**2)
        psi = psi2 if order == 1 else psi3
        with np.errstate(over="ignore", invalid="ignore"):
            dropped = psi(self.M * zeta) * np.minimum(inside, length)
        # rounding of the Hessian's sums
        dropped += metric.units * metric.unit * total
        if order == 2:
            own = own + self.c[row] * along**2 / 2
            if self.tensor is None:
                self._build()
            for part in row_chunks(len(moves), len(self.tensor)):
                square = pair_products(scaled[part]) @ self.tensor
                gradient[part] += square * metric.size / 2
            n, p = X.shape
            noise = 4 * (n + 4 * p * p) * EPS * metric.unit * self.M
            dropped += noise * (np.abs(scaled) @ self.largest) * total
        gradient -= removed.sums(own[:, None] * X[row])
        return gradient, zeta, dropped

    def step(self, gradient, gap):
        """Solve for the moves that the gradients of single rows ask for.

        ``gap`` is one minus the leverage of each row.
        """
        inverse = self.base.metric.inverse / self.base.metric.size
        z = self.rows @ inverse.T
        v = gradient @ inverse.T
        factor = self.a / gap * np.einsum("ij,ij->i", z, v)
        return (v + factor[:, None] * z) @ inverse
