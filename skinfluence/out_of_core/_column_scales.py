r"""By how much the scales of columns change where a scaler is fitted without rows.

A StandardScaler makes columns of variance one. With n rows and a column z of mean c the
variance without row i is

.. math:: \frac{n}{n - 1} \left(1 - \frac{(z_i - c)^2}{n - 1}\right),

so that what a refit of the scaler does is read off the transformed row. A penalty on
the coefficients of the newly scaled columns is one with these factors on those of the
columns as they were (see `removal.linear._penalty`); an intercept absorbs new means.
"""

from dataclasses import dataclass

import numpy as np

EPS = np.finfo(np.float64).eps
# Factors below which a row makes up nearly all of a variance: it is taken from sums
# over the other rows.
SHRUNK = 1e-4


@dataclass(frozen=True)
class ColumnScales:
    """Columns of the design, and the scalers they come from.

    Attributes
    ----------
    n : int
        Number of rows.
    scaled : ndarray of bool of shape (p,)
        Columns that a scaler has divided by a standard deviation that is not zero.
    centre : ndarray of shape (p,)
        Mean of these columns over the rows, which weights do not change.
    origin : ndarray of shape (p,)
        Mean of the scaler's input, divided by its standard deviation.
    scale : ndarray of shape (p,)
        The standard deviation.
    shifts : bool
        Whether a refit moves columns.
    """

    n: int
    scaled: np.ndarray
    centre: np.ndarray
    origin: np.ndarray
    scale: np.ndarray
    shifts: bool

    @classmethod
    def none(cls, n, p):
        """Return the object for columns that are not scaled."""
        return cls(n, np.zeros(p, bool), np.zeros(p), np.zeros(p), np.ones(p), False)

    @classmethod
    def beside(cls, n, parts):
        """Return the columns of several transformers, one beside the other."""
        if not parts:
            return cls.none(n, 0)
        names = ("scaled", "centre", "origin", "scale")
        joined = (np.concatenate([getattr(p, name) for p in parts]) for name in names)
        return cls(n, *joined, any(part.shifts for part in parts))

    @property
    def change(self):
        """Whether a refit changes anything."""
        return self.shifts or bool(self.scaled.any())

    def after(self, scaler):
        """Return the columns of a fitted StandardScaler that takes these."""
        if not (scaler.with_mean or scaler.with_std):
            return self
        scale = scaler.scale_ if scaler.with_std else np.ones(len(scaler.mean_))
        mean = np.zeros_like(scale) if scaler.with_mean else scaler.mean_ / scale
        if not scaler.with_std:
            centre = np.where(self.scaled, self.centre - scaler.mean_, 0.0)
            return ColumnScales(
                self.n, self.scaled, centre, self.origin, self.scale, True
            )
        shifts = scaler.with_mean or self.shifts
        scaled = varies(scaler.mean_, scaler.var_, self.n)
        both = scale * self.scale
        return ColumnScales(self.n, scaled, mean, scaler.mean_ / scale, both, shifts)

    def factors(self, X):
        """Return the squares of the scales without each of some rows, (n, p).

        They are relative to those with all rows, and no lower than `SHRUNK`, below
        which rounding hides them.
        """
        out, left = np.ones(X.shape), self.n - 1
        z = X[:, self.scaled] - self.centre[self.scaled]
        out[:, self.scaled] = self.n / left * (1 - z**2 / left)
        return np.maximum(out, SHRUNK, out=out)

    def hidden(self, X):
        """Tell which of some rows make up nearly all of a variance, (n,)."""
        return (self.factors(X) == SHRUNK).any(axis=1)

    def factors_without(self, count, mean, squares):
        """Return the same without sets of rows, from the moments of the rows left.

        Parameters
        ----------
        count : ndarray of shape (n_sets, 1)
            Rows that are left.
        mean, squares : ndarray of shape (n_sets, p)
            Means, and sums of squares about them.
        """
        count = np.maximum(count, 1)
        variance = squares / count
        vary = varies(self.origin + mean - self.centre, variance, count)
        # A column that is constant is divided by one.
        factors = np.where(vary, variance, 1 / self.scale**2)
        return np.where(self.scaled, factors, 1.0)


def varies(mean, variance, count):
    """Tell whether a StandardScaler takes columns to vary."""
    return variance > count * EPS * variance + (count * mean * EPS) ** 2


def hidden_rows(block, scales):
    """Tell which rows of a block make up nearly all of a variance, (n,)."""
    return scales.hidden(block.X)


def moments_without(block, span, removed):
    """Return numbers, means and sums of squares of the rows but some sets.

    Parameters
    ----------
    block : Block
    span : slice
        Positions of its rows.
    removed : list of ndarray of int
        Positions of the rows of each set.

    Returns
    -------
    count : ndarray of shape (n_sets, 1)
    mean, squares : ndarray of shape (n_sets, p)
    """
    count = np.empty((len(removed), 1))
    mean = np.empty((len(removed), block.X.shape[1]))
    squares, whole = np.empty_like(mean), column_moments(block.X)
    for k, rows in enumerate(removed):
        own = rows[(rows >= span.start) & (rows < span.stop)] - span.start
        found = column_moments(np.delete(block.X, own, axis=0)) if len(own) else whole
        count[k], mean[k], squares[k] = found
    return count, mean, squares


def column_moments(X):
    """Return the number of rows, means of columns, and sums of squares about them."""
    if not len(X):
        return 0.0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    mean = X.mean(axis=0)
    centred = X - mean
    rest = centred.mean(axis=0)  # of rounding
    squares = (centred**2).sum(axis=0) - len(X) * rest**2
    return float(len(X)), mean + rest, squares


def merged_moments(one, other):
    """Merge moments of two sets of rows, without cancellation.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
       variance: analysis and recommendations", The American Statistician 37(3), 1983.
    """
    (m, a, p), (n, b, q) = one, other
    total = np.maximum(m + n, 1)
    gap = b - a
    return m + n, a + gap * (n / total), p + q + gap**2 * (m * n / total)
