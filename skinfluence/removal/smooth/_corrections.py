"""Corrections of Newton steps by tensors of derivatives: no pass over the rows.

Without row i the minimiser solves ``u = u1 - B_i^{-1} sum_{j != i} r_j(z_j'u) z_j``
with u1 the Newton step and r the Taylor remainder of l'. Sums of powers of ``z_j'u``
are tensors of the rows applied to u: built once, O(n p^3) for the square and O(n p^4)
for the cube, then O(p^3) and O(p^4) for each removed row, whatever the number of rows.
"""

from collections import deque

import numpy as np

from skinfluence._threads import in_threads
from skinfluence.removal.smooth import _certificate as certificate
from skinfluence.removal.smooth._newton import pair_products, row_chunks


def triple_products(Z):
    """Products z_a z_b z_c, a <= b <= c, of every row, (n, p (p + 1) (p + 2) / 6)."""
    p, pairs = Z.shape[1], pair_products(Z)
    out = np.empty((len(Z), p * (p + 1) * (p + 2) // 6))
    start = tail = 0
    for a in range(p):  # pairs of what comes from a on are the last ones
        width = pairs.shape[1] - tail
        np.multiply(Z[:, a : a + 1], pairs[:, tail:], out=out[:, start : start + width])
        start, tail = start + width, tail + p - a
    return out


def _pair_orders(p):
    """How many orders the factors of each pair have."""
    a, b = np.triu_indices(p)
    return np.where(a == b, 1.0, 2.0)


def _triple_orders(p):
    """How many orders the factors of each triple have."""
    a, b = np.triu_indices(p)
    triples = []
    for k in range(p):
        later = a >= k
        equal = (a[later] == k).astype(int) + (a[later] == b[later])
        triples.append(np.array([6.0, 3.0, 1.0])[equal])
    return np.concatenate(triples)


PRODUCTS = pair_products, triple_products
_ORDERS = _pair_orders, _triple_orders


def tensor(Z, coefficients, order):
    """``sum_j coefficients_j z_j ... z_j``, as a matrix from products to vectors.

    ``order`` counts tensors: 0 for that of squares of moves, 1 for that of cubes.
    """
    products, orders = PRODUCTS[order], _ORDERS[order](Z.shape[1])
    out = np.zeros((len(orders), Z.shape[1]))

    def of_rows(rows):
        return products(Z[rows]).T @ (coefficients[rows, None] * Z[rows])

    for part in in_threads(of_rows, row_chunks(len(Z), len(orders))):
        out += part
    return orders[:, None] * out


class Corrections:
    """Corrected steps of a `Ladder`.

    Parameters
    ----------
    ladder : Ladder
        At the base.
    slack : ndarray of shape (n,)
        Gradient of the base, nearly zero, in the metric without each row.
    tensors : list of ndarray, default=()
        Those of all rows, see `tensor`, where the base has some rows only.
    """

    def __init__(self, ladder, slack, tensors=()):
        self.ladder, self.base, self.slack = ladder, ladder.base, slack
        self.tensors = list(tensors)

    def correct(self, u, todo, tol):
        """Correct some rows in place; return those that are not certified yet.

        By the square (Halley's method), then, where it certifies so many rows that
        it costs less than passes over all rows for them, by the cube.
        """
        base = self.base
        n, p = base.Z.shape
        series = self.ladder.series
        self.tensors = [tensor(base.Z, series[0], 0)]
        first = u[todo]
        left, helped = self.step(u, first, todo, tol)
        worth = np.flatnonzero(helped)
        if p * (p + 1) * (p + 2) // 6 * (n + len(worth)) > n * len(worth):
            return todo[left]
        self.tensors.append(tensor(base.Z, series[1], 1))
        again, _ = self.step(u, first[worth], todo[worth], tol)
        left[worth] = again
        return todo[left]

    def step(self, u, first, todo, tol):
        """Take one step of the order of the tensors, in place.

        Parameters
        ----------
        u : ndarray of shape (n, p)
            Moves of all rows, to be corrected.
        first : ndarray of shape (m, p)
            Newton steps of those that are.
        todo : ndarray of int of shape (m,)
            Which these are.
        tol : float
            Largest certified radius.

        Returns
        -------
        left, helped : ndarray of bool of shape (m,)
            Which are not certified, and which of them the cube would help.
        """
        left, helped = np.ones((2, len(todo)), dtype=bool)

        def step(chunk):
            rows = todo[chunk]
            start = u[rows]
            shift = first[chunk] - self.ladder.solve(rows, self._sums(rows, start))
            shift -= start
            length = np.linalg.norm(start, axis=1)
            change = np.linalg.norm(shift, axis=1)
            # A correction longer than half the step it corrects is no correction.
            trust = change < length / 2
            u[rows[trust]] += shift[trust]
            norm = np.linalg.norm(start + shift, axis=1)
            order = len(self.tensors) + 1
            bound = self._bound(rows, length, norm, change, order)
            left[chunk] = ~(trust & (bound <= tol))
            # The next step is much shorter.
            ahead = self._bound(rows, norm, norm, 0.0 * change, 3)
            helped[chunk] = left[chunk] & trust & (ahead <= tol)

        chunks = row_chunks(len(todo), max(map(len, self.tensors)))
        deque(in_threads(step, chunks), maxlen=0)
        return left, helped

    def _sums(self, rows, u):
        """Sums over the other rows, to the order of the tensors."""
        base, z = self.base, self.base.Z[rows]
        along = np.einsum("ij,ij->i", z, u)
        total = np.zeros_like(u)
        for k, matrix in enumerate(self.tensors):
            total += PRODUCTS[k](u) @ matrix
            own = self.ladder.series[k][rows]
            total -= (own * along ** (k + 2))[:, None] * z
        if self.ladder.excess is not None:
            total += base.excess_gradient(self.ladder.excess[rows], u @ base.root)
        return total

    def _bound(self, rows, length, norm, change, order):
        """Certified radius after a step of length ``change`` from ``length``."""
        ladder = self.ladder
        floor = ladder.floor[rows]
        nu = certificate.correction_residual(
            length, norm, change, ladder.h_max, ladder.M, order
        )
        nu = (nu + ladder.uneven[rows] * change) / np.sqrt(floor)
        zeta = norm * np.sqrt(ladder.h_max)
        kappa = ladder.kappa[rows] * floor
        slack = self.slack[rows] / np.sqrt(floor)
        return certificate.radius(nu + slack, zeta, kappa, ladder.h_max, ladder.M)
