"""Design matrices: rows of X as a linear predictor sees them, in any shape.

A penalty that is the same for all features, or none, does not see rotations: only
inner products of rows matter. More columns than rows are therefore turned into as
many coordinates as there are rows (`RowSpaceDesign`, `KernelDesign`), and every
family works on them unchanged: the dual form. What is too large for any dense
matrix of rows stays sparse (`SparseDesign`).
"""

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from skinfluence._memory import check_memory

# Elements up to which sparse rows are always made dense.
SMALL = 2**22
# Sparse rows or columns up to which dense algebra on them (cubic) takes seconds.
DENSE = 4000
# Wide sparse rows up to which eigenvectors of their kernel matrix are preferred to
# matrix-free solves, and up to which they are where there is nothing else.
KERNEL, KERNEL_ONLY = 1000, 8000
# Bytes up to which dense copies of sparse rows are preferred.
DENSE_BYTES = 2**32


def make_design(
    estimator,
    X,
    intercept,
    center,
    sample_weight,
    ridge,
    matrix_free=False,
    *,
    keep_columns=False,
    scales=None,
):
    """Return the design that suits the shape of X, for a rotation-free penalty.

    Parameters
    ----------
    estimator, X, intercept, center, sample_weight
        See `Design`.
    ridge : float
        Smallest penalty of a feature; all features of an output share it.
    matrix_free : bool, default=False
        Whether the family can do with sparse rows, see `SparseDesign`.
    keep_columns : bool, default=False
        Whether to prefer one coordinate per feature, where that is affordable.
    scales : Scales, default=None
        See `Design`; implies ``keep_columns``.
    """
    args = estimator, X, intercept, center, sample_weight
    n, d = X.shape if hasattr(X, "shape") else np.shape(X)
    keep_columns = keep_columns or scales is not None
    if keep_columns and d <= min(10 * n, DENSE):
        return Design(*args, scales)
    if not sp.issparse(X) or n * d <= SMALL:
        return RowSpaceDesign(*args) if d > n else Design(*args, scales)
    if d <= n or not ridge > 0:
        fits = 8 * (3 * n * d + 2 * d * d) <= DENSE_BYTES and min(n, d) <= DENSE
        if fits or not matrix_free or not ridge > 0:
            return RowSpaceDesign(*args) if d > n else Design(*args, scales)
        return SparseDesign(*args)
    if n <= (KERNEL if matrix_free else KERNEL_ONLY):
        design = KernelDesign(*args)
        # The kernel has squared the condition number: is the penalty above its noise?
        noise = n * np.finfo(np.float64).eps * design.scale * sample_weight.max()
        if noise <= 1e-9 * ridge:
            return design
        return RowSpaceDesign(*args)
    return SparseDesign(*args) if matrix_free else RowSpaceDesign(*args)


