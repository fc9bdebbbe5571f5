"""The working model of a table in blocks: what all rows share, and a block's rows."""

from dataclasses import dataclass

import numpy as np

from skinfluence.inspection._working_model import ACCURACY, WorkingRows
from skinfluence.out_of_core._row_ladders import centred


@dataclass(frozen=True)
class Whole:
    """Sums over all rows for one linear predictor.

    Attributes
    ----------
    problem : Problem
    mean : ndarray of shape (n_features,)
        Means by which columns are centred.
    output : int
        Which of the targets it is about.
    theta : ndarray of shape (p,)
        Coefficients of centred columns, the intercept last.
    root : ndarray of shape (p, p)
        The Hessian is the identity, and the penalty diagonal, in ``theta = root u``.
    P : ndarray of shape (p,)
        The penalty's diagonal there.
    pull : ndarray of shape (p,)
        Its gradient there.
    gram_root : ndarray of shape (p, p)
        A root of the weighted products of the columns.
    error : float
        Rounding error of a leverage.
    total : float
        Sum of the weights.
    n, n_parameters, squares : float
        Rows of positive weight, sum of leverages, and of squared residuals.
    sums : dict of int to float
        Sums of squares without the rows that make up nearly all of them.
    """

    problem: object
    mean: np.ndarray
    output: int
    theta: np.ndarray
    root: np.ndarray
    P: np.ndarray
    pull: np.ndarray
    gram_root: np.ndarray
    error: float
    total: float
    n: float = 0.0
    n_parameters: float = 0.0
    squares: float = 0.0
    sums: dict | None = None


class BlockDesign:
    """The rows of a block, and coefficients of columns that are not centred."""

    def __init__(self, rows, whole):
        self.rows, self.mean = rows, whole.mean
        self.intercept = whole.problem.intercept

    def to_coef(self, theta):
        if not self.intercept:
            return theta.copy()
        out = theta.copy()
        out[..., -1] -= theta[..., :-1] @ self.mean
        return out


class BlockRows(WorkingRows):
    """The working model's rows of one block.

    Parameters
    ----------
    block : Block
    whole : Whole
    """

    def __init__(self, block, whole):
        problem, pointwise = whole.problem, whole.problem.pointwise
        self.rows = X = centred(block.X, whole.mean, problem.intercept)
        y, s = problem.codes(block.y)[:, whole.output], problem.weights(block)
        self.squared = pointwise.M == 0
        self.direction, self.gram_root = 1.0, whole.gram_root
        eta = X @ whole.theta
        information, slope = pointwise.information(eta), pointwise.slope(eta, y)
        self.share = s / whole.total * problem.per_weight
        self.w, self.slope = s * information, s * slope
        self.root, self.P, self.pull = whole.root, whole.P, whole.pull
        self.Z = X @ whole.root
        self.leverage = self.w * np.einsum("ij,ij->i", self.Z, self.Z)
        self.gap = 1 - self.leverage
        self.full = ~(whole.error <= ACCURACY * self.gap)
        floor = np.maximum(information, np.finfo(np.float64).tiny)
        self.residual = -np.sqrt(s / floor) * slope
        self.present = s > 0
        self.counts = 1.0 * self.present

    def with_scales(self, whole, span):
        """Set the variances, which depend on all rows."""
        self.n_parameters = whole.n_parameters
        if whole.problem.pointwise.known_scale:
            self.scale, self.scale_without = 1.0, np.ones(len(self.w))
            return self
        rest = self._squares_without(whole.squares)
        for row, value in (whole.sums or {}).items():
            if span.start <= row < span.stop:
                rest[row - span.start] = value
        self._set_scales(whole.n, whole.squares, rest)
        return self
