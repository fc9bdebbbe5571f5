"""Diagonal quadratic penalties, and what the removal of rows makes of them."""

import numpy as np

# Share of a variance or a penalty below which it is not the difference of two sums.
COLLAPSE = 1e-3


def sums_without(values, masks=None):
    """Sum values without groups of rows; None: without each row.

    No sum is a difference, in which a row that outweighs all others would leave nothing
    but rounding errors.
    """
    if masks is not None:
        return np.where(masks, 0.0, values).sum(axis=1)
    zero = np.zeros(1)
    before = np.cumsum(np.concatenate([zero, values[:-1]]))
    after = np.cumsum(np.concatenate([zero, values[:0:-1]]))[::-1]
    return before + after


class Penalty:
    """``theta' R theta / 2`` with R diagonal.

    Two things can tie R to the rows. Where the loss is a mean, R is proportional to
    the sum of some mass of the rows: a row takes its share with it. And behind a
    scaler that is fitted again, a penalty on the coefficients of the newly scaled
    columns is, in the columns as they were, one with R times the squares of their
    scales without the row (a free intercept absorbs new means).

    Parameters
    ----------
    diagonal : ndarray of shape (p,)
        R with all rows.
    weight : ndarray of shape (n,)
        Sample weights.
    mass : ndarray of shape (n,), default=None
        Weights to whose sum R is proportional; None if R is constant.
    scales : Scales, default=None
        By what removals multiply R: its ``without(masks)`` returns columns and their
        factors, of shape (n_removals, n_columns); None for nothing.
    """

    def __init__(self, diagonal, weight, mass=None, scales=None):
        self.diagonal, self.weight = diagonal, weight
        self.mass, self.scales = mass, scales

    @property
    def constant(self):
        """Whether removals leave R as it is."""
        return self.mass is None and self.scales is None

    def shares(self, masks=None):
        """Share of the mass that remains without groups of rows; None: without each."""
        if self.mass is None:
            return np.ones(len(self.weight if masks is None else masks))
        return sums_without(self.mass, masks) / self.mass.sum()

    def collapsed(self, masks=None):
        """Tell which R are too small for differences from R with all rows."""
        return self.shares(masks) < COLLAPSE

    def without(self, masks=None):
        """R without groups of rows, shape (n_removals, p); None: without each row."""
        out = np.multiply.outer(self.shares(masks), self.diagonal)
        if self.scales is not None:
            columns, factors = self.scales.without(masks)
            out[:, columns] *= factors
        return out
