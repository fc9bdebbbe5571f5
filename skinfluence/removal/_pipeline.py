"""A Pipeline: its fitted steps transform the rows, its last step is the model.

A refit without a row fits the steps again as well. What that changes is asked of
`removal.steps`: nothing, for most steps and rows; shifts of columns, which a free
intercept absorbs; scales of columns, which are penalties of their own; columns that
become zero, which a penalised model does not see. Rows after whose removal a step
changes otherwise are unresolved, that is to say refitted. A step that most rows
change otherwise is held fixed.
"""

from sklearn.pipeline import Pipeline

from skinfluence.removal._dispatch import refuse_samplers, removal_model
from skinfluence.removal._fills import FilledRemovals
from skinfluence.removal._model import RemovalModel, Removals
from skinfluence.removal._objective import has_objective
from skinfluence.removal._steps_before import StepsBefore


class PipelineModel(RemovalModel):
    """The last step's model on transformed rows.

    Parameters
    ----------
    steps : StepsBefore
        The steps before the last.
    model : RemovalModel
        The last step's.
    """

    def __init__(self, steps, model):
        self.steps, self.model = steps, model
        self.held_fixed = (*steps.fixed, *model.held_fixed)
        self.optimum_distance = model.optimum_distance
        self.n_bases = model.n_bases

    @property
    def held_fixed_by_steps(self):
        """Newton and first-order steps hold everything that was fitted fixed."""
        return (*self.steps.learning, *self.model.held_fixed_by_steps)

    def exact(self, tol=1e-8, masks=None):
        removals = self.model.exact(tol, masks)
        return PipelineRemovals(self, removals, self.steps.without_groups(masks))

    def newton(self, damping=0.0, masks=None):
        return PipelineRemovals(self, self.model.newton(damping, masks), None)

    def first_order(self, damping=0.0, masks=None):
        return PipelineRemovals(self, self.model.first_order(damping, masks), None)


class PipelineRemovals(Removals):
    """Removals of the last step, for test rows that are not transformed yet."""

    def __init__(self, pipeline, removals, changes):
        self.transform, self.removals = pipeline.steps.transform, removals
        self.unresolved, self.filled = removals.unresolved, None
        if changes is None:
            return
        self.leave_to_refits(pipeline.steps.to_refit(changes))
        self.fills = changes.fills
        if self.fills:
            model = pipeline.model
            self.filled = FilledRemovals(model, removals, changes.fills, self.transform)

    def _answering(self, X):
        """Return the removals that know rows X, and these rows as they take them."""
        if self.filled is not None and any(f.missing(X).any() for f in self.fills):
            return self.filled, X
        return self.removals, self.transform(X)

    def influence(self, X, y, loss):
        removals, X = self._answering(X)
        return removals.influence(X, y, loss)

    def mean_influence(self, X, y, loss, weight):
        removals, X = self._answering(X)
        return removals.mean_influence(X, y, loss, weight)

    def own_influence(self, y, loss):
        return self.removals.own_influence(y, loss)


def _flat(estimator, prefix=""):
    """Return steps and last step of a Pipeline whose last step may be another."""
    *steps, (name, last) = estimator.steps
    steps = [(prefix + step, transformer) for step, transformer in steps]
    if isinstance(last, Pipeline):
        inner, last = _flat(last, f"{prefix}{name}__")
        steps += inner
    return steps, last


@removal_model.register
def _(estimator: Pipeline, X, y, sample_weight=None):
    refuse_samplers(estimator)
    named, last = _flat(estimator)
    steps = StepsBefore(named, X)
    # New scales change the penalty of one feature more than that of another.
    columns = {"scales": steps.scales} if has_objective(last) else {}
    model = removal_model(last, steps.transform(X), y, sample_weight, **columns)
    steps.agree_with(model)
    return PipelineModel(steps, model)
