"""Diagonal quadratic penalties, and what the removal of rows makes of them."""

import numpy as np

# Share of a variance below which it is not the difference of two sums.
COLLAPSE = 1e-3


class Penalty:
    """``theta' R theta / 2`` with R diagonal.

    Two things can tie R to the rows. Where the loss is a mean, R is proportional to
    the sum of some mass of the rows: a row takes its share with it. And behind a
    StandardScaler that is fitted again, a penalty on the coefficients of the newly
    scaled columns is, in the columns as they were, one with R times their variances
    without the row (the free intercept absorbs the new means).

    Parameters
    ----------
    diagonal : ndarray of shape (p,)
        R with all rows.
    weight : ndarray of shape (n,)
        Sample weights.
    mass : ndarray of shape (n,), default=None
        What R is proportional to the sum of; None for nothing.
    """

    def __init__(self, diagonal, weight, mass=None):
        self.diagonal, self.weight, self.mass = diagonal, weight, mass
        self.columns = None

    def follow_scaler(self, columns):
        """Let R follow the variances of ``columns``, shape (n, p)."""
        self.columns = columns - columns.mean(axis=0)
        self.squares = (self.columns**2).sum(axis=0)

    @property
    def constant(self):
        """Whether removals leave R as it is."""
        return self.mass is None and self.columns is None

    def without_rows(self):
        """R without each single row, shape (n, p)."""
        n = len(self.weight)
        out = np.repeat(self.diagonal[None], n, axis=0)
        if self.mass is not None:
            out *= 1 - (self.mass / self.mass.sum())[:, None]
        if self.columns is not None:
            share = self._variances(self.columns, self.columns**2, n - 1)
            self._anew(share, None)
            out *= share
        return out

    def without_groups(self, masks):
        """R without each group of rows, masks of shape (n_groups, n)."""
        member = masks.astype(np.float64)
        out = np.repeat(self.diagonal[None], len(masks), axis=0)
        if self.mass is not None:
            out *= 1 - (member @ self.mass / self.mass.sum())[:, None]
        if self.columns is not None:
            left = len(self.weight) - member.sum(axis=1, keepdims=True)
            sums, squares = member @ self.columns, member @ self.columns**2
            share = self._variances(sums, squares, np.maximum(left, 1))
            self._anew(share, masks)
            out *= share
        return out

    def _variances(self, sums, squares, left):
        """Variances of ``left`` remaining rows, relative to those of all rows."""
        full = self.squares / len(self.weight)
        variance = (self.squares - squares) / left - (sums / left) ** 2
        # A column that is constant now has no coefficient, whatever R: any will do.
        varies = variance > 1e-13 * full
        return np.where(varies, variance / np.where(full > 0, full, 1.0), 1.0)

    def _anew(self, share, masks):
        """Compute again, in place, where what goes has nearly all of a variance."""
        full = self.squares / len(self.weight)
        for g, j in np.argwhere(share < COLLAPSE):
            gone = g if masks is None else masks[g]
            share[g, j] = np.delete(self.columns[:, j], gone).var() / full[j]
