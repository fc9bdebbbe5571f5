"""The fitted transformers before a model, and what of their changes it follows."""

from skinfluence._sklearn import n_rows
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.steps import Changes, Groups, SingleRows, follow_steps


class StepsBefore:
    """The fitted transformers before a model, and how they change without rows.

    Parameters
    ----------
    steps : list of (str, transformer)
        As a Pipeline has them.
    X : array-like of shape (n_samples, n_features)
        Training rows.

    Attributes
    ----------
    changes : Changes
        Without each single row.
    """

    # Which of the changes the model follows, set by `agree_with`.
    _empty = _shifts = _scales = _fills = False

    def __init__(self, steps, X):
        self.steps, self.X, self._held = steps, X, None
        self.changes = self._without(SingleRows(n_rows(X)))

    def transform(self, X):
        """Transform rows by the fitted steps."""
        for _, step in self.steps:
            if step is not None and not isinstance(step, str):
                X = step.transform(X)
        return X

    @property
    def fixed(self):
        """Names of the steps that are held fixed."""
        return tuple(name for name, _ in self.changes.fixed)

    @property
    def learning(self):
        """Names of all steps that learn anything from the rows."""
        both = (*self.changes.followed, *self.changes.fixed)
        return tuple(name for name, _ in both)

    @property
    def scales(self):
        """`Scales` of these steps, None where no removal changes any."""
        return Scales(self) if self.changes.scales.any() else None

    def _without(self, removed):
        before = Changes.none(0, removed.n_removals)
        return follow_steps(self.steps, self.X, before, removed)

    def without_groups(self, masks):
        """Changes without groups of rows, masks of shape (n_groups, n) or None."""
        if masks is None:
            return self.changes
        self._held = frozenset(id(step) for _, step in self.changes.fixed)
        return self._without(Groups(masks, self._held))

    def agree_with(self, model):
        """Find out which of the changes a model follows.

        Where that leaves most rows to be refitted, what moves columns is held fixed.
        """
        if isinstance(model, LinearModel):
            self._fills, self._empty = True, model.penalises_columns
            self._shifts = model.free_intercept
            self._scales = model.follows_scales
        if 2 * self.to_refit(self.changes).sum() > n_rows(self.X):
            held = (*self.changes.movers, *self.changes.fixed)
            self._held = frozenset(id(step) for _, step in held)
            self.changes = self._without(SingleRows(n_rows(self.X), self._held))
            self._scales = False

    def to_refit(self, changes):
        """Mask of the removals after which the whole pipeline is fitted again."""
        refit = changes.refit.copy()
        if not self._empty:
            refit |= changes.empties
        if not (self._empty and self._shifts):
            refit |= changes.flattens
        if not self._shifts:
            refit |= changes.shifts
        if not self._scales:
            refit |= changes.scales
        if not self._fills:
            refit |= changes.fills_move
        return refit


class Scales:
    """By what removals multiply the penalties of a model's columns, see `Penalty`."""

    def __init__(self, steps):
        self.steps = steps

    @property
    def columns(self):
        """The columns whose penalties are not all multiplied by one."""
        return self.steps.changes.columns

    def without(self, masks):
        """Columns, and their factors (n_removals, n_columns); None: single rows."""
        changes = self.steps.without_groups(masks)
        return changes.columns, changes.squared_scale
