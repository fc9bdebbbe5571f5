"""Sums of products: LinearRegression, Ridge, RidgeClassifier."""

import numpy as np
import scipy.linalg as sla
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier
from sklearn.preprocessing import label_binarize
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skinfluence.removal._objective import objective
from skinfluence.removal.linear._normal_equations import TRUSTED, cholesky
from skinfluence.updates._dispatch import refuse_changes, row_sums
from skinfluence.updates._row_sums import REMAINS, RowSums

# Rows whose products are summed at a time.
BLOCK = 4096
# The smallest singular value of a full rank, as a share of the largest.
FULL_RANK = 1e-10


class SquareSums(RowSums):
    r"""Squared errors with an L2 penalty: ``sum_j s_j z_j z_j'``, ``z = (1, x, y)``.

    Coefficients follow by the normal equations of these sums. Columns are shifted by
    the means of the first table, which an intercept without penalty absorbs.

    **Cost.** O(m p^2 + p^3) for m rows; O(n p^2) for the first sums.

    **When it fails.** Where the condition of the Hessian times the number of changes
    exceeds what normal equations are trusted with, or a sum has lost its digits to a
    removal, the estimator is fitted anew.
    """

    def __init__(self, estimator, X, y, weight):
        super().__init__(estimator, y)
        if issparse(X) or getattr(X, "dtype", None) == np.float32:
            refuse_changes(
                f"The coefficients of {type(estimator).__name__} are sums of products "
                "for dense rows of 64-bit numbers only"
            )
        if len(X) < np.shape(X)[1]:
            refuse_changes(
                f"With more columns ({np.shape(X)[1]}) than rows ({len(X)}), sums of "
                "products of columns take longer than a fit"
            )
        rows, targets = self._checked(X), self._targets(y)
        self.shift = np.zeros(1 + rows.shape[1] + targets.shape[1])
        if estimator.fit_intercept:
            means = [[0.0], weight @ rows, weight @ targets]
            self.shift = np.concatenate(means) / weight.sum()
        self.products = self._products(rows, targets, weight)
        self.largest, self.n_changes = np.diag(self.products), 1

    def _checked(self, X):
        return validate_data(self.estimator, X, reset=False, dtype=np.float64)

    def _targets(self, y):
        if is_classifier(self.estimator):
            classes = self.estimator.classes_
            codes = label_binarize(np.ravel(y), classes=classes, neg_label=-1)
            return codes.astype(np.float64)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        return y.reshape(len(y), -1)

    def _products(self, rows, targets, weight):
        out = np.zeros((len(self.shift), len(self.shift)))
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            ones = np.ones((len(rows[part]), 1))
            z = np.hstack([ones, rows[part], targets[part]]) - self.shift
            out += z.T @ (weight[part, None] * z)
        return out

    def _change(self, X, y, weight, sign):
        products = self._products(self._checked(X), self._targets(y), weight)
        self.products = self.products + sign * products
        self.n_changes += 1
        left = np.diag(self.products)
        self.largest = np.maximum(self.largest, left)
        return bool(np.all(left >= REMAINS * self.largest)) and self._solve()

    def _solve(self):
        """Set the coefficients, and return whether they are accurate."""
        estimator, free = self.estimator, self.estimator.fit_intercept
        k = len(self.shift) - 1 - estimator.n_features_in_
        used = slice(0 if free else 1, -k)  # the first column is the intercept's
        gram, moments = self.products[used, used], self.products[used, -k:]
        penalties = np.broadcast_to(objective(estimator).l2 / 2, k)
        theta = np.empty_like(moments)
        for penalty in np.unique(penalties):
            hessian = gram + penalty * np.diag(np.arange(len(gram)) >= free)
            size = np.sqrt(np.diag(hessian))
            if not np.all(size > 0):
                return False
            lower, error = cholesky(hessian / np.multiply.outer(size, size))
            if not error * self.n_changes <= TRUSTED:
                return False
            mine = penalties == penalty
            right = moments[:, mine] / size[:, None]
            theta[:, mine] = sla.cho_solve((lower, True), right) / size[:, None]
        if isinstance(estimator, LinearRegression):
            root = (size[:, None] * lower)[free:, free:]  # of the centred products
            values = sla.svdvals(root)
            # Versions of scikit-learn that have a tol leave smaller ones out.
            if (
                values[-1]
                <= 2 * max(getattr(estimator, "tol", 0), FULL_RANK) * values[0]
            ):
                return False
            estimator.singular_, estimator.rank_ = values, len(values)
        coef = theta[free:].T
        estimator.coef_ = coef.reshape(np.shape(estimator.coef_))
        if free:
            start = theta[0] + self.shift[-k:] - coef @ self.shift[1:-k]
            estimator.intercept_ = (
                start if np.ndim(estimator.intercept_) else float(start[0])
            )
        return True


@row_sums.register
def _(estimator: LinearRegression, X, y, weight):
    return SquareSums(estimator, X, y, weight)


@row_sums.register(Ridge)
@row_sums.register(RidgeClassifier)
def _(estimator, X, y, weight):
    name = type(estimator).__name__
    if estimator.solver_ not in ("cholesky", "svd"):
        refuse_changes(
            f"The solver {estimator.solver_!r} of {name} stops before the minimum, "
            "which sums of products lead to: fit with solver='cholesky'"
        )
    if getattr(estimator, "class_weight", None) is not None:
        refuse_changes(
            f"{name}(class_weight={estimator.class_weight!r}) has weights that are not "
            "in its sums: pass them as sample_weight"
        )
    return SquareSums(estimator, X, y, weight)
