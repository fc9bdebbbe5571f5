r"""Inner products of sparse rows in the metric of an inverse Hessian.

The Hessian is ``H = X' A X + R`` with A diagonal, R uniform over features, X sparse
and too wide for p x p numbers. Two ways to apply its inverse:

*Matrix-free.* Conjugate gradients with the diagonal as preconditioner: about 25
products with X and its transpose per right-hand side, no memory.

*Dual.* With ``K = X X'`` and ``B = I + A^{1/2} K A^{1/2} / lambda``,

.. math:: H^{-1} = (I - X' A^{1/2} B^{-1} A^{1/2} X / \lambda) / \lambda

so that one n x n factorisation answers all right-hand sides and gives all
leverages ``1 - (B^{-1})_ii``.

An intercept without penalty is block diagonal once the columns are centred by their
means under A; one with a penalty is a column of a suitable constant.
"""

import copy
import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from skinfluence._memory import check_memory
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.sparse._dual import DualFactor

# Residual of a solve over its right-hand side, in the norm of the preconditioner.
TOLERANCE = 1e-12
# Seconds per element of a sparse product and per flop of a dense factorisation, and
# steps of a solve as long as there was none: for the choice between the ways only.
SPARSE, FLOP, STEPS = 1.2e-9, 2.2e-11, 20
# Test rows of a block of solutions.
TESTS = 128
# Relative rounding errors of the dual form from which on it is refused.
NOISE = 1e-8


class InverseHessian:
    """Inverse of ``X' A X + R`` for sparse X.

    Parameters
    ----------
    rows : sparse array of shape (n, p)
        Design matrix; the last column is of ones if there is an intercept.
    curvature : ndarray of shape (n,)
        Diagonal of A.
    penalty : ndarray of shape (p,)
        Diagonal of R: positive and the same for all features.
    intercept : bool
        Whether the last column is an intercept, with a penalty of its own.
    center : ndarray of shape (p - 1,), default=None
        Origin of the features where the intercept is penalised.
    """

    def __init__(self, rows, curvature, penalty, intercept, center=None):
        self.ridge = penalty[0]
        self.scale = np.ones(rows.shape[1])
        self.free = bool(intercept and penalty[-1] == 0)
        if intercept and not self.free:
            self.scale[-1] = np.sqrt(self.ridge / penalty[-1])
        self.center = np.zeros(rows.shape[1])
        if center is not None:
            self.center[:-1] = center
        self.X = self.features(rows)
        self.XT = self.X.T.tocsr()
        self.XT2 = self.XT.multiply(self.XT).tocsr()
        self._set_curvature(curvature)

    def _set_curvature(self, curvature):
        self.a, self.dual, self.solves, self.steps = curvature, None, 0, 0
        sums, total = self.XT @ curvature, curvature.sum()
        self.total = total if self.free else np.inf
        self.mean = sums / total if self.free else self.center
        squares = self.XT2 @ curvature + self.mean * (total * self.mean - 2 * sums)
        self.shift, self.square = self.X @ self.mean, self.mean @ self.mean
        self.diagonal = np.maximum(squares, 0.0) + self.ridge

    def reweighted(self, curvature):
        """Return the inverse for another A."""
        other = copy.copy(self)
        other._set_curvature(curvature)
        return other

    def features(self, rows):
        """Rows without the column of a free intercept, else with a scaled one."""
        if self.free:
            return sp.csr_array(rows[:, :-1])
        return sp.csr_array(rows.multiply(self.scale))

    def centred_times(self, w):
        """Centred rows times a vector or matrix."""
        return self.X @ w - self.mean @ w

    def transposed_times(self, v):
        """Transpose of the centred rows times a vector or matrix."""
        return self.XT @ v - np.multiply.outer(self.mean, v.sum(axis=0))

    # ------------------------------------------------------------ matrix-free

    def solve(self, g, tolerance=TOLERANCE):
        """``H^{-1} g`` for g of shape (p,), by conjugate gradients."""
        if not self.free:
            g = self.scale * (g - self.center * g[-1])
            v = self.scale * self._conjugate_gradients(g, tolerance)
            v[-1] -= self.center @ v
            return v
        w = self._conjugate_gradients(g[:-1] - self.mean * g[-1], tolerance)
        return np.append(w, g[-1] / self.total - self.mean @ w)

    def _conjugate_gradients(self, g, tolerance):
        self.solves += 1
        x, r = np.zeros_like(g), g.copy()
        z = r / self.diagonal
        p, rz = z.copy(), r @ z
        target = tolerance**2 * rz
        for _ in range(10_000):
            if not rz > target:
                return x
            self.steps += 1
            q = self.transposed_times(self.a * self.centred_times(p))
            q += self.ridge * p
            length = rz / (p @ q)
            x += length * p
            r -= length * q
            np.divide(r, self.diagonal, out=z)
            rz, before = r @ z, rz
            p *= rz / before
            p += z
        warnings.warn(
            f"Conjugate gradients stopped at a relative residual of "
            f"{tolerance * np.sqrt(rz / target):.1g} instead of {tolerance:.1g}: the "
            "penalty is very weak.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return x

    # ------------------------------------------------------------------- dual

    def factorise(self):
        """Build the dual form, unless it is there."""
        if self.dual is None:
            if self.noise() > NOISE:
                raise UnsupportedEstimator(
                    "The penalty is so weak that leverages of sparse rows would have "
                    f"relative errors of {self.noise():.0e}. Use a stronger penalty, "
                    "dense rows, or LeaveOneOutInfluence(..., solver='refit')."
                )
            self.dual = DualFactor(self)
        return self.dual

    def _dual_pays(self, n_solves):
        """Whether factorising would have been cheaper than all solves so far."""
        n = len(self.a)
        steps = self.steps / self.solves if self.solves else STEPS
        by_solves = 2 * SPARSE * steps * (self.X.nnz + sum(self.X.shape))
        try:
            check_memory(1.5 * 8 * n * n, "", "")
        except MemoryError:
            return False
        cost = (self.solves + n_solves) * by_solves
        return cost > FLOP * 2 / 3 * n**3 and self.noise() <= NOISE

    def noise(self):
        """Relative rounding errors of the dual form: eps times its largest value."""
        root, largest = np.sqrt(self.a), 0.0
        v = np.random.default_rng(0).standard_normal(len(root))
        for _ in range(20):  # power iteration
            v /= np.linalg.norm(v) or 1.0
            v = root * self.centred_times(self.transposed_times(root * v))
            largest = np.linalg.norm(v) / self.ridge
        return np.finfo(np.float64).eps * largest

    def products(self, rows):
        """``x_t' H^{-1} x_i`` of any rows with all training rows, (n_test, n)."""
        out = np.empty((rows.shape[0], len(self.a)))
        for start in range(0, len(out), TESTS):
            part = slice(start, min(start + TESTS, len(out)))
            if self.dual is None and not self._dual_pays(len(out) - start):
                for t in range(part.start, part.stop):
                    out[t] = self.times(self.solve(rows[[t]].toarray()[0]))
            else:
                features = self.features(rows[part])
                out[part] = self.factorise().products(features)
        return out

    def times(self, v):
        """Training rows of the design matrix times v."""
        if not self.free:
            return self.X @ (v / self.scale)
        return self.X @ v[:-1] + v[-1]

    def lift(self, beta):
        """``H^{-1} X' beta``, shape (m, p), for beta of shape (m, n)."""
        out = np.empty((len(beta), len(self.scale)))
        for k, b in enumerate(beta):
            g = self.XT @ b
            g = np.append(g, b.sum()) if self.free else g / self.scale
            out[k] = self.solve(g)
        return out
