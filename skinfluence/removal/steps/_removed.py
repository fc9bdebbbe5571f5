"""Removed rows, and statistics of columns without them.

Single rows and sets of rows have the same methods, so that a transformer is described
once. Missing entries are NaN and are left out of all statistics.
"""

from abc import ABC, abstractmethod

import numpy as np


class Removed(ABC):
    """Removals of rows, each from the full table of ``n_samples`` rows.

    Attributes
    ----------
    n_removals : int
        How many removals there are.
    left : ndarray of shape (n_removals,)
        Rows that remain.
    held : frozenset of int or None
        ``id`` of the fitted steps that are held fixed; None while that is open.
    """

    @abstractmethod
    def sums(self, values):
        """Sums over the removed rows, shape (n_removals, n_columns)."""

    @abstractmethod
    def kept(self, removal):
        """Mask of the rows that one removal leaves, shape (n_samples,)."""

    @abstractmethod
    def maxima(self, values):
        """Largest values that remain, shape (n_removals, n_columns); NaN of none."""

    @abstractmethod
    def medians(self, values):
        """Medians of what remains, shape (n_removals, n_columns); NaN of none."""

    @abstractmethod
    def counts(self, codes, n_codes):
        """Yield removals, and how often each code remains without any one of them.

        ``codes`` of shape (n_samples,), -1 where a row has none.
        """


class SingleRows(Removed):
    """Every single row."""

    def __init__(self, n_samples, held=None):
        self.n_samples = self.n_removals = n_samples
        self.held = held
        self.left = np.full(n_samples, n_samples - 1)

    def sums(self, values):
        return values

    def kept(self, removal):
        mask = np.ones(self.n_samples, dtype=bool)
        mask[removal] = False
        return mask

    def maxima(self, values):
        values = np.where(np.isnan(values), -np.inf, values)
        largest = values.max(axis=0)
        at = values == largest
        next_one = np.where(at, -np.inf, values).max(axis=0)
        out = np.where(at & (at.sum(axis=0) == 1), next_one, largest)
        return np.where(np.isinf(out), np.nan, out)

    def medians(self, values):
        out = np.full(values.shape, np.nan)
        for column, result in zip(values.T, out.T, strict=True):
            present = np.flatnonzero(~np.isnan(column))
            result[:] = np.median(column[present]) if len(present) else np.nan
            order = present[np.argsort(column[present], kind="stable")]
            m = len(order)
            if m < 2:
                result[present] = np.nan
                continue
            ordered, place = column[order], np.arange(m)
            low, high = (m - 2) // 2, (m - 1) // 2  # of what remains
            low, high = low + (place <= low), high + (place <= high)
            result[order] = (ordered[low] + ordered[high]) / 2
        return out

    def counts(self, codes, n_codes):
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(codes[codes >= 0], minlength=n_codes)
        bounds = np.searchsorted(codes[order], np.arange(-1, n_codes + 1))
        for code, start, stop in zip(
            range(-1, n_codes), bounds[:-1], bounds[1:], strict=True
        ):
            if start < stop:
                without = counts.copy()
                if code >= 0:
                    without[code] -= 1
                yield order[start:stop], without


class Groups(Removed):
    """Sets of rows.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_groups, n_samples)
        The rows of each set.
    held : frozenset of int, default=None
        See `Removed`.
    """

    def __init__(self, masks, held=None):
        self.masks, self.held = masks, held
        self.n_removals, self.n_samples = masks.shape
        self.left = self.n_samples - masks.sum(axis=1)

    def sums(self, values):
        return self.masks.astype(np.float64) @ values

    def kept(self, removal):
        return ~self.masks[removal]

    def _each(self, statistic, values):
        out = np.full((self.n_removals, values.shape[1]), np.nan)
        for mask, result in zip(self.masks, out, strict=True):
            remaining = values[~mask]
            some = ~np.isnan(remaining).all(axis=0)
            if len(remaining) and some.any():
                result[some] = statistic(remaining[:, some], axis=0)
        return out

    def maxima(self, values):
        return self._each(np.nanmax, values)

    def medians(self, values):
        return self._each(np.nanmedian, values)

    def counts(self, codes, n_codes):
        for g, mask in enumerate(self.masks):
            remaining = codes[~mask]
            yield [g], np.bincount(remaining[remaining >= 0], minlength=n_codes)
