"""Removals of the rows of a table in blocks, computed on demand."""

from dataclasses import dataclass

import numpy as np

from skinfluence.out_of_core import _passes
from skinfluence.removal import Removals


@dataclass(frozen=True)
class Found:
    """Stored results of the removals of single rows: a few numbers per row.

    Attributes
    ----------
    factor : ndarray of shape (n, k)
        Row i moves output c by ``factor[i, c] * lift @ x_i``, at level 0.
    level : ndarray of uint8 of shape (n,)
        0: one step along ``lift @ x_i``. Else moves are computed when they are asked
        for: 1, a Newton step along other directions too; then corrected by one tensor
        fewer than the level.
    rows : ndarray of int of shape (m,)
        Rows whose moves are kept, ascending.
    moves : ndarray of shape (m, k, p)
        Moves of the coefficients.
    """

    factor: np.ndarray
    level: np.ndarray
    rows: np.ndarray
    moves: np.ndarray

    @classmethod
    def one_step(cls, factor):
        """Return the results if every row takes one step."""
        none = np.empty(0, dtype=np.intp)
        return cls(factor, np.zeros(len(factor), dtype=np.uint8), none, none)

    def part(self, span):
        """Return the results of consecutive rows."""
        first, last = np.searchsorted(self.rows, (span.start, span.stop))
        rows = self.rows[first:last] - span.start
        return Found(self.factor[span], self.level[span], rows, self.moves[first:last])


def merged(parts):
    """Put the `Found` of disjoint sets of rows together, each with its bool (n,)."""
    (_, first), *_ = parts
    factor, level = first.factor.copy(), first.level.copy()
    for mine, found in parts:
        factor[mine], level[mine] = found.factor[mine], found.level[mine]
    rows = np.concatenate([found.rows for _, found in parts])
    moves, order = np.concatenate([found.moves for _, found in parts]), np.argsort(rows)
    return Found(factor, level, rows[order], moves[order])


class BlockwiseRemovals(Removals):
    """Removals of every single row; each question is a pass over the table.

    Parameters
    ----------
    model : BlockModel
    bases : list of Base
    found : Found

    Attributes
    ----------
    store : Entries, ForeignEntries or None
        Keeps the answers of blocks on disk, each by its rows and the question.
    """

    store = None

    def __init__(self, model, bases, found):
        self.model, self.bases, self.found = model, bases, found
        self.unresolved = np.empty(0, dtype=np.intp)
        self._found = [found.part(span) for span in model.blocks.slices()]

    @property
    def per_block(self):
        """The results for the rows of each block, a list of `Found`."""
        return self._found

    def _tasks(self, method, *args):
        ask = _ask if self.store is None else self.store.cache(_ask)
        return self.model.blocks.tasks(
            ask, self._found, bases=self.bases, call=(method, *args)
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
            _summed, self._found, member, bases=self.bases
        )
        return moves


def _ask(block, found, bases, call):
    method, *args = call
    return getattr(_passes.BlockRemovals(block, found, bases), method)(*args)


def _summed(block, found, member, bases):
    return _passes.BlockRemovals(block, found, bases).summed(member)
