"""Changes of a transformer that is refitted without rows, and their consequences.

Every transformer answers one question (`step_changes`): given its training rows, does
the output of all other rows stay as it is without a removal, does it only move and
scale columns, or does it change otherwise? The first needs nothing, the second a
penalty per column, the third a refit of the whole pipeline.
"""

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

from skinfluence._sklearn import take_rows

# Steps made of steps: their parts are followed and named instead of themselves.
CONTAINERS = (ColumnTransformer, FeatureUnion, Pipeline)


@dataclass(frozen=True)
class Fill:
    """Values for missing entries of test rows that move, in columns without any here.

    Attributes
    ----------
    columns : ndarray of int, shape (n_fills,)
        The columns of the output.
    moves : ndarray of shape (n_removals, n_fills)
        Fill value without minus with, in the units of the output as fitted.
    missing : callable
        Mask of the entries that are filled, shape (n_samples, n_fills), of the rows
        that go into the pipeline.
    """

    columns: np.ndarray
    moves: np.ndarray
    missing: object


@dataclass(frozen=True)
class Changes:
    """How the output of fitted steps changes where they are refitted without rows.

    Attributes
    ----------
    n_columns : int
        Columns of the output.
    refit : ndarray of bool, shape (n_removals,)
        Removals that change the output in a way that nothing else here describes.
    empties : ndarray of bool, shape (n_removals,)
        Removals that leave a column zero in all remaining rows, which a refit leaves
        out; rows that are not zero there have zeros in its place.
    flattens : ndarray of bool, shape (n_removals,)
        Removals that leave a column constant, which a refit scales by something else:
        all the same where it has no coefficient but an intercept.
    columns : ndarray of int, shape (n_moving,)
        Columns that a refit moves or scales.
    squared_scale : ndarray of shape (n_removals, n_moving)
        Square of their scale without the rows, relative to the scale with them.
    shifts : ndarray of bool, shape (n_removals,)
        Removals that move a column.
    fills : tuple of Fill
        Fill values that move.
    movers, followed, fixed : tuple of (str, transformer)
        Steps that move columns or fill values, all steps that these changes account
        for, and steps that are held fixed.
    path : tuple of callables
        They take rows that go into the pipeline to this output, one after the other.
    """

    n_columns: int
    refit: np.ndarray
    empties: np.ndarray
    flattens: np.ndarray
    columns: np.ndarray
    squared_scale: np.ndarray
    shifts: np.ndarray
    fills: tuple = ()
    movers: tuple = ()
    followed: tuple = ()
    fixed: tuple = ()
    path: tuple = ()

    @classmethod
    def none(cls, n_columns, n_removals, **params):
        """Return no change at all, except for ``params``."""
        never = np.zeros(n_removals, dtype=bool)
        nothing = {
            "refit": never,
            "empties": never,
            "flattens": never,
            "columns": np.empty(0, dtype=np.intp),
            "squared_scale": np.ones((n_removals, 0)),
            "shifts": never,
        }
        return cls(n_columns, **(nothing | params))

    @classmethod
    def unknown(cls, n_columns, n_removals):
        """Return that every removal has to be refitted: the step will be held fixed."""
        return cls.none(n_columns, n_removals, refit=np.ones(n_removals, dtype=bool))

    def rows(self, X):
        """Take rows that go into the pipeline to this output."""
        for link in self.path:
            X = link(X)
        return X

    @property
    def scales(self):
        """Removals that change the scale of a column, shape (n_removals,)."""
        return (self.squared_scale != 1).any(axis=1)

    @property
    def fills_move(self):
        """Removals that move a fill value, shape (n_removals,)."""
        out = np.zeros(len(self.refit), dtype=bool)
        for fill in self.fills:
            out |= (fill.moves != 0).any(axis=1)
        return out

    @property
    def otherwise(self):
        """Removals that change the output in any way, shape (n_removals,)."""
        moves = self.shifts | self.scales | self.fills_move
        return self.refit | self.empties | self.flattens | moves

    def into_unknown(self, n_columns):
        """Return the changes behind an unknown function of these columns."""
        return Changes.none(n_columns, len(self.refit), refit=self.otherwise)


@singledispatch
def step_changes(step, X, before, removed):
    """Return how a fitted transformer changes where it is refitted without rows.

    Third parties register a type of their own with ``step_changes.register``; one
    that is not known is held fixed, unless its tags say that it needs no fit.

    Parameters
    ----------
    step : fitted transformer
        Its type decides.
    X : array-like of shape (n_samples, n_features)
        The rows it was fitted to.
    before : Changes
        How these change.
    removed : Removed
        The removals.
    """
    n_columns = n_outputs(step, X)
    if isinstance(step, FrozenEstimator) or not get_tags(step).requires_fit:
        return before.into_unknown(n_columns)
    return Changes.unknown(n_columns, removed.n_removals)


def n_outputs(step, X):
    """Count the columns of a transformer's output."""
    return step.transform(take_rows(X, np.array([0]))).shape[1]


def follow(name, step, X, before, removed):
    """Apply `step_changes` to one step of a pipeline.

    A step that most removals change otherwise is held fixed, and so is what feeds it:
    refitting that alone would give it rows it was not fitted to.

    Returns
    -------
    changes : Changes
    """
    if step is None or isinstance(step, str):  # "passthrough"
        return before

    path = (*before.path, step.transform)
    if removed.held is not None and id(step) in removed.held:
        after = None
    else:
        after = step_changes(step, X, before, removed)
    learns = get_tags(step).requires_fit and not isinstance(step, FrozenEstimator)
    own = ((name, step),) if learns else ()
    if isinstance(step, CONTAINERS):
        parts, movers, fixed = after.followed, after.movers, after.fixed
    else:
        parts, fixed = before.followed + own, before.fixed
        movers = before.movers + own
    if after is not None:
        new = after.refit & ~before.refit
        if removed.held is not None or 2 * new.sum() <= len(new):
            movers = movers if len(after.columns) or after.fills else ()
            return replace(after, path=path, movers=movers, followed=parts, fixed=fixed)
    n_columns, n_removals = n_outputs(step, X), removed.n_removals
    return Changes.none(n_columns, n_removals, path=path, fixed=fixed + parts)
