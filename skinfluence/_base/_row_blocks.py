"""Test rows in blocks whose influences fit into memory: `RowBlocks`."""

import numpy as np
import sklearn

from skinfluence._sklearn import n_rows, take_rows


class RowBlocks:
    """Mixin of a `BaseInfluence`: loops over blocks of test rows."""

    def _influences(self, X, y, loss):
        """Yield blocks of test rows and their influences."""
        return self._each_block(
            lambda rows: self._influence(take_rows(X, rows), y[rows], loss), n_rows(X)
        )

    def _each_block(self, function, n):
        """Yield blocks of ``n`` test rows and a function of each, in their order."""
        for rows in self._blocks(n):
            yield rows, function(rows)

    def _blocks(self, n):
        """Yield blocks of ``n`` test rows whose influences fit into working_memory."""
        budget = sklearn.get_config()["working_memory"] * 2**20
        size = max(1, int(budget // (8 * self._numbers_per_row())))
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n))

    def _numbers_per_row(self):
        """Count the numbers that a block holds for each of its test rows."""
        return self.n_samples_fit_
