"""Steps of rows of a block from a base whose sums over the table are known.

In memory a `Ladder` has all rows. Here it has some of them: leverages, Newton steps and
corrections of a row need no other rows but through the Hessian and through tensors,
which are sums of the blocks.
"""

from dataclasses import dataclass, replace

import numpy as np

from skinfluence.removal.smooth._corrections import Corrections
from skinfluence.removal.smooth._ladder import Ladder


@dataclass(frozen=True)
class Shares:
    """Penalties of which every row takes a share with it.

    Attributes
    ----------
    penalty : ndarray of shape (p,)
        Diagonal per unit of weight.
    weight : float
        Weight of a row without which the penalty is that of the base.
    """

    penalty: np.ndarray
    weight: float

    def of_rows(self, X, weight):
        """Return the penalty without each row minus that of the base, (m, p)."""
        return np.multiply.outer(self.weight - weight, self.penalty)


@dataclass(frozen=True)
class Rescaled:
    """Penalties of columns whose scales are fitted again without each row.

    Attributes
    ----------
    penalty : ndarray of shape (p,)
        Diagonal of the base.
    scales : ColumnScales
        Scales of the columns.
    mean : ndarray of shape (n_features,)
        Means by which the columns are centred.
    intercept : bool
        Whether they are centred; a column of ones is then the last.
    shares : Shares or None
        Shares of the penalty that leave with the rows.
    """

    penalty: np.ndarray
    scales: object
    mean: np.ndarray
    intercept: bool
    shares: Shares | None = None

    def of_rows(self, X, weight):
        """Return the penalty without each row minus that of the base, (m, p)."""
        penalty = self.penalty
        if self.shares is not None:
            penalty = penalty + self.shares.of_rows(X, weight)
        factors = np.ones(X.shape)
        if self.intercept:
            factors[:, :-1] = self.scales.factors(X[:, :-1] + self.mean)
        else:
            factors = self.scales.factors(X)
        return penalty * factors - self.penalty


@dataclass(frozen=True)
class Start:
    """The point that exact removals of single rows start from.

    Attributes
    ----------
    theta : ndarray of shape (p,)
        Coefficients of centred columns.
    root : ndarray of shape (p, p)
        ``root.T @ root`` is the inverse Hessian there.
    penalty : ndarray of shape (p,)
        Diagonal of the penalty.
    slack : ndarray of shape (p,)
        The gradient, times the root.
    h_max : float
        Largest ``|root x|^2`` of the table's rows.
    excess : Shares, Rescaled or None
        Penalty without each row minus that above.
    tensors : tuple of ndarray
        See `removal.smooth._corrections.tensor`.
    """

    theta: np.ndarray
    root: np.ndarray
    penalty: np.ndarray
    slack: np.ndarray
    h_max: float
    excess: object = None
    tensors: tuple = ()

    def of_level(self, level):
        """Return the tensors of the steps of a level: one fewer than the level."""
        return replace(self, tensors=self.tensors[: level - 1])

    def moves(self, block, problem, mean, level):
        """Return moves (n, 1, p) from here without each row of a block."""
        start = self.of_level(level)
        ladder = ladder_of(block, problem, mean, start)
        return (corrected(ladder, start)[0] @ start.root)[:, None]


def centred(X, mean, intercept):
    """Return rows with centred columns, and ones for the intercept last."""
    if not intercept:
        return X
    out = np.empty((len(X), X.shape[1] + 1))
    np.subtract(X, mean, out=out[:, :-1])
    out[:, -1] = 1.0
    return out


class RowsOfBase:
    """Some rows at a `Start`, under the interface of `Whitened`."""

    def __init__(self, X, y, weight, pointwise, start):
        self.y, self.weight, self.pointwise = y, weight, pointwise
        self.theta, self.root, self.penalty = start.theta, start.root, start.penalty
        self.slack, self.eta = start.slack, X @ start.theta
        first, second, _ = pointwise.derivatives(self.eta, y)
        self.d, self.a = weight * first, weight * second
        self.Z = X @ start.root.T
        self.h = np.einsum("ij,ij->i", self.Z, self.Z)
        self.gap = 1 - self.a * self.h

    def excess_gradient(self, excess, theta):
        """Gradients of ``theta' diag(excess_i) theta / 2``, whitened."""
        return (excess * theta) @ self.root.T


def ladder_of(block, problem, mean, start, rows=slice(None), kind=Ladder):
    """Return the `Ladder` of some rows of a block, of one raw prediction."""
    X = centred(block.X[rows], mean, problem.intercept)
    y, weight = problem.codes(block.y[rows])[:, 0], problem.weights(block)[rows]
    base = RowsOfBase(X, y, weight, problem.pointwise, start)
    excess = None if start.excess is None else start.excess.of_rows(X, weight)
    return kind(base, excess, start.h_max)


def corrected(ladder, start, tol=0.0):
    """Take Newton steps without each row, and correct them by each tensor in turn.

    Returns
    -------
    u : ndarray of shape (m, p)
        Moves, times the inverse of the root.
    left, helped : ndarray of bool of shape (m,)
        As of `Corrections.step`.
    """
    u, left, helped = ladder.newton_step(), None, None
    first, every = u.copy(), np.arange(len(u))
    slack = np.linalg.norm(start.slack) / np.sqrt(ladder.kappa)
    for k in range(len(start.tensors)):
        steps = Corrections(ladder, slack, start.tensors[: k + 1])
        left, helped = steps.step(u, first, every, tol)
    return u, left, helped
