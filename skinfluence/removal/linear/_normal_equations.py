"""Weighted least squares by its normal equations: fast, and how far to trust it."""

import numpy as np
import scipy.linalg as sla

EPS = np.finfo(np.float64).eps
# Relative rounding error up to which the normal equations are used: this many times eps
# for each row, and never more than the second. What is measured is a fifth of the bound
# or less, no more than sums over the rows round anyway. What normal equations cannot
# tell to this accuracy is left to `OrthogonalFactor`, at a few times the cost.
TRUSTED_PER_ROW, TRUSTED = 16 * EPS, 1e-11


def cholesky(hessian):
    """Return the Cholesky factor, and the relative rounding errors of solutions by it.

    Columns of different scales do not count. The factor is None where there is none,
    and the error is infinite where nothing can be said: of a Hessian that is singular,
    not finite, or of no columns, which LAPACK refuses.
    """
    try:
        lower = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return None, np.inf
    size = np.sqrt(np.diag(hessian))
    if not len(size) or not np.all(size > 0):
        return lower, np.inf
    scaled = np.abs(hessian / np.multiply.outer(size, size))
    norm = scaled.sum(axis=0).max(initial=0.0)
    rcond, _ = sla.lapack.dpocon(lower / size[:, None], norm, uplo="L")
    return lower, EPS / rcond if rcond > EPS else np.inf


class NormalFactor:
    r"""Inverse of ``H = X' S X + R`` by a Cholesky factor.

    Squaring X squares its condition: inner products ``x' H^{-1} x`` have absolute
    errors of about eps times the condition of H (its columns scaled to one length),
    and one minus a leverage has the same.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Rows.
    weight : ndarray of shape (n,)
        Diagonal of S.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    gram : ndarray of shape (p, p), default=None
        ``X' S X``, where it is known.

    Attributes
    ----------
    lift : ndarray of shape (p, p)
        ``H^{-1}``; None if H is not positive definite.
    rows : ndarray of shape (n, p)
        X: row i leaves along ``lift @ rows[i]``.
    error : float
        Absolute error of a leverage.
    tolerance : float
        Largest relative error of what is trusted.
    """

    def __init__(self, X, weight, penalty, gram=None):
        self.rows, self.weight, self.penalty = X, weight, penalty
        gram = X.T @ (weight[:, None] * X) if gram is None else gram
        hessian = gram + np.diag(penalty)
        size = np.sqrt(np.diag(hessian))
        size[size == 0] = 1.0
        scaled = hessian / np.multiply.outer(size, size)
        self.tolerance = min(TRUSTED_PER_ROW * len(X), TRUSTED)
        lower, self.error = cholesky(scaled)
        self.lift = None
        if np.isfinite(self.error):
            inverse = sla.cho_solve((lower, True), np.eye(len(scaled)))
            self.lift = inverse / np.multiply.outer(size, size)

    @property
    def trusted(self):
        """Whether solutions are as good as they are promised to be."""
        return self.error <= self.tolerance

    def solve(self, targets, center):
        """Minimise ``|S^{1/2} (targets - X t)|^2 + |R^{1/2} (t + center)|^2``."""
        moment = self.rows.T @ (self.weight[:, None] * targets)
        return self.lift @ (moment - self.penalty[:, None] * center)

    def pull(self, targets, residual):
        """Rows' gradients over their ``rows``: weighted residuals."""
        return self.weight[:, None] * residual

    def gaps(self):
        """One minus leverage; None where a row's would not be trusted."""
        lifted = self.rows @ self.lift
        gap = 1.0 - self.weight * np.einsum("ij,ij->i", lifted, self.rows)
        return gap if np.all(self.error <= self.tolerance * gap) else None

    def without(self, rows, pull):
        """Return ``(I - K)^{-1} pull`` of a set of rows; None if not trusted."""
        root = np.sqrt(self.weight[rows])[:, None]
        X = root * self.rows[rows]
        # I - S^1/2 K S^1/2 is symmetric with eigenvalues in [0, 1]
        values, vectors = np.linalg.eigh(np.eye(len(rows)) - X @ self.lift @ X.T)
        if not self.error <= self.tolerance * values[0]:
            return None
        inner = np.divide(pull, root, out=np.zeros_like(pull), where=root > 0)
        return root * (vectors @ ((vectors.T @ inner) / values[:, None]))
