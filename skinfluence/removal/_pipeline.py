"""A Pipeline: its fitted steps transform the rows, its last step is the model."""

from contextlib import nullcontext

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skinfluence.removal._dispatch import refuse_samplers, removal_model
from skinfluence.removal._model import RemovalModel, Removals
from skinfluence.removal.linear._design import original_columns
from skinfluence.removal.linear._linear import LinearModel


def refit_changes(step):
    """Tell whether refitting a transformer on other rows can change it."""
    if step is None or step == "passthrough" or isinstance(step, FrozenEstimator):
        return False
    return get_tags(step).requires_fit


def refit_with_model(step, model):
    """Tell whether ``model`` accounts for a transformer before it being refitted.

    True for an unweighted StandardScaler before a model with a free intercept, which
    absorbs the new means; new scales change its penalty.
    """
    if type(step) is not StandardScaler or not isinstance(model, LinearModel):
        return False
    if not step.with_std:
        return model.free_intercept
    if not model.design.keeps_columns:
        return False
    variance = model.design.rows[:, : step.n_features_in_].var(axis=0)
    unweighted = np.isclose(variance, 1, rtol=1e-8) | (variance < 1e-12)
    return unweighted.all() and model.follow_scaler()


class PipelineModel(RemovalModel):
    """The last step's model on transformed rows.

    Fitted steps are held fixed, but for a StandardScaler that exact removals refit.
    """

    def __init__(self, transform, model, fixed, refitted):
        self.transform, self.model = transform, model
        self.held_fixed = (*fixed, *model.held_fixed)
        self.refitted = refitted
        self.optimum_distance = model.optimum_distance
        self.n_bases = model.n_bases

    @property
    def held_fixed_by_steps(self):
        """Single steps hold the scaler fixed as well."""
        return (*self.refitted, *self.held_fixed)

    def without_rows(self, step="exact", tol=1e-8, damping=0.0):
        """Implement `RemovalModel.without_rows`."""
        removals = self.model.without_rows(step, tol, damping)
        return PipelineRemovals(self.transform, removals)

    def without_groups(self, masks, step="exact", tol=1e-8, damping=0.0):
        """Implement `RemovalModel.without_groups`."""
        removals = self.model.without_groups(masks, step, tol, damping)
        return PipelineRemovals(self.transform, removals)


class PipelineRemovals(Removals):
    """Removals of the last step, asked about transformed rows."""

    def __init__(self, transform, removals):
        self.transform, self.removals = transform, removals
        self.unresolved = removals.unresolved

    def influence(self, X, y, loss):
        """Implement `Removals.influence`."""
        return self.removals.influence(self.transform(X), y, loss)

    def mean_influence(self, X, y, loss, weight):
        """Implement `Removals.mean_influence`."""
        return self.removals.mean_influence(self.transform(X), y, loss, weight)

    def own_influence(self, y, loss):
        """Implement `Removals.own_influence`."""
        return self.removals.own_influence(y, loss)


def _identity(X):
    return X


@removal_model.register
def _(estimator: Pipeline, X, y, sample_weight=None):
    *steps, (_, last) = estimator.steps
    refuse_samplers(estimator)
    # A Pipeline of one step has no transform.
    transform = estimator[:-1].transform if steps else _identity
    fixed = [(name, step) for name, step in steps if refit_changes(step)]
    refitted = []
    # What precedes a refitted step must not change either.
    refit_last = len(fixed) == 1 and fixed[0] == steps[-1]
    # New scales change the penalty of one feature more than that of another.
    rescaled = refit_last and type(steps[-1][1]) is StandardScaler
    with original_columns() if rescaled else nullcontext():
        model = removal_model(last, transform(X), y, sample_weight)
    if refit_last:
        name, step = fixed[0]
        if refit_with_model(step, model):
            fixed, refitted = [], [name]
    return PipelineModel(transform, model, [name for name, _ in fixed], refitted)
