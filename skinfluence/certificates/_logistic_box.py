r"""Bounds of the effect of any k removals or flips on binary logistic regression.

In coordinates in which the Hessian at the optimum is the identity, with rows z_j, the
model after k changes S is u away, and exactly

    u + sum_j rem_j(z_j'u) z_j = sum_{i in S} f_i z_i,

where rem is the Taylor remainder of the slope of the loss; ``f_i`` is that slope at
the new model for a removal, and ``s_i (1 - 2 y_i)`` for a flip. Its sign is that of
``1 - 2 y_i``, and ``|f_i| <= E_i``. If ``|z_j'u| <= zeta_j`` for all rows then
``|u| <= D = Q / phi(max zeta)`` with ``Q >= max_S |sum_S E_i z_i|`` and
``phi(z) = (1 - e^{-z}) / z``, and

    |z_j'u| <= min(|z_j| D, T_j + (C1_j / 2 + C2_j psi(z) / z) D^2),

T_j the larger sum of the k largest ``E_i (+-z_j'z_i)_+``, ``C1_j`` and ``C2_j`` the
spectral norms of ``Z' diag(l''' g) Z`` and ``Z' diag(l'' |g|) Z`` with ``g = Z z_j``,
``psi(z) = (e^z - 1 - z - z^2/2) / z``. If the right side is below zeta for every row,
then it holds for every S of k changes: made little by little, they start inside the
box and cannot leave it. Of more than `LARGEST` rows, whose n x n products are too many,
``|z_j| D`` alone is taken for training rows: the box is larger, so that one is found
for fewer changes.
"""

import numpy as np
import scipy.linalg as sla
from scipy.special import expit

from skinfluence.certificates._largest import sum_of_largest

# Relative slack of all inequalities: the base is polished to rounding.
SLACK = 1e-7
# Multiplications up to which spectral norms are computed, and not bounded by largest
# entries.
AFFORDABLE = 4e9
MOST_ITERATIONS = 60
# Products of pairs of columns of all rows up to which they are held.
MOST_PRODUCTS = 2**24
# Training rows up to which passes over their n x n products take some seconds.
LARGEST = 2000
LARGEST_BOX = 15.0


