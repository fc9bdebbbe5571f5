"""Removals that move the coefficients of a linear model, and their influence."""

from abc import abstractmethod

import numpy as np

from skinfluence.removal._raw import RawRemovals
from skinfluence.removal.linear._mean_series import series_sums


class MovedCoefficients(RawRemovals):
    """Removals that move the coefficients of a `LinearModel`."""

    @abstractmethod
    def along(self, gradient):
        """Moves of theta times a gradient of shape (k, p), shape (n_removals,)."""

    def mean_influence(self, X, y, loss, weight):
        """Form no matrix to first order."""
        if not self.first_order:
            return super().mean_influence(X, y, loss, weight)
        rows = self.model.design(X)
        slope = loss.slope(y, rows @ self.model.theta.T, self.link)
        return self.along((rows.T @ (weight[:, None] * slope)).T)


class RankOneRemovals(MovedCoefficients):
    """Single rows whose removal moves coefficients along ``H^{-1} x_i``.

    Closed forms and single steps are of this kind. Nothing of size n x p is kept
    but the design: moves of raw predictions are ``x_t' H^{-1} x_i`` times a factor.

    Parameters
    ----------
    model : LinearModel
        The model.
    lift : ndarray of shape (p, r)
        Inverse Hessian, or the part of it that turns ``rows`` into coefficients.
    factor : ndarray of shape (n, k)
        Row i moves output c by ``factor[i, c] * lift @ rows[i]``.
    unresolved : ndarray of int
        Rows to be refitted.
    first_order : bool
        Whether to follow the slope of the loss instead of evaluating it.
    drift : tuple (ndarray of shape (n,), ndarray of shape (k, p)), default=None
        Multiples of a common move that are added.
    rows : ndarray of shape (n, r), default=None
        Training rows in the coordinates of ``lift``; None for those of the design.
    """

    def __init__(
        self, model, lift, factor, unresolved, first_order, drift=None, rows=None
    ):
        self.model, self.link, self.first_order = model, model.link, first_order
        self.lift, self.factor, self.drift = lift, factor, drift
        self.rows = model.design.rows if rows is None else rows
        self.n_removals = len(factor)
        self.unresolved = unresolved

    def prepare(self, X):
        rows = self.model.design(X)
        return rows @ self.model.theta.T, self._state(rows)

    def _state(self, rows):
        common = rows[:, :0] if self.drift is None else rows @ self.drift[1].T
        return rows @ self.lift, common

    def moves(self, state, removals):
        solved, common = state
        rows, factor = self.rows[removals], self.factor[removals]
        if factor.shape[1] == 1:  # scaling rows is less work than scaling products
            out = (solved @ (rows * factor).T)[:, :, None]
        else:
            out = (solved @ rows.T)[:, :, None] * factor
        if self.drift is not None:
            out += self.drift[0][removals][:, None] * common[:, None]
        return out

    def mean_influence(self, X, y, loss, weight):
        """Use a series, where there are more test rows than columns."""
        raw, state = self.prepare(X)
        many = len(raw) > self.factor.shape[1] * self.rows.shape[1]
        terms = None
        if many and not self.first_order and (weight >= 0).all():
            terms = loss.expansion(y, raw, self.link)
        if terms is None:
            return super().mean_influence(X, y, loss, weight)
        out, left = series_sums(self, state, terms, weight)
        every, known = np.arange(len(raw)), np.isfinite(terms[1]).all(axis=1)
        for removals, tests in ((left, every), (~left, every[~known])):
            if removals.any() and len(tests):
                part = self._some(removals)
                own = tuple(s[tests] for s in state)
                args = raw[tests], own, y[tests], loss, weight[tests]
                found = part._mean_of_tiles(*args)
                out[removals] = found + (0.0 if tests is every else out[removals])
        return out

    def _some(self, removals):
        """Return some of the removals, bool (n,)."""
        drift = self.drift and (self.drift[0][removals], self.drift[1])
        rows, factor = self.rows[removals], self.factor[removals]
        none = np.empty(0, dtype=np.intp)
        return RankOneRemovals(self.model, self.lift, factor, none, False, drift, rows)

    def displacements(self, rows):
        """Moves of theta for some removals, shape (len(rows), k, p)."""
        solved = self.rows[rows] @ self.lift.T
        out = self.factor[rows][:, :, None] * solved[:, None]
        if self.drift is not None:
            out += self.drift[0][rows][:, None, None] * self.drift[1]
        return out

    def summed(self, member):
        """Moves of theta by sums of removals, member of shape (n_sums, n_removals)."""
        moves = np.stack([(member * f) @ self.rows for f in self.factor.T], axis=1)
        moves = moves @ self.lift.T
        if self.drift is not None:
            moves += np.multiply.outer(member @ self.drift[0], self.drift[1])
        return moves

    def own_moves(self):
        rows, own = self.model.design.rows, np.empty_like(self.factor)
        for start in range(0, len(rows), 4096):
            part = slice(start, start + 4096)
            lifted = rows[part] @ self.lift
            quadratic = np.einsum("ij,ij->i", lifted, self.rows[part])
            own[part] = self.factor[part] * quadratic[:, None]
        if self.drift is not None:
            own += self.drift[0][:, None] * (rows @ self.drift[1].T)
        return rows @ self.model.theta.T, own

    def influence(self, X, y, loss):
        if not self.first_order:
            return super().influence(X, y, loss)
        raw, state = self.prepare(X)
        slope = loss.slope(y, raw, self.link)
        solved, common = state
        gradient = (slope[:, :, None] * solved[:, None]).reshape(len(raw), -1)
        out = np.empty((len(raw), self.n_removals))
        size = max(1, 2**22 // gradient.shape[1])
        for start in range(0, self.n_removals, size):
            part = slice(start, start + size)
            rows = self.rows[part]
            scaled = self.factor[part][:, :, None] * rows[:, None]
            np.matmul(gradient, scaled.reshape(len(rows), -1).T, out=out[:, part])
            if self.drift is not None:
                out[:, part] += np.outer(
                    (common * slope).sum(axis=1), self.drift[0][part]
                )
        return out

    def along(self, gradient):
        solved = self.rows @ (gradient @ self.lift).T
        out = (solved * self.factor).sum(axis=1)
        if self.drift is not None:
            out += self.drift[0] * (self.drift[1] * gradient).sum()
        return out


class LinearRemovals(MovedCoefficients):
    """Coefficients moved by removals, and what that does to losses.

    Memory: the moves, n_removals x p x k floats; a factor, not a model, per row.
    """

    def __init__(self, model, displacement, unresolved, first_order):
        self.model, self.displacement, self.link = model, displacement, model.link
        self.n_removals = len(displacement)
        self.unresolved = np.asarray(unresolved, dtype=np.intp)
        self.first_order = first_order

    def prepare(self, X):
        rows = self.model.design(X)
        return rows @ self.model.theta.T, rows

    def moves(self, state, removals):
        n_removals, k, p = self.displacement[removals].shape
        flat = self.displacement[removals].reshape(n_removals * k, p)
        return (state @ flat.T).reshape(state.shape[0], n_removals, k)

    def displacements(self, rows):
        """Moves of theta for some removals, shape (len(rows), k, p)."""
        return self.displacement[rows]

    def summed(self, member):
        """Moves of theta by sums of removals, member of shape (n_sums, n_removals)."""
        return np.tensordot(member, self.displacement, axes=1)

    def own_moves(self):
        rows = self.model.design.rows
        own = np.einsum("ip,ikp->ik", rows, self.displacement)
        return rows @ self.model.theta.T, own

    def along(self, gradient):
        return np.tensordot(self.displacement, gradient, axes=2)
