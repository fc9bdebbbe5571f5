"""Rows that leave-one-out leaves out by retraining: `RefittedRows`."""

import numpy as np

from skinfluence.retraining.engine import (
    announce_training,
    check_models,
    describe_retraining,
    losses_of,
)


class RefittedRows:
    """Mixin of `LeaveOneOutInfluence`: models trained without rows, and their losses.

    Removals are arrays of the positions that leave together.
    """

    def _refitted(self):
        return [np.array([i]) for i in self.refitted_rows_]

    def _refit(self, removals):
        if not removals:
            return []
        coalitions = self._coalitions(*self._training)
        check_models(
            self.estimator_,
            len(removals),
            "Use DownsamplingInfluence and pass X_val and y_val to fit: its models are "
            "then evaluated at once and discarded.",
        )
        announce_training(
            len(removals),
            self._fit_seconds,
            self._why,
            n_jobs=self.n_jobs,
            again=lambda: self._time_fit(*self._training),
            stacklevel=7,  # the caller of fit
        )
        kept, numbers = zip(*map(self._subset, removals), strict=True)
        return coalitions.models(kept, numbers)

    def _subset(self, removed):
        """Return the remaining rows and the number of the retraining."""
        rows = np.arange(self.n_samples_fit_)
        return np.setdiff1d(rows, removed, assume_unique=True), int(removed[0]) + 1

    def _refit_rows(self, rows, X, y, loss):
        """Return the influence of some rows from retrainings that are not kept."""
        removals = [np.array([i]) for i in rows]
        return self._refit_influence(X, y, loss, self._refit(removals), removals)

    def _refit_influence(self, X, y, loss, models, removals):
        """Return the loss of each retrained model minus that of the full model."""
        losses = self._evaluation(X, y, loss)
        whole = losses(self.estimator_)  # first: its errors must not be a failed fit

        def describe(i):
            subset, number = self._subset(removals[i])
            return describe_retraining(
                self.estimator_, subset, self.n_samples_fit_, self._seed, number
            )

        without = losses_of(models, losses, describe, self.error_score, self.n_jobs)
        return without.T - whole[:, None]
