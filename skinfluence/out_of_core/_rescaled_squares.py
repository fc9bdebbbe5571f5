"""Least squares without each row of a table, behind a scaler that is fitted again."""

from dataclasses import dataclass, replace

import numpy as np

from skinfluence.out_of_core._row_ladders import centred
from skinfluence.out_of_core._single_rows import RowsOneByOne

_ROUNDS = 60


@dataclass(frozen=True)
class RescaledSteps:
    r"""Steps to the minimisers without single rows, one for each output c.

    .. math:: (I - s_i z_i z_i^\top + P \, diag(e_i) P^\top)^{-1}
        (s_i r_{ic} z_i - P (e_i \theta_c))

    in coordinates ``z = P x`` in which the Hessian with all rows is the identity, with
    r the residuals and e the penalty without row i minus that with it. Moves
    are solved for by fixed-point steps, which contract by about e over the penalty, and
    where that is too slow by a factorisation of the row's own. A row moves coefficients
    in its own way: moves are computed again for every query.

    Attributes
    ----------
    theta : ndarray of shape (k, p)
        Coefficients with all rows.
    root : ndarray of shape (p, p)
        P.
    excess : Rescaled
        It has the e of rows.
    """

    theta: np.ndarray
    root: np.ndarray
    excess: object

    def moves(self, block, problem, mean, level):
        """Return the moves of the coefficients by each row of a block, (n, k, p)."""
        X = centred(block.X, mean, problem.intercept)
        s, targets = problem.weights(block), problem.codes(block.y)
        e, Z = self.excess.of_rows(X, s), X @ self.root.T
        out = np.empty((len(X), *self.theta.shape))
        for c, theta in enumerate(self.theta):
            slope = problem.pointwise.slope(X @ theta, targets[:, c])
            pull = (s * slope)[:, None] * Z - (e * theta) @ self.root.T
            out[:, c] = _solved(Z, s, self.root, e, pull) @ self.root
        return out


def _solved(Z, s, root, excess, v):
    """Solve with the Hessian without each row, (n, p)."""
    gap = np.maximum(1 - s * np.einsum("ij,ij->i", Z, Z), 1e-15)

    def without_row(v):
        return v + (s / gap * np.einsum("ij,ij->i", Z, v))[:, None] * Z

    u = without_row(v)
    for _ in range(_ROUNDS):
        new = without_row(v - ((u @ root) * excess) @ root.T)
        error = np.abs(new - u).max(axis=1, initial=0.0)
        slow, u = error > 1e-14 * np.abs(new).max(axis=1, initial=0.0), new
        if not slow.any():
            return u
    for i in np.flatnonzero(slow):
        own = np.eye(len(root)) - s[i] * np.outer(Z[i], Z[i])
        u[i] = np.linalg.solve(own + (root * excess[i]) @ root.T, v[i])
    return u


def smallest_eigenvalues(block, problem, mean, root, excess, penalty):
    """Return lower bounds of those of the Hessians without each row, in a tuple."""
    X, s = centred(block.X, mean, problem.intercept), problem.weights(block)
    gap = 1 - s * np.einsum("ij,ij->i", X @ root.T, X @ root.T)
    relative = excess.of_rows(X, s) / np.where(penalty > 0, penalty, np.inf)
    return (gap * (1 + np.minimum(relative.min(axis=1), 0.0)),)


class RescaledSquares(RowsOneByOne):
    """Rows of a squared loss whose removal changes the scales of penalised columns."""

    def step(self, lift, root, gradient, excess):
        start = RescaledSteps(self.theta, root, excess)
        self.base = replace(self.base, start=start)
        (gap,) = self.model.each_row(
            smallest_eigenvalues,
            problem=self.problem,
            root=root,
            excess=excess,
            penalty=self.penalty,
        )
        return np.empty((self.n, 0)), gap, np.zeros(self.n)

    chord_steps, chords = 0, None  # a step is exact
