"""Quadratic discriminant analysis: the covariance of a class without a row."""

import numpy as np
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.utils.validation import validate_data

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal.counting._class_scores import (
    PARAMETERS,
    REMAINS,
    OneClassScores,
)


class QuadraticDiscriminant(OneClassScores):
    r"""Scores ``log prior_c - log det(C_c) / 2 - z' C_c^{-1} z / 2``, z = x - m_c.

    Without row i the regularised covariance of its class is ``D - b u u'``, with
    ``u = x_i - m`` and D diagonal in the basis of eigenvectors of the class's
    covariance. With ``p = D^{-1} u``, ``h = u'p``, ``k = b / (1 - b h)`` and
    ``r = 1 / (n_c - 1)``, the score of the class moves by

    .. math:: -\frac12 \Big[ z'(D^{-1} - C^{-1})z + k\, g^2 + 2 r (1 + k h) g
        + r^2 h (1 + k h) + \log\frac{|D|\,(1 - b h)}{|C|} \Big], \quad g = z'p

    plus what the prior moves, and no other score moves.

    **Cost.** Once O(n d^2), then O(d) for each test row and removal, in matrix
    products. Memory O(n d + n_classes d^2).

    **When it fails.** scikit-learn refuses covariances with an eigenvalue below
    ``tol``: rows whose removal leads there are refitted, which raises its error.

    References
    ----------
    J. Sherman, W. J. Morrison, "Adjustment of an inverse matrix corresponding to a
    change in one element of a given matrix", 1950.
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        super().__init__(estimator, X, y, sample_weight)
        self.solver = getattr(estimator, "solver", "svd")
        self.ridge, self.shrinkage = regularisation(estimator, self.solver)
        if not np.all(estimator.priors_):
            refuse(estimator, "priors", "a prior of zero has no logarithm")
        self.rows = self.check(X)
        d = self.rows.shape[1]
        self.centers = np.empty((self.n_classes, d))
        self.values = np.empty((self.n_classes, d))
        self.vectors = np.empty((self.n_classes, d, d))
        for c in range(self.n_classes):
            mine = self.rows[self.labels == c]
            self.centers[c] = mine.mean(axis=0)
            # The triangular factor has the singular values of the rows
            factor = np.linalg.qr(mine - self.centers[c], mode="r")
            _, singular, vectors = np.linalg.svd(factor)
            self.values[c] = np.pad(singular**2, (0, d - len(singular)))
            self.vectors[c] = vectors.T
        # Covariances of scikit-learn are divided by n, those of "svd" by n - 1 until
        # 1.8: what was done here is seen from the trace.
        traces = self.values.sum(axis=1)
        fitted = np.array([np.sum(values) for values in estimator.scalings_])
        wrong = [
            np.abs(
                self._covariance(self.values, traces, self.totals - lost).sum(axis=1)
                - fitted
            ).sum()
            for lost in (0, 1)
        ]
        self.lost_degrees = int(np.argmin(wrong))
        divisor = self.totals - self.lost_degrees
        self.scales = self._covariance(self.values, traces, divisor)
        if not self.scales.min() > estimator.tol:
            refuse(estimator, "tol", "features of a class depend on each other")
        log_det = np.log(self.scales).sum(axis=1)
        self.offsets = np.log(estimator.priors_) - 0.5 * log_det

    def _covariance(self, values, trace, divisor):
        """Eigenvalues of regularised covariances, from those of the scatter."""
        keep = 1.0 - self.ridge - self.shrinkage  # one of them is zero
        shift = self.ridge + self.shrinkage * trace / divisor / values.shape[-1]
        return keep * values / np.expand_dims(divisor, -1) + np.expand_dims(shift, -1)

    def check(self, X):
        return validate_data(self.estimator, X, reset=False, dtype=np.float64)

    def state(self, rows):
        """Coordinates of rows in the basis of each class, (n, n_classes, d)."""
        out = np.empty((len(rows), *self.centers.shape))
        for c in range(self.n_classes):
            np.matmul(rows - self.centers[c], self.vectors[c], out=out[:, c])
        return out

    def scores(self, rows):
        return self.offsets - 0.5 * (self.state(rows) ** 2 / self.scales).sum(axis=2)

    def _downdate(self, removed, label):
        """Return D (1 or n_removals, d), b, and u in its basis."""
        u = (self.rows[removed] - self.centers[label]) @ self.vectors[label]
        n = self.totals[label]
        lost = n / (n - 1)
        divisor = n - 1 - self.lost_degrees
        trace = self.values[label].sum()
        if self.shrinkage:
            trace = trace - lost * (u**2).sum(axis=1)
        else:
            trace = np.array([trace])
        b = (1.0 - self.ridge - self.shrinkage) * lost / divisor
        return (
            self._covariance(self.values[label], trace, np.full(len(trace), divisor)),
            b,
            u,
        )

    def unresolved(self):
        d = self.rows.shape[1]
        out = np.zeros(len(self.labels), dtype=bool)
        tol = self.estimator.tol
        for c in range(self.n_classes):
            mine = np.flatnonzero(self.labels == c)
            if len(mine) <= max(2, d if self.solver == "svd" else 0):
                out[mine] = True
                continue
            for removed in self._parts(mine):
                diagonal, b, u = self._downdate(removed, c)
                h = (u**2 / diagonal).sum(axis=1)
                # All eigenvalues of D - b u u' are above tol iff D - tol stays
                # positive, and so does it without b u u'.
                above = np.where(diagonal > tol, diagonal - tol, np.inf)
                safe = b * (u**2 / above).sum(axis=1) < 1.0 - REMAINS
                safe &= b * h < 1.0 - REMAINS
                out[removed] = ~(safe & (diagonal > tol).all(axis=1))
        self.resolved = ~out
        return out

    def _parts(self, removed):
        size = max(1, PARAMETERS // self.rows.shape[1])
        return [removed[i : i + size] for i in range(0, len(removed), size)]

    def class_moves(self, state, removed, label):
        z, n = state[:, label], self.totals[label]
        out = np.zeros((len(z), len(removed)))
        resolved = np.flatnonzero(self.resolved[removed])
        for part in self._parts(resolved):
            diagonal, b, u = self._downdate(removed[part], label)
            p = u / diagonal
            h = (u * p).sum(axis=1)
            k, r = b / (1 - b * h), 1 / (n - 1)
            linear = 2 * r * (1 + k * h)
            growth = diagonal - self.scales[label]
            constant = 0.5 * r * linear * h + np.log1p(-b * h)
            constant = constant + np.log1p(growth / self.scales[label]).sum(axis=1)
            move = z @ p.T
            move *= k * move + linear
            move -= z**2 @ (growth / diagonal / self.scales[label]).T
            move += constant
            move *= -0.5
            if self.estimator.priors is None:
                move += np.log1p(-1 / n)
            out[:, part] = move
        return out


def regularisation(estimator, solver):
    """Return the number added to the diagonal of covariances, and their shrinkage.

    Raises
    ------
    UnsupportedEstimator
        For covariances that are estimated otherwise.
    """
    if getattr(estimator, "covariance_estimator", None) is not None:
        refuse(estimator, "covariance_estimator", "it is fitted anew for every row")
    shrinkage = getattr(estimator, "shrinkage", None)
    if isinstance(shrinkage, str):
        refuse(estimator, "shrinkage", "its strength is chosen anew for every row")
    ridge = getattr(estimator, "reg_param", 0.0) if solver == "svd" else 0.0
    return ridge, shrinkage or 0.0


@removal_model.register
def _(estimator: QuadraticDiscriminantAnalysis, X, y, sample_weight=None):
    return QuadraticDiscriminant(estimator, X, y, sample_weight)
