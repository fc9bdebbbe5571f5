"""Influence estimators that take dask collections of training rows."""

from abc import abstractmethod

from sklearn.base import is_classifier

from skinfluence._disk_entries import check_folder, open_entries
from skinfluence._losses import resolve_loss
from skinfluence._sklearn import final_sample_weight
from skinfluence.out_of_core._removals import BlockwiseRemovals
from skinfluence.removal import UnsupportedEstimator


class CollectionInfluence:
    """Mixin of a `BaseInfluence` whose training rows may be dask collections.

    Then ``influence`` returns a dask array, and everything is computed block by block.
    """

    @property
    def _lazy(self):
        """Whether the rows of fit were dask collections."""
        return isinstance(self._removals, BlockwiseRemovals)

    @abstractmethod
    def _refuse_for_collections(self):
        """Raise for parameters that have no meaning with dask collections."""

    @abstractmethod
    def _fit_removals(self):
        """Set ``_removals``, and the attributes of the method, from ``_model``."""

    def _fit_collections(self, X, y, fit_params):
        from skinfluence.out_of_core._blocks import blocks_of
        from skinfluence.out_of_core._fitting import fitted_to_blocks
        from skinfluence.out_of_core._steps import check_steps

        memory = getattr(self, "memory", None)
        check_folder(memory)
        self._refuse_for_collections()
        last = check_steps(self.estimator)
        weight, others = final_sample_weight(self.estimator, fit_params)
        of_steps = len(fit_params) > len(others) + (weight is not None)
        if others or of_steps:
            raise UnsupportedEstimator(
                f"The fit parameters {sorted(fit_params)} cannot be used with dask "
                "collections, but for sample_weight of the model: leave them out, or "
                "pass arrays that fit into memory."
            )
        raw, labels = last is not self.estimator, is_classifier(last)
        blocks = blocks_of(X, y, weight, raw=raw, labels=labels)
        self._model, self.estimator_ = fitted_to_blocks(self.estimator, blocks)
        self.n_samples_fit_ = len(self._model.blocks)
        self._loss = resolve_loss(self.loss, self.estimator_)
        # Targets are read with the rows.
        self._fit_X, self._fit_y = None, self._model.no_targets()
        self._row_certificate = None
        self.fixed_steps_, self.optimum_distance_ = [], 0.0
        self._fit_removals()
        self._removals.store = open_entries(memory)
        return self

    def _matrix(self, X, y, loss):
        if not self._lazy:
            return super()._matrix(X, y, loss)
        return self._removals.lazy_influence(X, y, loss)

    def _top_rows(self, X, y, loss, n_rows):
        if not self._lazy:
            return super()._top_rows(X, y, loss, n_rows)
        return self._removals.top(X, y, loss, n_rows)

    def _numbers_per_row(self):
        if not self._lazy:
            return super()._numbers_per_row()
        return max(self._model.blocks.sizes)
