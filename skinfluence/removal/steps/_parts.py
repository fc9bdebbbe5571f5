"""Steps made of other steps: pipelines, and transformers side by side."""

from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from skinfluence._sklearn import take_columns
from skinfluence.removal.steps._changes import (
    Changes,
    follow,
    n_outputs,
    step_changes,
)


@step_changes.register
def _(step: FunctionTransformer, X, before, removed):
    if step.func is None:
        return before
    return before.into_unknown(n_outputs(step, X))


@step_changes.register
def _(step: PolynomialFeatures, X, before, removed):
    # it learns nothing but the number of columns
    return before.into_unknown(n_outputs(step, X))


@step_changes.register
def _(step: Pipeline, X, before, removed):
    return follow_steps(step.steps, X, before, removed)


def follow_steps(steps, X, before, removed):
    """Apply the steps of a Pipeline one after the other, each to its training rows."""
    for k, (name, step) in enumerate(steps):
        after = _named(name, before, follow(name, step, X, before, removed))
        if k + 1 < len(steps) and step is not None and not isinstance(step, str):
            X = step.transform(X)
        before = after
    return before


def _named(name, before, after):
    """Put the name of a step made of steps before the names of its parts."""
    known = {id(step) for _, step in (*before.followed, *before.fixed)}

    def full(steps):
        return tuple(
            (part if id(step) in known or part == name else f"{name}__{part}", step)
            for part, step in steps
        )

    return replace(
        after,
        movers=full(after.movers),
        followed=full(after.followed),
        fixed=full(after.fixed),
    )


def _some_columns(X, columns):
    if not hasattr(X, "shape"):  # lists of rows
        X = np.array(X, dtype=object)
    return take_columns(X, columns)


@step_changes.register
def _(step: ColumnTransformer, X, before, removed):
    parts = []
    for name, part, columns in step.transformers_:
        place = step.output_indices_[name]
        if place.start == place.stop:
            continue
        chosen = _some_columns(X, columns)
        parts.append((name, part, chosen, columns, place))
    return _side_by_side(parts, before, removed)


@step_changes.register
def _(step: FeatureUnion, X, before, removed):
    parts, start = [], 0
    for name, part in step.transformer_list:
        if part == "drop":
            continue
        width = np.shape(X)[1] if part == "passthrough" else n_outputs(part, X)
        parts.append((name, part, X, None, slice(start, start + width)))
        start += width
    return _side_by_side(parts, before, removed)


def _side_by_side(parts, before, removed):
    """Changes of the outputs of transformers, one beside the other.

    ``parts`` are tuples of name, transformer, its rows, the columns these are, and
    the slice of its output.
    """
    n_removals = removed.n_removals
    moved, results = before.otherwise, []
    for name, part, X, columns, place in parts:
        chosen = () if columns is None else (partial(_some_columns, columns=columns),)
        # What moves before transformers side by side moves all of them.
        refit = moved.copy()
        own = Changes.none(0, n_removals, refit=refit, path=before.path + chosen)
        after = _named(name, own, follow(name, part, X, own, removed))
        results.append((after, place))
    if not results:
        return Changes.none(0, n_removals, refit=before.refit)
    return Changes(
        n_columns=max(place.stop for _, place in results),
        refit=np.any([after.refit for after, _ in results], axis=0),
        empties=np.any([after.empties for after, _ in results], axis=0),
        flattens=np.any([after.flattens for after, _ in results], axis=0),
        columns=np.concatenate([a.columns + p.start for a, p in results]),
        squared_scale=np.hstack([after.squared_scale for after, _ in results]),
        shifts=np.any([after.shifts for after, _ in results], axis=0),
        fills=tuple(
            replace(fill, columns=fill.columns + place.start)
            for after, place in results
            for fill in after.fills
        ),
        movers=sum((after.movers for after, _ in results), ()),
        followed=before.followed + sum((a.followed for a, _ in results), ()),
        fixed=before.fixed + sum((a.fixed for a, _ in results), ()),
    )
