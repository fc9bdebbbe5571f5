"""Weighted least squares by orthogonal factors, with and without a row."""

import numpy as np

EPS = np.finfo(np.float64).eps
# Constant in front of first-order error bounds.
SAFETY = 8
# Elements of a block of complements.
BLOCK = 2**22


class OrthogonalFactor:
    r"""Weighted least squares with a diagonal penalty, from singular values.

    Columns without penalty have an orthonormal basis Q. The others, what is outside
    of Q of them and in units of their penalty, are ``U D V'``. With
    ``B = [U, Q]``, ``f = (1 / (1 + D^2), 0)`` and ``w_i = (I - B B') e_i`` the part
    of row i that no other row can explain, a row's residual and one minus its
    leverage are

    .. math:: e_i = w_i'y + \sum_j f_j B_{ij} (B'y)_j, \qquad
        1 - h_i = |w_i|^2 + \sum_j f_j B_{ij}^2

    sums of which nothing cancels, and their quotient is the residual of the model
    without the row. For a set of rows they are the normal equations of a least
    squares problem, which is solved as one. Nothing is squared: errors grow with the
    condition of X, not with its square, and directions that rows do not have
    (singular values that are rounding) have none.

    Cost O(n p^2), memory of three times X.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Rows.
    weight : ndarray of shape (n,)
        Their weights.
    penalty : ndarray of shape (p,)
        Penalty of each column.
    alone : bool
        Whether the last column is orthogonal to the others: then its scale does not
        count when the solution of minimum norm is looked for.

    Attributes
    ----------
    lift : ndarray of shape (p, r)
        From coordinates to coefficients.
    rows : ndarray of shape (n, r)
        B. Row i, times the root of its weight, leaves along ``lift @ rows[i]``.
    shrink : ndarray of shape (r,)
        f.
    dependent : bool
        Whether columns without penalty depend on each other, so that the solution is
        one of many.
    """

    trusted = True

    def __init__(self, X, weight, penalty, alone=False):
        self.root = np.sqrt(weight)
        A = self.root[:, None] * X
        held = np.asarray(penalty) > 0
        self.held = held
        Q, values, right = _free_basis(A[:, ~held], alone and not held[-1])
        self.dependent = Q.shape[1] < A.shape[1] - held.sum()
        self.scale = 1 / np.sqrt(penalty[held])
        back = right / values  # from coordinates to free coefficients
        B = A[:, held] * self.scale
        cross = np.zeros((Q.shape[1], B.shape[1]))
        for _ in range(2):
            part = Q.T @ B
            cross += part
            B -= Q @ part
        U, D, Vt = np.linalg.svd(B, full_matrices=B.shape[0] < B.shape[1])
        size = D.max(initial=0.0)
        rank = np.count_nonzero(D > max(B.shape) * EPS * size)
        self.V, self.null, D = Vt[:rank].T, Vt[rank:].T, D[:rank]
        U = _orthogonalised(U[:, :rank], Q)
        self.rows = np.concatenate([U, Q], axis=1)
        self.shrink = np.concatenate([1 / (1 + D**2), np.zeros(Q.shape[1])])
        # coefficients that belong to penalised ones, in units of the penalty
        self.join = np.zeros((X.shape[1], B.shape[1]))
        self.join[held] = np.diag(self.scale)
        self.join[~held] = -back @ cross
        self.gain = D / (1 + D**2)
        self.lift = np.zeros((X.shape[1], self.rows.shape[1]))
        self.lift[:, : len(D)] = self.join @ (self.V * self.gain)
        self.lift[~held, len(D) :] = back
        growth = values.max(initial=0.0) / values
        self.growth = np.concatenate([size * self.gain, growth])

    def solve(self, targets, center):
        """Minimise ``|S^{1/2} (targets - X t)|^2 + |R^{1/2} (t + center)|^2``."""
        out = self.lift @ (self.rows.T @ (self.root[:, None] * targets))
        return out - self.join @ self.damped(center[self.held] / self.scale[:, None])

    def damped(self, pull):
        """Response of penalised coefficients, in units of the penalty, to a pull."""
        inner = self.V * self.shrink[: self.V.shape[1]]
        return inner @ (self.V.T @ pull) + self.null @ (self.null.T @ pull)

    def root_inverse(self):
        """Root of the inverse Hessian, shape (p, rank): ``H^{-1} = root root'``."""
        columns = np.concatenate([self.V, self.null], axis=1)
        penalised = (self.join @ columns) * np.sqrt(self.penalty[: columns.shape[1]])
        return np.concatenate([penalised, self.lift[:, self.V.shape[1] :]], axis=1)

    def whitened(self, X):
        """The rows X it was made of in the coordinates of `root_inverse`.

        Where they have nothing, they have nothing but rounding errors: zeros.
        """
        Z, rank = X @ self.root_inverse(), self.V.shape[1]
        Z[:, rank : rank + self.null.shape[1]] = 0.0
        return Z

    @property
    def penalty(self):
        """Diagonal of R in the coordinates of `root_inverse`, shape (rank,)."""
        rank = self.V.shape[1]
        alone = np.ones(self.null.shape[1])
        return np.concatenate([self.shrink[:rank], alone, self.shrink[rank:]])

    def leverage(self):
        """Diagonal of the hat matrix."""
        rank = self.V.shape[1]
        part = np.ones(self.rows.shape[1])
        part[:rank] = self.gain**2 / self.shrink[:rank]
        return self.rows**2 @ part

    def _inside(self):
        return np.einsum("ij,ij->i", self.rows, self.rows)

    def _complements(self, rows):
        """``(I - B B') e_i`` of some rows, shape (n, len(rows)), orthogonal to B."""
        out = -self.rows @ self.rows[rows].T
        out[rows, np.arange(len(rows))] += 1.0
        out -= self.rows @ (self.rows.T @ out)
        return out

    def _near(self):
        """Blocks of rows for which one minus the length in B would cancel."""
        near = np.flatnonzero(self._inside() > 0.5)
        size = max(16, BLOCK // len(self.rows))
        return [near[start : start + size] for start in range(0, len(near), size)]

    def pull(self, targets, residual):
        """Residuals times the roots of the weights, to their own relative accuracy."""
        out = self.root[:, None] * residual
        inner = self.shrink[:, None] * (self.rows.T @ (self.root[:, None] * targets))
        blocks = self._near()
        parts = [self._complements(rows).T @ out for rows in blocks]
        for rows, part in zip(blocks, parts, strict=True):
            out[rows] = part + self.rows[rows] @ inner
        return out

    def gaps(self):
        """One minus leverage."""
        left = 1.0 - self._inside()
        for rows in self._near():
            left[rows] = (self._complements(rows) ** 2).sum(axis=0)
        return left + self.rows**2 @ self.shrink

    @property
    def solution_rounding(self):
        """First-order estimate of the relative rounding errors of solutions."""
        return SAFETY * EPS * (1 + self.growth.max(initial=0.0))

    def rounding(self, gaps, pull, residual):
        """First-order estimate of the rounding errors of rows' moves, relative.

        To moves by jumps of at least the size of a weighted residual, of ``pull`` as
        returned by `pull`.
        """
        grown = np.linalg.norm(self.rows * self.growth, axis=1)
        size = np.sqrt(((self.root[:, None] * residual) ** 2).mean(axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.maximum(np.abs(pull) / gaps[:, None], size)
            share = np.where(size > 0, size / least, 0.0).max(axis=1)
            out = SAFETY * EPS * grown * share / gaps
        return self.gap_rounding(gaps) + np.where(gaps > 0, out, np.inf)

    def gap_rounding(self, gaps):
        """The same for one minus leverage alone."""
        grown = np.linalg.norm(self.rows * self.growth, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = 1 + grown / np.sqrt(gaps)
        return SAFETY * EPS * np.where(gaps > 0, out, np.inf)

    def without(self, rows, targets, residual):
        """Return the jumps of a set of rows and the bound on their relative error.

        The set moves coefficients by ``-lift @ rows.T @ jumps``. Its jumps are the
        least squares solution of ``M jumps = [S^{1/2} residual; f^{1/2} B'y]`` with
        ``M = [w_S; f^{1/2} B_S']``.
        """
        left, values, right, bound = self._set(rows)
        weighted = self.root[:, None] * residual
        inner = self.rows.T @ (self.root[:, None] * targets)
        inner *= np.sqrt(self.shrink)[:, None]
        jumps = left.T @ np.concatenate([weighted, inner])
        return right.T @ (jumps / values[:, None]), bound

    def step_without(self, rows, pull):
        """The same for gradients that are not those at the optimum of this penalty."""
        _, values, right, bound = self._set(rows)
        return right.T @ (right @ pull / values[:, None] ** 2), bound

    def _set(self, rows):
        """Singular vectors and values of M, and the bound."""
        root = np.sqrt(self.shrink)[:, None]
        M = np.concatenate([self._complements(rows), root * self.rows[rows].T])
        left, values, right = np.linalg.svd(M, full_matrices=False)
        grown = np.linalg.norm(self.rows[rows] * self.growth, axis=1).max()
        if not values[-1] > 0:
            return left, np.ones_like(values), right, np.inf
        bound = 1 + grown / values[-1] + grown / values[-1] ** 2
        return left, values, right, SAFETY * EPS * bound


def _orthogonalised(U, Q):
    """U made orthogonal to Q, in directions of small singular values too."""
    overlap = Q.T @ U
    if not np.abs(overlap).max(initial=0.0) > 4 * EPS:
        return U
    out, upper = np.linalg.qr(U - Q @ overlap)
    return out * np.sign(np.diag(upper))


def _free_basis(A, alone):
    """Orthonormal basis, singular values and right vectors of unpenalised columns.

    The values are those of columns of one length where these are independent; else
    of the columns as they are, which gives the solution of minimum norm.
    """
    if not A.shape[1]:
        return A, np.ones(0), np.ones((0, 0))
    size = np.linalg.norm(A, axis=0)
    size[size == 0] = 1.0
    cutoff = max(A.shape) * EPS
    U, values, Vt = np.linalg.svd(A / size, full_matrices=False)
    if len(values) < A.shape[1] or not values[-1] > cutoff * values[0]:
        common = np.full(A.shape[1], size.max())
        if alone:
            common[:-1] = size[:-1].max(initial=0.0) or 1.0
            common[-1] = size[-1]
        size = common
        U, values, Vt = np.linalg.svd(A / size, full_matrices=False)
    kept = values > cutoff * values[0]
    return U[:, kept], values[kept], Vt[kept].T / size[:, None]
