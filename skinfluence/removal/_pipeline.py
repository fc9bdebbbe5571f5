"""A Pipeline: its fitted steps transform the rows, its last step is the model."""

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal._model import RemovalModel, Removals


def refit_changes(step):
    """Tell whether refitting a transformer on other rows can change it."""
    if step is None or step == "passthrough" or isinstance(step, FrozenEstimator):
        return False
    return get_tags(step).requires_fit


class PipelineModel(RemovalModel):
    """The last step's model on transformed rows; the fitted steps are held fixed."""

    def __init__(self, transform, model, held_fixed):
        self.transform, self.model = transform, model
        self.held_fixed = (*held_fixed, *model.held_fixed)
        self.optimum_distance = model.optimum_distance

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
    last = estimator.steps[-1][1]
    # A Pipeline of one step has no transform.
    transform = estimator[:-1].transform if len(estimator.steps) > 1 else _identity
    model = removal_model(last, transform(X), y, sample_weight)
    fixed = [name for name, step in estimator.steps[:-1] if refit_changes(step)]
    return PipelineModel(transform, model, fixed)
