"""The norm of a Hessian and of its inverse, with its rounding errors on the safe side.

For the Hessian H of a fitted model, its columns scaled to ``diag(H) = size^2``, the
Cholesky factor L that was computed satisfies ``(1 - slack) L L' <= H <= (1 + slack) L
L'``: the errors of the sums in H and those of the factor, each at most some units of
the products ``size_a size_b`` (Higham, Accuracy and Stability of Numerical Algorithms,
2002, theorems 3.5 and 10.3), in the norm that L itself measures. Lengths are taken with
the inverse X of L that was computed: X v is ``(I + E) L^{-1} v`` with ``E = X L - I``,
and ``turn`` bounds E, as computed, and the rounding of the products.
"""

import numpy as np
from scipy.linalg.lapack import dtrtri

from skinfluence.removal.certificates._rounding import EPS


class Metric:
    """Lengths of gradients and of rows, in the metric of ``(L L')^{-1}``.

    Parameters
    ----------
    hessian : ndarray of shape (p, p)
        As computed.
    n_terms : int
        Number of products in a sum of it.
    relative : float, default=0.0
        Largest relative error of the weights of these products.

    Attributes
    ----------
    trusted : bool
        False where rounding leaves nothing to say: singular Hessians.
    slack : float
        See above.
    size : ndarray of shape (p,)
        Square roots of the diagonal.
    unit : float
        Largest norm of a gradient whose components are at most ``size``.
    """

    def __init__(self, hessian, n_terms, relative=0.0):
        p = len(hessian)
        self.size = np.sqrt(np.maximum(np.diag(hessian), 0.0))
        self.trusted, self.slack, self.turn, self.unit = False, 1.0, 1.0, np.inf
        if not (np.isfinite(hessian).all() and self.size.all()):
            return
        try:
            lower = np.linalg.cholesky(
                hessian / np.multiply.outer(self.size, self.size)
            )
        except np.linalg.LinAlgError:
            return
        self.lower = lower
        self.inverse, failed = dtrtri(lower, lower=1)
        if failed or not np.isfinite(self.inverse).all():
            return
        self.spread = spread = 1.02 * np.linalg.norm(self.inverse)
        self.units = relative + 2 * (n_terms + 3 * p + 16) * EPS
        self.slack = spread**2 * p * self.units
        off = np.linalg.norm(self.inverse @ lower - np.eye(p))
        self.turn = 2 * off + 4 * p * EPS * np.sqrt(p) * spread
        self.trusted = bool(self.slack < 1e-2 and self.turn < 1e-2)
        if self.trusted:
            # rows of L^{-1} applied to boxes
            self.unit = self.box(self.size)

    @property
    def kappa(self):
        """Smallest eigenvalue of H in units of L L'."""
        return 1.0 - self.slack

    def norms(self, gradients):
        """Upper bounds of the lengths of gradients of shape (m, p)."""
        scaled = np.asarray(gradients, dtype=np.float64) / self.size
        with np.errstate(over="ignore", invalid="ignore"):
            solved = scaled @ self.inverse.T
            return (1 + self.turn) * np.sqrt(np.einsum("ij,ij->i", solved, solved))

    def row_norms(self, rows, errors):
        """Upper bounds of the lengths of rows (m, p) that have these `row_errors`."""
        relative, absolute = errors
        # scaled, a row is at most |L| times as long as in the metric
        relative *= 1.02 * np.sqrt(len(self.size)) * self.spread
        off = self.spread * absolute * np.linalg.norm(1 / self.size)
        return (1 + relative) * self.norms(rows) + off

    def box(self, bound):
        """Largest length of a gradient whose components are at most ``bound``."""
        scaled = np.abs(self.inverse) @ (np.asarray(bound, dtype=float) / self.size)
        return (1 + self.turn) * float(np.linalg.norm(scaled))

    def norms_of_boxes(self, bounds):
        """As `box`, of bounds of shape (m, p)."""
        scaled = (bounds / self.size) @ np.abs(self.inverse).T
        return (1 + self.turn) * np.linalg.norm(scaled, axis=1)


class PenaltyMetric:
    """The same for a diagonal Hessian that is known without rounding.

    Strong convexity by a penalty alone, which holds everywhere.
    """

    trusted, kappa = True, 1.0

    def __init__(self, penalty):
        # a unit smaller than it was computed
        self.size = np.sqrt(penalty) * (1 - 8 * EPS)

    def norms(self, gradients):
        """As `Metric.norms`."""
        scaled = np.asarray(gradients, dtype=np.float64) / self.size
        return (1 + (len(self.size) + 8) * EPS) * np.linalg.norm(scaled, axis=-1)

    def row_norms(self, rows, errors):
        """As `Metric.row_norms`."""
        relative, absolute = errors
        return self.norms(np.abs(rows) * (1 + relative) + absolute)

    def norms_of_boxes(self, bounds):
        """As `Metric.norms_of_boxes`."""
        return self.norms(bounds)
