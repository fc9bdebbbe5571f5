"""Exact leave-one-out of a model that is brought up to date by sums over its rows."""

import numpy as np

from skinfluence.removal._weights import row_weights
from skinfluence.updates import refuse_changes, row_sums


class Postponed:
    """An attribute of ``fit`` that, once deleted, is computed anew when it is read."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if not hasattr(instance, "estimator_"):  # of the class as well
            raise AttributeError(
                f"{owner.__name__} has no attribute {self.name!r} before fit is called."
            )
        instance._prepare()
        return vars(instance)[self.name]


class FollowedSums:
    """Mixin of `LeaveOneOutInfluence`: ``add_rows`` and ``remove_rows``.

    The estimator follows at once. All that `_fit_influence` computes for single rows
    (leverages, say) changes with any row, and is postponed to the next query.
    """

    _model, _removals, _refits = Postponed(), Postponed(), Postponed()
    refitted_rows_, optimum_distance_ = Postponed(), Postponed()

    def _refuse_changes(self):
        if self._fit_X is None:
            reason = "The table is a dask collection, whose rows are not kept"
        elif self.solver_ == "refit":
            reason = f"The rows are left out by retraining: {self._why.rstrip('.')}"
        else:
            weight = self._fit_params.get("sample_weight")
            weight = row_weights(weight, self.n_samples_fit_)
            if self._followed is None:
                targets = np.asarray(self._targets)
                self._followed = row_sums(self.estimator_, self._fit_X, targets, weight)
            return
        refuse_changes(reason)

    def _follow(self, change):
        rows = change.X, change.y, change.weight
        self._followed = self._followed.changed(*rows, change.sign)
        if self._followed is None:
            return False
        self.estimator_ = self._followed.estimator
        self._fit_y = change.applied(self._fit_y, self._encode(change.y))
        self._training = self._fit_X, self._targets, self._fit_params
        self._forget()
        return True

    def _forget(self):
        """Postpone what a change of the rows leaves outdated to the next query."""
        for name, value in vars(FollowedSums).items():
            if isinstance(value, Postponed):
                vars(self).pop(name, None)
        self._row_certificate = None

    def _prepare(self):
        try:
            with self._threads():
                self._fit_influence(*self._training)
        except BaseException:
            self._forget()
            raise
