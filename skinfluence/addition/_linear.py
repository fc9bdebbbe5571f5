"""Ridge and ordinary least squares along an order of the rows."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.linear_model import LinearRegression, Ridge

from skinfluence.addition._prefix_models import (
    SKLEARN,
    PenalisedPrefixes,
    prefix_models,
)
from skinfluence.removal._objective import objective

# Rows that enter the inverse at a time.
BLOCK = 64

# Normal equations of a larger condition number are left to least squares.
CONDITION = 1e5

# Rows up to which their products with each other are held.
MOST_ROWS = 2**13


class LinearPrefixes(PenalisedPrefixes):
    r"""Penalised least squares: rows enter the inverse of the normal equations.

    With A the normal equations of the rows before a block, P its inverse and X_B the
    block's rows (a column of ones for the intercept, which has no penalty),

    .. math:: L L' = I + X_B P X_B', \quad V = L^{-1} X_B P,
        \quad E = L^{-1}(y_B - X_B \theta)

    the coefficients after each row of the block are :math:`\theta` plus the cumulative
    sum of the products of the rows of V and E. Each block starts from a new
    factorisation, so that rounding errors do not add up. Prefixes whose normal
    equations have no accurate inverse, the first d without penalty, are solved by
    least squares one by one.

    **Cost.** O(n p^2) per order, and one matrix product for all prefixes' predictions;
    memory O(n p).
    """

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X)
        self.targets = y
        # scikit-learn's alpha: it does not halve the squared error
        self.diagonal = self.penalties / 2
        self.penalty = self.diagonal.max(initial=0.0)
        # Of singular values, relative to the largest, where they are zero
        self.cutoff = None if self.penalty or SKLEARN < (1, 9) else estimator.tol
        length = np.linalg.norm(self.rows, axis=0) / np.sqrt(len(self.rows))
        if not self.penalty:
            # The cut-off of singular values ignores units, and so must the condition
            d = len(length) - self.intercept
            length[:d] = length[:d].max(initial=0.0)
        self.scale = np.where(length > 0, length, 1.0)

    def well_posed(self):
        """Tell whether the normal equations of all rows have an accurate inverse."""
        return self._inverse(self.rows) is not None

    def _inverse(self, rows):
        rows = rows / self.scale
        normal = rows.T @ rows
        normal.flat[:: len(normal) + 1] += self.diagonal / self.scale**2
        eigenvalues = np.linalg.eigvalsh(normal)
        if not eigenvalues[0] * CONDITION > eigenvalues[-1]:
            return None
        # By the factor, since an inverse that is not symmetric loses digits below
        root = solve_triangular(
            np.linalg.cholesky(normal),
            np.diag(1.0 / self.scale),
            lower=True,
            check_finite=False,
        )
        return root.T @ root

    def _least_squares(self, rows, targets):
        """Coefficients of one prefix, of least norm where there are several."""
        p = rows.shape[1]
        out = np.zeros((p, targets.shape[1]))
        d = p - self.intercept
        features, mean_target, mean = rows[:, :d], 0.0, np.zeros(d)
        if self.intercept:
            mean, mean_target = features.mean(axis=0), targets.mean(axis=0)
            features, targets = features - mean, targets - mean_target
        if self.penalty:
            features = np.vstack([features, np.sqrt(self.penalty) * np.eye(d)])
            targets = np.vstack([targets, np.zeros((d, targets.shape[1]))])
        cutoff = self.cutoff or max(rows.shape) * np.finfo(np.float64).eps
        out[:d] = np.linalg.lstsq(features, targets, rcond=cutoff)[0]
        if self.intercept:
            out[-1] = mean_target - mean @ out[:d]
        return out

    def path(self, order, ends):
        """Coefficients of the prefixes, shape (n_ends, p, n_outputs)."""
        rows, targets = self.rows[order], self.targets[order]
        n, p = rows.shape
        theta = np.empty((n, p, targets.shape[1]))
        wanted = np.zeros(n, dtype=bool)
        wanted[ends - 1] = True
        m, inverse = 0, None
        while m < n:
            if m:
                inverse = self._inverse(rows[:m])
            if inverse is None:
                if wanted[m]:
                    theta[m] = self._least_squares(rows[: m + 1], targets[: m + 1])
                m += 1
                continue
            block = slice(m, min(m + BLOCK, n))
            start = inverse @ (rows[:m].T @ targets[:m])
            theta[block] = _add_rows(inverse, start, rows[block], targets[block])
            m = block.stop
        return theta[ends - 1]

    def raw(self, path, rows, response):
        n_ends, p, k = path.shape
        flat = path.transpose(1, 0, 2).reshape(p, n_ends * k)
        return (rows @ flat).reshape(len(rows), n_ends, k)


def _add_rows(inverse, theta, rows, targets):
    """Coefficients after each of some rows, shape (n_rows, p, n_outputs)."""
    ahead = rows @ inverse
    gram = ahead @ rows.T
    gram.flat[:: len(gram) + 1] += 1.0
    p = rows.shape[1]
    whitened = solve_triangular(
        np.linalg.cholesky(gram),
        np.concatenate([ahead, targets - rows @ theta], axis=1),
        lower=True,
        check_finite=False,
    )
    moves, errors = whitened[:, :p], whitened[:, p:]
    out = moves[:, :, None] * errors[:, None, :]
    np.cumsum(out, axis=0, out=out)
    out += theta
    return out


class KernelPrefixes(LinearPrefixes):
    r"""Ridge with more columns than half the rows: one factorisation for all prefixes.

    Leading blocks of a Cholesky factor are factors of leading blocks. With
    :math:`K + \alpha I = L L'`, :math:`z_t = L^{-1} k_t`, the prediction without
    intercept is the cumulative sum of z_t times :math:`L^{-1} y`; the same with ones
    in the place of y gives the intercept. **Cost.** O(n^3) per order and O(n^2) per
    test row, memory O(n^2).
    """

    def path(self, order, ends):
        """Order and ends."""
        return order, ends

    def raw(self, path, rows, response):
        order, ends = path
        d = rows.shape[1] - self.intercept
        train = self.rows[order, :d]
        kernel = train @ train.T
        kernel.flat[:: len(kernel) + 1] += self.penalty
        factor = cholesky(kernel, lower=True, overwrite_a=True)
        whiten = solve_triangular(
            factor,
            np.column_stack([self.targets[order], np.ones(len(order))]),
            lower=True,
        )
        test = solve_triangular(factor, train @ rows[:, :d].T, lower=True).T
        values = np.stack(
            [np.cumsum(test * column, axis=1)[:, ends - 1] for column in whiten.T[:-1]],
            axis=-1,
        )
        if self.intercept:
            ones = whiten[:, -1:]
            slope = np.cumsum(whiten[:, :-1] * ones, axis=0) / np.cumsum(
                ones**2, axis=0
            )
            fitted = np.cumsum(test * ones[:, 0], axis=1)[:, ends - 1]
            values += slope[ends - 1] * (1.0 - fitted)[..., None]
        return values


@prefix_models.register(Ridge)
@prefix_models.register(LinearRegression)
def _(estimator, X, y):
    known = type(estimator) in (Ridge, LinearRegression) and not estimator.positive
    if not known or np.ndim(objective(estimator).l2):
        return None
    model = LinearPrefixes(estimator, X, y)
    n, p = model.rows.shape
    size = (model.rows**2).sum(axis=1).max()
    if MOST_ROWS >= n < 2 * p and model.penalty * CONDITION > size * n:
        return KernelPrefixes(estimator, X, y)
    return model if 2 * p <= n and model.well_posed() else None
