"""Random subsets of equal size in which every row is about as often as any other."""

from math import ceil

import numpy as np


class BalancedSubsets:
    """Subsets of a fixed share of the rows, drawn in blocks.

    The subsets of a block are windows of one random circular order of the rows, each
    beginning where the one before ends. A single subset is uniform among all of its
    size, also given in which subsets of the block a row is, so that means over the
    subsets with (or without) a row are unbiased; and in a block every row is in and
    out at least once. With half of the rows the two subsets of a block are
    complements. Blocks are independent, and block b depends on ``(seed, b)`` only: a
    larger number of subsets begins with the smaller one.

    Parameters
    ----------
    strata : ndarray of int, shape (n,)
        Subsets hold the same share of every stratum, rounded.
    fraction : float
        The share of the rows.
    seed : int
        Of all blocks.
    """

    def __init__(self, strata, fraction, seed):
        self.strata, self.fraction, self.seed = strata, fraction, seed
        # Sorted by their first rows, so that the names of the strata do not matter.
        firsts = np.sort(np.unique(strata, return_index=True)[1])
        self.members = [np.flatnonzero(strata == strata[i]) for i in firsts]
        self.sizes = [round(fraction * len(rows)) for rows in self.members]
        self.block_size = max(
            ceil(len(rows) / max(1, min(size, len(rows) - size)))
            for rows, size in zip(self.members, self.sizes, strict=True)
        )

    def check(self, n_subsets, classes):
        """Raise where rows would be in all subsets, or in none.

        Parameters
        ----------
        n_subsets : int
        classes : ndarray or None
            Names of the strata, if they are classes.
        """
        for rows, size in zip(self.members, self.sizes, strict=True):
            if not 0 < size < len(rows):
                whose, or_else = "X", "."
                if classes is not None:
                    whose = f"class {classes[self.strata[rows[0]]]!r}"
                    or_else = ", or set stratify=False."
                raise ValueError(
                    "The 'subset_fraction' parameter must leave every row out of some "
                    f"subsets and put it into others. Got {self.fraction} of the "
                    f"n_samples = {len(rows)} of {whose}, which is {size} of them: "
                    f"change it, or give more rows{or_else}"
                )
        if n_subsets < self.block_size:
            raise ValueError(
                f"The 'n_retrainings' parameter must be at least {self.block_size} for "
                f"subset_fraction={self.fraction}, so that every row is in some subset "
                f"and out of some. Got {n_subsets}."
            )

    def masks(self, n_subsets):
        """Return the first subsets, boolean (n_subsets, n)."""
        masks = np.zeros((n_subsets, len(self.strata)), dtype=bool)
        for start in range(0, n_subsets, self.block_size):
            rng = np.random.default_rng((self.seed, start // self.block_size))
            orders = [rng.permutation(rows) for rows in self.members]
            for k in range(start, min(start + self.block_size, n_subsets)):
                for order, size in zip(orders, self.sizes, strict=True):
                    window = (k - start) * size + np.arange(size)
                    masks[k, order[window % len(order)]] = True
        return masks

    def blocks(self, n_subsets):
        """Return the number of the block of each subset, shape (n_subsets,)."""
        return np.arange(n_subsets) // self.block_size