class Design:
    """Rows of X as the linear predictor sees them: dense, centred, with intercept.

    Centring the columns leaves an unpenalised intercept model unchanged but for
    the value of its intercept, and keeps the Hessian well conditioned.

    Parameters
    ----------
    estimator : fitted linear estimator
        Its ``validate_data`` gives the canonical errors for test rows.
    X : array-like of shape (n_samples, n_features)
        Training rows.
    intercept : bool
        Whether to append a column of ones.
    center : bool
        Whether the intercept is free of penalty, so that columns may be centred.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the column means; None for equal ones.
    scales : Scales, default=None
        By what removals multiply the penalties of columns, see `Penalty`.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, p)
        Training rows. The last column is the intercept's.
    mean : ndarray of shape (n_features,) or None
        Numbers that were subtracted from the columns.
    keeps_columns : bool
        Whether the columns of ``rows`` are those of X.
    free_intercept : bool
        Whether an intercept without penalty absorbs shifts of the columns.
    """

    keeps_columns = True

    def __init__(self, estimator, X, intercept, center, sample_weight, scales=None):
        self.estimator, self.intercept, self.scales = estimator, intercept, scales
        self.free_intercept = bool(center and intercept)
        self.mean = None
        self._set_rows(self._checked(X), sample_weight)

    def _set_rows(self, X, sample_weight):
        rows = self._dense(X)
        if self.free_intercept:
            # a product, not np.average, which would make a copy of all rows
            self.mean = self._weights(sample_weight, X) @ rows[:, :-1]
            rows[:, :-1] -= self.mean
        self.rows = rows

    @staticmethod
    def _weights(sample_weight, X):
        """Weights of the column means, of sum one."""
        weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        return weight / weight.sum()

    def _checked(self, X):
        return validate_data(
            self.estimator, X, reset=False, accept_sparse="csr", dtype=np.float64
        )

    def _dense(self, X):
        n, d = X.shape
        check_memory(
            8 * (3 * n * d + 2 * d * d),
            f"The dense algebra of {n} rows with {d} columns",
            "Use fewer columns, or LeaveOneOutInfluence(..., solver='refit').",
        )
        out = np.empty((n, d + self.intercept))
        out[:, :d] = X.toarray() if sp.issparse(X) else X
        if self.mean is not None:
            out[:, :-1] -= self.mean
        if self.intercept:
            out[:, -1] = 1.0
        return out

    def __call__(self, X):
        """Return the design matrix of any rows, shape (n_samples, p)."""
        return self._dense(self._checked(X))

    def coefficients(self, coef, intercept):
        """Pack scikit-learn's ``coef_`` and ``intercept_`` into shape (k, p)."""
        coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        if not self.intercept:
            return self._turned(coef)
        intercept = np.broadcast_to(np.ravel(intercept), len(coef)).astype(np.float64)
        if self.mean is not None:
            intercept = intercept + coef @ self.mean
        return np.column_stack([self._turned(coef), intercept])

    def to_coef(self, theta):
        """Undo the centring, of coefficients or of their moves.

        Parameters
        ----------
        theta : ndarray of shape (..., p)
            In the coordinates of `rows`.

        Returns
        -------
        coef : ndarray of shape (..., n_features + intercept)
            As in ``coef_``, followed by ``intercept_`` where there is one.
        """
        if not self.intercept:
            return self._turned_back(theta)
        coef, last = self._turned_back(theta[..., :-1]), theta[..., -1]
        if self.mean is not None:
            last = last - coef @ self.mean
        return np.concatenate([coef, last[..., None]], axis=-1)

    def _turned(self, coef):
        """Coordinates of vectors of shape (..., n_features)."""
        return coef

    def _turned_back(self, coef):
        """Vectors that have these coordinates."""
        return coef


class RowSpaceDesign(Design):
    """More columns than rows: coordinates in an orthonormal basis of the row space.

    The basis is that of a QR decomposition of the (centred) transpose. Directions
    that no row has keep the coefficient zero that a penalty, or the minimum norm,
    gives them. Cost O(n^2 d) once, O(n d) per test row; memory O(n d).
    """

    keeps_columns = False

    def _set_rows(self, X, sample_weight):
        n, d = X.shape
        check_memory(
            8 * (4 * n * d + 3 * n * n),
            f"The dense algebra of {n} rows with {d} columns",
            "Use LeaveOneOutInfluence(..., solver='refit').",
        )
        rows = X.toarray() if sp.issparse(X) else np.array(X)
        if self.free_intercept:
            self.mean = self._weights(sample_weight, X) @ rows
            rows -= self.mean
        Q, R = sla.qr(rows.T, mode="economic", overwrite_a=True, check_finite=False)
        # Pivoting tells the rank: centred rows depend on each other, copies do.
        turn, R, order = sla.qr(R, mode="economic", pivoting=True, overwrite_a=True)
        size = np.abs(np.diag(R))
        rank = np.count_nonzero(size > d * np.finfo(np.float64).eps * size[0])
        self.basis = Q @ turn[:, :rank]
        self.rows = np.ones((n, rank + self.intercept))
        self.rows[order, :rank] = R[:rank].T

    def __call__(self, X):
        """Return the design matrix of any rows, shape (n_samples, p)."""
        X = self._checked(X)
        out = np.ones((X.shape[0], self.rows.shape[1]))
        rank = self.basis.shape[1]
        for start in range(0, len(out), 256):
            part = X[start : start + 256]
            part = part.toarray() if sp.issparse(part) else part
            if self.mean is not None:
                part = part - self.mean
            out[start : start + 256, :rank] = part @ self.basis
        return out

    def _turned(self, coef):
        return coef @ self.basis

    def _turned_back(self, coef):
        return coef @ self.basis.T