class LogisticBox:
    """Bounds on what k changes do to the linear predictor of a logistic model.

    Parameters
    ----------
    model : Smooth
        Of two classes, at its optimum.
    change : {"removal", "label_flip"}
    """

    def __init__(self, model, change):
        X, self.change = model.design.rows, change
        n, p = X.shape
        eta = X @ model.theta[0]
        _, curvature, third = model.pointwise.derivatives(eta, model.y)
        self.a, self.l3 = model.weight * curvature, model.weight * third
        hessian = (X.T * self.a) @ X + np.diag(model.penalty)
        self._root = np.linalg.cholesky(hessian)
        self.Z = self.whitened(X)
        self.weight, self.sign = model.weight, 1.0 - 2.0 * model.y
        self.margin = -self.sign * eta
        self._norm = np.sqrt(np.einsum("ij,ij->i", self.Z, self.Z))
        self.gram = None
        if n <= LARGEST:
            self.gram = self.Z @ self.Z.T
            self._curved = self._curvatures(self.gram)
        self._known = {}

    def whitened(self, X):
        """Rows in coordinates in which the Hessian is the identity."""
        return sla.solve_triangular(self._root, X.T, lower=True).T

    def _curvatures(self, pulls):
        """``C1`` and ``C2`` of functionals with pulls of shape (m, n)."""
        n, p = self.Z.shape
        if float(len(pulls)) * n * p * p > AFFORDABLE:
            # Z' diag(a) Z is at most the identity, and |l'''| at most a.
            largest = np.abs(pulls).max(axis=1)
            return largest, largest
        out = np.empty((2, len(pulls)))
        if n * p * p > MOST_PRODUCTS:
            for which, weights in enumerate((pulls * self.l3, np.abs(pulls) * self.a)):
                for t, own in enumerate(weights):
                    values = np.linalg.eigvalsh((self.Z.T * own) @ self.Z)
                    out[which, t] = np.abs(values).max()
            return out
        size = max(1, int(2**22 // max(n, p * p)))
        products = np.einsum("ij,ik->ijk", self.Z, self.Z).reshape(n, p * p)
        for start in range(0, len(pulls), size):
            part = slice(start, start + size)
            for which, weights in enumerate(
                (pulls[part] * self.l3, np.abs(pulls[part]) * self.a)
            ):
                matrices = (weights @ products).reshape(-1, p, p)
                values = np.linalg.eigvalsh(matrices)
                out[which, part] = np.abs(values).max(axis=1)
        return out

    def _strength(self, zeta):
        """``E`` inside a box."""
        if self.change == "label_flip":
            return self.weight
        return self.weight * expit(zeta - self.margin)

    def _length(self, E, k):
        """Bound the length of the sum of any k of ``E_i z_i``."""
        sizes = sum_of_largest(E * self._norm, k)
        scaled = self.Z * E[:, None]
        spectral = k * np.linalg.eigvalsh(scaled.T @ scaled)[-1]
        if self.gram is None:
            return min(sizes, np.sqrt(spectral))
        inner = np.abs(self.gram) * np.outer(E, E)
        own = np.diag(inner).copy()
        np.fill_diagonal(inner, 0.0)
        pairs = sum_of_largest(own + sum_of_largest(inner, k - 1), k)
        return min(sizes, np.sqrt(min(pairs, spectral)))

    def box(self, k):
        """Return zeta and D for k changes, or None where no box is known."""
        if k not in self._known:
            self._known[k] = self._box(k)
        return self._known[k]

    def _box(self, k):
        zeta = np.zeros(len(self.Z))
        for _ in range(MOST_ITERATIONS):
            E = self._strength(zeta)
            length = self._length(E, k) / _phi(zeta.max())
            moves = self._norm * length
            if self.gram is not None:
                pulls = self.gram * E * self.sign
                toward = sum_of_largest(np.maximum(pulls, 0.0), k)
                away = sum_of_largest(np.maximum(-pulls, 0.0), k)
                bent = self._remainder(self._curved, zeta.max(), length)
                moves = np.minimum(np.maximum(toward, away) + bent, moves)
            if np.all(moves < zeta * (1 - SLACK)):
                return zeta, length
            # Slightly outside of what is needed; rows of weight zero need some room.
            zeta = np.maximum(zeta, 1.02 * moves + 1e-9)
            if not zeta.max() < LARGEST_BOX:
                return None
        return None

    @staticmethod
    def _remainder(curved, zmax, length):
        first, second = curved
        return (first / 2 + second * _psi(zmax)) * length**2

    def largest_move(self, k, pulls, curved, direction):
        """Bound how far any k changes move functionals against ``direction``.

        Parameters
        ----------
        k : int
            Changes, at most.
        pulls : ndarray of shape (m, n)
            Inner products of whitened test and training rows.
        curved : tuple of ndarray of shape (m,)
            From `curvatures`.
        direction : ndarray of shape (m,)
            Signs.

        Returns
        -------
        bound : ndarray of shape (m,)
            Infinite where no bound exists.
        """
        found = self.box(k)
        if found is None:
            return np.full(len(pulls), np.inf)
        zeta, length = found
        effect = -direction[:, None] * pulls * (self.sign * self._strength(zeta))
        linear = sum_of_largest(np.maximum(effect, 0.0), k)
        bent = self._remainder(curved, zeta.max(), length)
        return (linear + bent) * (1 + SLACK)

    def curvatures(self, pulls):
        """The data of `largest_move` for functionals with these pulls."""
        return self._curvatures(pulls)


def _phi(z):
    """``(1 - e^{-z}) / z``."""
    return 1.0 if z == 0 else -np.expm1(-z) / z


def _psi(z):
    """``(e^z - 1 - z - z^2 / 2) / z^2``, which grows with z."""
    if z < 1e-2:
        return z / 6 * (1 + z / 4 + z * z / 19)
    return (np.expm1(z) - z - z * z / 2) / z**2
