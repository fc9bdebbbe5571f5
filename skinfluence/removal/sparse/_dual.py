"""The dual form of sparse models: one n x n factorisation, then rows leave.

Its chord steps stand apart from `removal._minimisation` for the reason given in
`smooth._ladder`; here a Hessian of p x p numbers does not even exist.
"""

import numpy as np
import scipy.linalg as sla

from skinfluence._memory import check_memory
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.smooth import _certificate as certificate

# Training rows of a block of the kernel matrix; rows that leave at the same time.
BLOCK, BATCH = 512, 256
# Relative rounding error of one minus leverage from which on a row is solved alone.
ROUGH = 1e-6
# Chord steps after which a row is solved alone.
PASSES = 8


class DualFactor:
    """Inverse of the Cholesky factor of B, in place of the kernel matrix.

    Cost 2/3 n^3 flops and a sparse product; memory 8 n^2 bytes.

    Attributes
    ----------
    leverage : ndarray of shape (n,)
        ``a_i x_i' H^{-1} x_i``.
    h : ndarray of shape (n,)
        ``x_i' H^{-1} x_i``.
    gap : ndarray of shape (n,)
        One minus leverage: ``(B^{-1})_ii``, less the share of a free intercept.
    gap_error : ndarray of shape (n,)
        Bound on the rounding error of ``gap``.
    """

    def __init__(self, inverse):
        self.inverse, self.a = inverse, inverse.a
        self.root = np.sqrt(self.a)
        n = len(self.a)
        check_memory(
            8 * n * n + 16 * n * BLOCK,
            f"The dual form of {n} sparse rows, which leverages need,",
            "Use InfluenceFunctions(step='infinitesimal') on few test rows, or fewer "
            "training rows.",
        )
        matrix, own = self._kernel()
        # LAPACK sees the transpose, whose lower triangle has been filled.
        lower, info = sla.lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        if info:
            raise UnsupportedEstimator(
                "The penalty is so weak, next to the largest weights of sparse rows, "
                "that their kernel is singular to working precision. Use a stronger "
                "penalty, dense rows, or LeaveOneOutInfluence(..., solver='refit')."
            )
        self.lower, info = sla.lapack.dtrtri(lower, lower=1, overwrite_c=1)
        self.inverted = None
        square = np.empty(n)
        for i in range(0, n, BLOCK):  # columns of the factor are rows of its transpose
            part = np.triu(self.lower.T[i : i + BLOCK, i:])
            square[i : i + BLOCK] = np.einsum("ij,ij->i", part, part)
        free = 1 / inverse.total
        self.leverage = np.clip(1 - square, 0.0, 1.0) + self.a * free
        # The second error is that of the row's own entry of the centred kernel: a row
        # that outweighs all others is their mean, and its entry cancels.
        lengths = inverse.X.multiply(inverse.X).sum(axis=1) + inverse.square
        cancelled = np.finfo(np.float64).eps * self.a * lengths / inverse.ridge
        self.gap = square - self.a * free
        self.gap_error = square * (inverse.noise() + square * cancelled)
        # Leverages of rows of hardly any curvature have no digits: a bound instead.
        self.h = own / inverse.ridge + free
        sure = self.leverage > 1e-6
        self.h[sure] = self.leverage[sure] / self.a[sure]
        self.unsure = ~sure

    def _kernel(self):
        """``I + A^{1/2} K A^{1/2} / lambda``, upper triangle, and K's diagonal."""
        inverse, root = self.inverse, self.root
        n = len(root)
        out, own = np.empty((n, n)), np.empty(n)
        for i in range(0, n, BLOCK):
            rows = slice(i, min(i + BLOCK, n))
            block = (inverse.X[rows] @ inverse.XT[:, i:]).toarray()
            block += inverse.square - inverse.shift[rows, None]
            block -= inverse.shift[i:]
            own[rows] = np.einsum("ii->i", block[:, : rows.stop - i])
            block *= (root[rows] / inverse.ridge)[:, None]
            block *= root[i:]
            out[rows, i:] = block
        out[np.diag_indices(n)] += 1.0
        return out, own

    def norms(self, factor):
        """Return h, to absolute errors of its product with ``factor`` of 1e-12."""
        doubtful = self.unsure & (np.abs(factor).max(axis=1) > 1e-3 * self.a)
        doubtful = np.flatnonzero(doubtful)
        h = self.h.copy()
        plain = self.unsure & (self.a > 0)
        h[plain] = self.leverage[plain] / self.a[plain]
        for start in range(0, len(doubtful), BLOCK):
            rows = doubtful[start : start + BLOCK]
            products = self.products(self.inverse.X[rows])
            h[rows] = products[np.arange(len(rows)), rows]
        return h

    def apply(self, v):
        """``B^{-1} v`` for v of shape (n, m), overwritten."""
        if self.inverted is not None:
            return self.inverted @ v
        v = np.asfortranarray(v)
        for transposed in (0, 1):
            v = sla.blas.dtrmm(
                1.0, self.lower, v, lower=1, trans_a=transposed, overwrite_b=1
            )
        return v

    def products(self, rows):
        """``x_t' H^{-1} x_i`` of features of test rows, shape (n_test, n).

        ``K_t - K beta`` with ``beta = A^{1/2} B^{-1} A^{1/2} K_t / lambda`` and the
        product with K in factors: nothing is divided by a curvature.
        """
        inverse = self.inverse
        kernel = (inverse.X @ rows.T).toarray()
        kernel -= inverse.shift[:, None]
        kernel += inverse.square - rows @ inverse.mean
        beta = self.apply(self.root[:, None] * kernel)
        beta *= (self.root / inverse.ridge)[:, None]
        kernel -= inverse.centred_times(inverse.transposed_times(beta))
        kernel /= inverse.ridge
        kernel += 1 / inverse.total
        return kernel.T

    def invert(self):
        """``B^{-1}``, in place of the factor: n^3 / 3 flops more."""
        if self.inverted is None:
            n = len(self.a)
            product, _ = sla.lapack.dlauum(self.lower, lower=1, overwrite_c=1)
            full = product.T  # its upper triangle is filled
            for i in range(0, n, BLOCK):
                rows = slice(i, min(i + BLOCK, n))
                square = np.triu(full[rows, rows])
                full[rows, rows] = square + np.triu(square, 1).T
                full[rows.stop :, rows] = full[rows, rows.stop :].T
            self.inverted, self.lower = full, None
        return self.inverted