class KernelDesign(Design):
    """Sparse rows with many columns: coordinates from their inner products.

    With the (centred) kernel ``K = V S^2 V'``, the rows in the basis of their
    principal axes are ``V S``, and test rows are their inner products with the
    training rows times ``V / S``. X is never made dense: cost O(n^3) and a sparse
    product. Directions below the rounding of K are dropped, so that the penalty has
    to be above it.

    Attributes
    ----------
    scale : float
        Largest eigenvalue of K.
    """

    keeps_columns = False

    def _set_rows(self, X, sample_weight):
        n = X.shape[0]
        check_memory(
            8 * 8 * n * n,
            f"The dual form of {n} rows",
            "Use LeaveOneOutInfluence(..., solver='refit').",
        )
        self.X = X = sp.csr_array(X)
        self.mean, self.shift, square = None, np.zeros(n), 0.0
        if self.free_intercept:
            self.mean = X.T @ self._weights(sample_weight, X)
            self.shift, square = X @ self.mean, self.mean @ self.mean
        kernel = (X @ X.T).toarray()
        kernel += square - np.add.outer(self.shift, self.shift)
        values, vectors = np.linalg.eigh(kernel)
        self.scale = values[-1]
        kept = values > n * np.finfo(np.float64).eps * max(self.scale, 0.0)
        root = np.sqrt(values[kept])
        self.lift = vectors[:, kept] / root
        self.rows = np.ones((n, len(root) + self.intercept))
        self.rows[:, : len(root)] = vectors[:, kept] * root

    def __call__(self, X):
        """Return the design matrix of any rows, shape (n_samples, p)."""
        X = sp.csr_array(self._checked(X))
        kernel = (X @ self.X.T).toarray()
        if self.mean is not None:
            kernel -= (X @ self.mean)[:, None]
            kernel += self.mean @ self.mean - self.shift
        out = np.ones((X.shape[0], self.rows.shape[1]))
        out[:, : self.lift.shape[1]] = kernel @ self.lift
        return out

    def _turned(self, coef):
        products = (self.X @ coef.T).T
        if self.mean is not None:
            products = products - (coef @ self.mean)[..., None]
        return products @ self.lift

    def _turned_back(self, coef):
        weights = coef @ self.lift.T
        flat = weights.reshape(-1, weights.shape[-1])
        out = (self.X.T @ flat.T).T.reshape(*weights.shape[:-1], -1)
        if self.mean is not None:
            out -= weights.sum(axis=-1, keepdims=True) * self.mean
        return out


class SparseDesign(Design):
    """Sparse rows, neither dense nor centred, with a column of ones.

    Attributes
    ----------
    rows : sparse array of shape (n_samples, p)
        Training rows.
    center : ndarray of shape (n_features,) or None
        Column means, where other designs subtract them.
    """

    keeps_columns = False

    def _set_rows(self, X, sample_weight):
        self.rows, self.center = self._with_ones(X), None
        if self.free_intercept:
            self.center = X.T @ self._weights(sample_weight, X)

    def _with_ones(self, X):
        X = sp.csr_array(X)
        if not self.intercept:
            return X
        return sp.hstack([X, np.ones((X.shape[0], 1))], format="csr")

    def __call__(self, X):
        """Return the design matrix of any rows, sparse, shape (n_samples, p)."""
        return self._with_ones(self._checked(X))
