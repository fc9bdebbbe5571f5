"""Blocks of test rows that threads work on."""

import numpy as np

from skinfluence._threads import in_threads, n_threads, worker_threads


class ThreadedBlocks:
    """Mixin of a `BaseInfluence` whose blocks are answered in ``n_jobs`` threads.

    Together they have the memory of one block.
    """

    @property
    def _n_threads(self):
        """Threads that may work on blocks."""
        return n_threads(self.n_jobs)

    def _blocks(self, n):
        threads = self._n_threads
        for block in super()._blocks(n):
            parts = min(len(block), threads)
            yield from np.array_split(block, parts)

    def _each_block(self, function, n):
        if self._n_threads == 1:  # joblib's context stays, for what is retrained
            yield from super()._each_block(function, n)
            return
        blocks = list(self._blocks(n))
        with worker_threads(self._n_threads):
            yield from zip(blocks, in_threads(function, blocks), strict=True)
