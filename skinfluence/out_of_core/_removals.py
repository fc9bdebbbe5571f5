"""Removals of the rows of a table in blocks, computed when they are asked for."""

import numpy as np

from skinfluence.out_of_core import _passes
from skinfluence.removal import Removals


class BlockwiseRemovals(Removals):
    """Removals of every single row; each question is a pass over the table.

    Parameters
    ----------
    model : BlockModel
    base : Base
    factor : ndarray of shape (n, k)
        As of `BlockRemovals`.
    polished : dict of int to ndarray of shape (k, p), default={}
        Moves of the coefficients by rows that a step does not suffice for.

    Attributes
    ----------
    store : Entries, ForeignEntries or None
        Keeps the answers of blocks on disk, each by its rows and the question.
    """

    store = None

    def __init__(self, model, base, factor, polished=()):
        self.model, self.base, self.polished = model, base, dict(polished)
        self.unresolved = np.empty(0, dtype=np.intp)
        spans = list(model.blocks.slices())
        self._factors = [factor[span] for span in spans]
        self._polished = [
            {
                row - span.start: move
                for row, move in self.polished.items()
                if span.start <= row < span.stop
            }
            for span in spans
        ]

    def _tasks(self, method, *args):
        ask = _ask if self.store is None else self.store.cache(_ask)
        return self.model.blocks.tasks(
            ask, self._factors, self._polished, base=self.base, call=(method, *args)
        )

    def _ask(self, method, *args):
        from dask import compute

        return list(compute(*self._tasks(method, *args)))

    def lazy_influence(self, X, y, loss):
        """Return the influence as a dask array, (n_test, n_train)."""
        import dask.array as da

        tasks = self._tasks("influence", self.model.design(X), y, loss)
        parts = [
            da.from_delayed(task, shape=(len(y), size), dtype=np.float64)
            for task, size in zip(tasks, self.model.blocks.sizes, strict=True)
        ]
        return da.concatenate(parts, axis=1)

    def influence(self, X, y, loss):
        return np.concatenate(
            self._ask("influence", self.model.design(X), y, loss), axis=1
        )

    def mean_influence(self, X, y, loss, weight):
        parts = self._ask("mean_influence", self.model.design(X), y, loss, weight)
        return np.concatenate(parts)

    def own_influence(self, y, loss):
        """Read the targets of the rows with them; ``y`` is not used."""
        return np.concatenate(self._ask("own_influence", loss))

    def top(self, X, y, loss, n_rows):
        """Return the largest absolute influences, and their rows, (n_test, n_rows)."""
        found = self._ask("top", self.model.design(X), y, loss, n_rows)
        values = np.concatenate([part[0] for part in found], axis=1)
        starts = self.model.blocks.starts
        rows = np.concatenate(
            [part[1] + start for part, start in zip(found, starts, strict=False)],
            axis=1,
        )
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :n_rows]
        return tuple(np.take_along_axis(a, order, axis=1) for a in (values, rows))

    def summed(self, masks):
        """Return moves of the coefficients by sums of rows, (n_sums, k, p)."""
        member = [
            masks[:, span].astype(np.float64) for span in self.model.blocks.slices()
        ]
        (moves,) = self.model.blocks.total(
            _summed, self._factors, member, base=self.base
        )
        return moves


def _ask(block, factor, polished, base, call):
    method, *args = call
    return getattr(_passes.BlockRemovals(block, factor, polished, base), method)(*args)


def _summed(block, factor, member, base):
    return _passes.BlockRemovals(block, factor, {}, base).summed(member)
