r"""The p-value of a least-squares coefficient, which is to cross a level.

In the t-test of ``beta_j = 0``, ``t^2 = beta_j^2 (n - p) / (RSS c)`` with c the j-th
diagonal entry of ``(X'X)^{-1}``. Without a set S, with g_i the j-th entries of
``(X'X)^{-1} x_i`` and r, q the residuals of y and of g without S (`RemovedSquares`),

    beta - sum_S g_i r_i,    RSS - sum_S e_i r_i,    c + sum_S g_i q_i,

of which every term has a bound for all S of at most k rows, and so has t.
"""

import numpy as np
import scipy.linalg as sla
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from skinfluence._sklearn import (
    final_estimator,
    final_sample_weight,
    preprocess,
    take_rows,
)
from skinfluence.certificates._largest import sum_of_largest
from skinfluence.groups._coefficient import Coefficient
from skinfluence.removal import UnsupportedEstimator


class Significance(Coefficient):
    """Whether the two-sided t-test of a coefficient rejects that it is zero.

    The value is the p-value minus the level.

    Parameters
    ----------
    influence : fitted influence estimator
        Around LinearRegression, or a Pipeline that ends in it.
    coefficient : int or str
        As for `Coefficient`.
    level : float
        Of the test.
    """

    def __init__(self, influence, coefficient, level):
        self.level = level
        last = final_estimator(influence.estimator_)
        if not isinstance(last, LinearRegression) or last.positive:
            raise UnsupportedEstimator(
                "target='significance' is about the t-test of least squares: the "
                "estimator must be LinearRegression, or a Pipeline that ends in it. "
                f"Got {influence.estimator!r:.100}."
            )
        super().__init__(influence, coefficient)
        if not np.isfinite(self.value_before):
            raise ValueError(
                "The t-test needs more rows than coefficients, and columns that do not "
                "depend on each other."
            )

    def _weighted(self, model, kept):
        """Design and targets times the roots of the weights, of rows of weight > 0."""
        rows = preprocess(model, take_rows(self.X, kept))
        X = (
            rows.toarray()
            if hasattr(rows, "toarray")
            else np.asarray(rows, dtype=float)
        )
        last = final_estimator(model)
        if last.fit_intercept:
            X = np.column_stack([X, np.ones(len(X))])
        y = np.asarray(self.y, dtype=np.float64)[kept]
        weight, _ = final_sample_weight(self.influence.estimator_, self.fit_params)
        if weight is None:
            return X, y, np.ones(len(y), dtype=bool)
        weight = np.broadcast_to(np.asarray(weight, dtype=float), len(self.y))[kept]
        root = np.sqrt(weight)
        return X * root[:, None], y * root, weight > 0

    def _table(self, model, kept):
        return CoefficientTest(*self._weighted(model, kept), self.j)

    def value(self, model, kept):
        if kept is None:
            kept = np.arange(self.influence.n_samples_fit_)
        return self._table(model, kept).p_value() - self.level

    def gains(self, model, kept, players, first_order=False):
        """Implement `Estimand.gains`: moves of the size of t against its threshold."""
        who, test = players.present(kept), self._table(model, kept)
        toward = np.sign(self.value_before)  # insignificant: t is to grow
        if players.are_rows and not first_order:
            return who, toward * (
                test.sizes_without_rows(self.level) - test.size(self.level)
            )
        if players.are_rows:
            return who, toward * test.slopes(self.level)
        sizes = np.empty(len(who))
        for i, mask in enumerate(players.masks_of(who, kept)):
            left = kept[~mask]
            sizes[i] = self._table(self.refit(left), left).size(self.level)
        return who, toward * (sizes - test.size(self.level))

    def exact_effects(self):
        """Implement `Estimand.exact_effects`: the closed form holds steps fixed."""
        return not isinstance(self.influence.estimator_, Pipeline)

    def distance(self):
        """Implement `Estimand.distance`: of the size of t from its threshold."""
        everything = np.arange(self.influence.n_samples_fit_)
        test = self._table(self.influence.estimator_, everything)
        return abs(test.size(self.level) - 1)

    def certified_rows(self, most):
        everything = np.arange(self.influence.n_samples_fit_)
        test = self._table(self.influence.estimator_, everything)
        self.largest_change(1)
        squares, pull = self._squares
        if squares is None:
            return 0
        low, high = 0, most + 1
        while high - low > 1:
            middle = min(2 * low + 1, (low + high) // 2)
            if self._certified(middle, test, squares, pull[0]):
                low = middle
            else:
                high = middle
        return low

    def _certified(self, k, test, squares, g):
        E, Q = squares.sizes(k), squares.sizes(k, g)
        if E is None or Q is None or test.df <= k:
            return False
        e, b = np.abs(squares.residual), abs(test.beta)
        # Both ways: insignificance may end on the other side of zero.
        move = max(
            squares.largest_move(k, g[None], np.array([sign]))[0]
            for sign in (1.0, -1.0)
        )
        loss = float(sum_of_largest(e * E, k))
        spread = float(sum_of_largest(np.abs(g) * Q, k))
        if self.value_before < 0:  # significant: the smallest |t| there can be
            smallest = (max(b - move, 0.0) ** 2) * (test.df - k)
            smallest /= test.rss * (test.c + spread)
            return smallest > test.critical(self.level, test.df - k) ** 2
        if loss >= test.rss:
            return False
        largest = (b + move) ** 2 * test.df / ((test.rss - loss) * test.c)
        return largest < test.critical(self.level, test.df) ** 2

    def largest_change(self, k):
        """Implement `Estimand.largest_change`: of p-values nothing is said."""
        super().largest_change(k)
        return np.inf


class CoefficientTest:
    """The t-test of one coefficient, and of what it is without each row.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Design rows times the roots of their weights.
    y : ndarray of shape (n,)
    counted : ndarray of bool of shape (n,)
        Rows of positive weight.
    j : int
        The coefficient.
    """

    def __init__(self, X, y, counted, j):
        n, p = X.shape
        self.counted, self.df = counted, int(counted.sum()) - p
        self.beta = self.c = self.rss = np.nan
        if self.df < 1:
            return
        Q, R = sla.qr(X, mode="economic")
        diagonal = np.abs(np.diag(R))
        if diagonal.min() <= 1e-10 * diagonal.max():
            self.df = 0
            return
        unit = sla.solve_triangular(R, np.eye(p)[j], trans="T")  # R^{-T} e_j
        self.g, self.leverage = Q @ unit, np.einsum("ij,ij->i", Q, Q)
        self.e = y - Q @ (Q.T @ y)
        self.beta, self.c = float(self.g @ y), float(unit @ unit)
        self.rss = float(self.e @ self.e)

    def p_value(self):
        """Return the two-sided p-value; infinite without degrees of freedom."""
        if self.df < 1:
            return np.inf
        if self.rss == 0:
            return 0.0 if self.beta else 1.0
        return float(2 * stats.t.sf(np.sqrt(self._square()), self.df))

    def _square(self):
        return self.beta**2 * self.df / (self.rss * self.c)

    @staticmethod
    def critical(level, df):
        """Size of t from which on the test rejects."""
        return stats.t.isf(level / 2, df)

    def size(self, level):
        """Size of t over the one from which on the test rejects."""
        if self.df < 1 or self.rss == 0:
            return 0.0
        return np.sqrt(self._square()) / self.critical(level, self.df)

    def sizes_without_rows(self, level):
        """The same without each row; 0 where no test is left."""
        df = self.df - self.counted
        gap = np.maximum(1 - self.leverage, 1e-12)
        beta = self.beta - self.g * self.e / gap
        rss = np.maximum(self.rss - self.e**2 / gap, 1e-300)
        square = beta**2 * df / (rss * (self.c + self.g**2 / gap))
        with np.errstate(invalid="ignore"):
            out = np.sqrt(square) / self.critical(level, np.maximum(df, 1))
        return np.where((df < 1) | (self.leverage > 1 - 1e-10), 0.0, out)

    def slopes(self, level):
        """Minus the derivatives of the size of t by the weights of rows."""
        log = -2 * self.g * self.e / self.beta + self.e**2 / self.rss
        log -= self.g**2 / self.c + self.counted / self.df
        return np.sqrt(self._square()) / self.critical(level, self.df) * log / 2
