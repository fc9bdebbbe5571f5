"""Shapley values of neighbours whose training rows are a dask collection."""

import numpy as np
import sklearn
from sklearn.base import clone

from skinfluence._losses import resolve_loss
from skinfluence.out_of_core._blocks import blocks_of
from skinfluence.out_of_core._neighbors import (
    LEARNED,
    BlockNeighborsClassifier,
    BlockNeighborsRegressor,
    block_targets,
)
from skinfluence.retraining._neighbor_order import distance_order


class BlockNeighbors:
    """Mixin of `KNNShapley`: distances from the blocks of a table, a pass at a time.

    A pass answers as many test rows as have the distances of all training rows, twice,
    in ``working_memory``.
    """

    _lazy = False  # whether the training rows are a collection

    def _fit_collections(self, X, y, fit_params):
        if fit_params:
            raise TypeError(f"KNNShapley takes no fit parameters. Got {[*fit_params]}.")
        needed = None if callable(self.metric) else LEARNED.get(self.metric)
        if needed is not None and needed not in (self.metric_params or {}):
            raise ValueError(
                f"The 'metric' parameter {self.metric!r} needs all rows at once: pass "
                f"metric_params={{{needed!r}: ...}}, or another metric, for dask "
                "collections."
            )
        if self.metric == "precomputed":
            raise ValueError(
                "The 'metric' parameter must not be 'precomputed' for dask "
                "collections: pass rows and the metric."
            )
        regression = self.utility == "squared_error"
        blocks, self._lazy = blocks_of(X, y, labels=not regression), True
        self.n_samples_fit_ = len(blocks)
        self._set_game()
        targets = np.concatenate(blocks.map(block_targets))
        if targets.ndim == 2 and targets.shape[1] == 1 and not regression:
            targets = targets[:, 0]
        model = BlockNeighborsRegressor if regression else BlockNeighborsClassifier
        self.estimator_ = model(blocks, targets, self.n_neighbors, self._distances)
        self._loss = resolve_loss(self.loss, self.estimator_)
        self._fit_X, self._fit_y = None, self._encode(targets)
        return self

    def _passes(self, n):
        """Cut test rows into those of one pass over the table each."""
        budget = sklearn.get_config()["working_memory"] * 2**20
        size = max(1, int(budget // (16 * self.n_samples_fit_)))
        return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]

    @property
    def _n_threads(self):
        return 1 if self._lazy else super()._n_threads  # dask has workers of its own

    def _distances_to(self, X):
        return self.estimator_.distances_to(self.estimator_.checked(X))

    def _by_distances(self, parts, y, loss):
        """Return the influence from distances of the blocks, (n_samples, n)."""
        out = np.hstack(parts)
        for rows in self._sorted(len(out)):
            order = distance_order(out[rows])
            values = np.empty(order.shape)
            np.put_along_axis(values, order, self._values(order, y[rows], loss), axis=1)
            out[rows] = values
        return out

    def _matrix(self, X, y, loss):
        if not self._lazy:
            return super()._matrix(X, y, loss)
        import dask.array as da
        from dask import delayed

        # What the tasks need, without the table.
        light = clone(self)
        light._fit_y, light._game = self._fit_y, self._game
        light.n_samples_fit_ = n = self.n_samples_fit_
        values, parts = delayed(light._by_distances), []
        X = self.estimator_.checked(X)
        for rows in self._passes(len(X)):
            found = values(self.estimator_.distance_tasks(X[rows]), y[rows], loss)
            parts.append(da.from_delayed(found, (len(rows), n), dtype=np.float64))
        return da.concatenate(parts)

    def _self_influence(self, X, y, loss):
        if not self._lazy:
            return super()._self_influence(X, y, loss)
        values, blocks = np.empty(self.n_samples_fit_), self.estimator_.blocks
        for part, span in zip(blocks.parts, blocks.slices(), strict=True):
            X = part.compute().X
            for rows in self._passes(len(X)):
                own = span.start + rows
                found = self._influence(X[rows], y[own], loss)
                values[own] = found[np.arange(len(rows)), own]
        return values