class DualLadder:
    r"""Steps to the minimisers without each row, in coordinates of training rows.

    A move is ``H^{-1} X' beta`` with ``beta = t e_i - rho``: it moves the linear
    predictors by ``G beta``, ``G = X H^{-1} X'``. A chord step from there takes rho
    to the Taylor remainders of l' of all other rows and

    .. math:: t = (d_i - a_i (G \rho)_i) / (1 - a_i G_ii)

    until a proven bound (`_certificate`) on the error of the linear predictor is
    below the tolerance. Cost ``2 n^2`` flops per row and step, as products of
    matrices; memory ``16 n^2`` bytes, for B^{-1} and for all beta.

    Parameters
    ----------
    model : SparseModel
        At its optimum, with one output.
    factor : DualFactor
        Of its Hessian.
    """

    def __init__(self, model, factor):
        self.model, self.factor = model, factor
        n = len(factor.a)
        check_memory(
            8 * n * n + 80 * n * BATCH,
            f"Exact leave-one-out of {n} sparse rows",
            "Use InfluenceFunctions(step='newton'), which needs half of it.",
        )
        self.B = factor.invert()
        self.a, self.h = factor.a, factor.h
        self.root = np.sqrt(self.a)
        self.back = np.where(self.a > 0, 1 / np.where(self.a > 0, self.root, 1), 0.0)
        self.free = 1 / factor.inverse.total
        self.weight, self.y = model.weight, model.targets[:, 0]
        self.eta, self.M = model.raw[:, 0], model.pointwise.M
        self.d = model.slope[:, 0]
        self.unit = self.a / np.where(self.weight > 0, self.weight, 1.0)
        self.kappa = np.maximum(factor.gap, 1e-15)
        self.h_max = self.h.max()

    def climb(self, tol):
        """Minimise without each row, to a certified radius of ``tol``.

        Returns
        -------
        beta : ndarray of shape (n, n)
            Row i: the removal of row i.
        own : ndarray of shape (n,)
            Moves of the linear predictor of row i without row i.
        hard : ndarray of int
            Rows that do not contract; their beta is a Newton step.
        """
        n = len(self.a)
        t = self.d / self.kappa
        self.norms = self.factor.norms(t[:, None])
        beta, own = np.zeros((n, n)), t * self.norms
        beta[np.diag_indices(n)] = t
        length = np.abs(t) * np.sqrt(self.h)
        steep = np.abs(self.d) * np.sqrt(self.h / self.kappa)
        slack = self.model.slack / np.sqrt(self.kappa)
        nu = certificate.newton_residual(length, steep, self.h_max, self.M)
        bound = certificate.radius(
            nu + slack, length * np.sqrt(self.h_max), self.kappa, self.h_max, self.M
        )
        rough = ~(self.factor.gap_error <= ROUGH * self.kappa) & (self.weight > 0)
        todo = np.flatnonzero(~(bound <= tol) & (self.weight > 0) & ~rough)
        # Rows that move alike need as many steps.
        todo = todo[np.argsort(length[todo], kind="stable")]
        hard = [np.flatnonzero(rough)]
        for start in range(0, len(todo), BATCH):
            rows = todo[start : start + BATCH]
            hard.append(self._chords(rows, t[rows], beta, own, slack, tol))
        return beta, own, np.concatenate(hard)

    def _predictors(self, rows, t, remainders):
        """Moves ``G (t e_i - rho)`` of all linear predictors, and the next t."""
        product = np.zeros((len(rows), len(self.a)))
        if remainders is not None:
            scaled = remainders * self.back
            product = scaled - scaled @ self.B
            product *= self.back
            product += remainders.sum(axis=1)[:, None] * self.free
            k = np.arange(len(rows))
            t = (self.d[rows] - self.a[rows] * product[k, rows]) / self.kappa[rows]
        column = -self.B[rows]
        column[np.arange(len(rows)), rows] += 1.0
        column *= self.back[rows, None]
        column *= self.back
        column += self.free
        column *= t[:, None]
        return column - product, t

    def _chords(self, rows, t, beta, own, slack, tol):
        """Take chord steps; store results; return rows that do not contract."""
        hard = [rows[:0]]
        moved, _ = self._predictors(rows, t, None)
        before = np.zeros_like(moved)
        previous = np.full(len(rows), np.inf)
        for _ in range(PASSES):
            others = moved.copy()
            k = np.arange(len(rows))
            others[k, rows] = 0.0
            zeta = np.abs(np.where(self.weight > 0, others, 0.0)).max(axis=1)
            rho = self.weight * self.model.pointwise.remainder(
                self.eta, self.y, self.unit, others
            )
            new, new_t = self._predictors(rows, t, rho)
            change, step = rho - before, new - moved
            change[k, rows] = t - new_t
            # |step|^2 in the metric of B_i; what the sum rounds is added
            terms = -change * step
            square = terms.sum(axis=1) - self.a[rows] * step[k, rows] ** 2
            square += 1e-14 * np.abs(terms).sum(axis=1)
            nu = np.sqrt(np.maximum(square, 0.0))
            bad = (nu > previous / 2) & (nu > 1e-14)
            bad |= (zeta > 1) | ~np.isfinite(nu)
            after, further = certificate.chord_residual(
                nu, zeta, self.kappa[rows], self.h_max, self.M
            )
            bound = certificate.radius(
                after + slack[rows], further, self.kappa[rows], self.h_max, self.M
            )
            done = ~bad & (bound <= tol)
            beta[rows[done]] = -rho[done]
            beta[rows[done], rows[done]] = new_t[done]
            # its own move needs the digits that its leverage may not have
            rough = (1 - self.B[rows, rows]) * self.back[rows] ** 2 + self.free
            exact = new[k, rows] + (self.norms[rows] - rough) * new_t
            own[rows[done]] = exact[done]
            hard.append(rows[bad])
            left = ~bad & ~done
            rows, t, previous = rows[left], new_t[left], nu[left]
            if not len(rows):
                return np.concatenate(hard)
            moved, before = new[left], rho[left]
        return np.concatenate([*hard, rows])

    def beta_of(self, i, moved):
        """Coordinates of a removal of row i that moves all predictors by ``moved``."""
        rho = self.weight * self.model.pointwise.remainder(
            self.eta, self.y, self.unit, moved
        )
        beta = -rho
        beta[i] = self.d[i] + self.a[i] * moved[i]
        return beta
