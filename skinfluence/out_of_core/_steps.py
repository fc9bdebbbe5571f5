"""The transformers before a model, fitted to blocks of rows.

scikit-learn fits them to a few rows that hold every category, which gives them all
attributes but the statistics of columns. Those are reduced over the blocks, in a tree:
numbers of rows, means and sums of squares of StandardScaler. Categories of
OneHotEncoder are the union of those of the blocks.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.utils import get_tags

from skinfluence._sklearn import copying, take_columns, take_rows
from skinfluence.out_of_core._column_scales import (
    ColumnScales,
    merged_moments,
    moments_without,
    varies,
)
from skinfluence.out_of_core._step_passes import (
    category_counts,
    encoders_explained,
    head,
    joined_heads,
    joined_witnesses,
    scaler_moments,
    witnesses,
)
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal.steps._encoders import (
    encoded_otherwise,
    encoder_features,
)


@dataclass(frozen=True)
class Place:
    """A fitted transformer, and the way of the rows to it.

    Attributes
    ----------
    name : str
        As ``fixed_steps_`` has it.
    step : transformer
    path : tuple of callables
        They take rows that go into the pipeline to those that go into the transformer.
    """

    name: str
    step: object
    path: tuple

    def rows(self, X):
        """Return the rows that go into the transformer."""
        for link in self.path:
            X = link(X)
        return X


def check_steps(estimator):
    """Return the last step, and refuse transformers that are not fitted to blocks."""
    while isinstance(estimator, Pipeline):
        for name, step in estimator.steps[:-1]:
            _check_step(name, step)
        estimator = estimator.steps[-1][1]
    return estimator


def _check_step(name, step):
    if step is None or isinstance(step, str):
        return
    if isinstance(step, Pipeline):
        for part, inner in step.steps:
            _check_step(f"{name}__{part}", inner)
    elif isinstance(step, ColumnTransformer):
        for part, inner, _ in step.transformers:
            _check_step(f"{name}__{part}", inner)
        _check_step(f"{name}__remainder", step.remainder)
    elif isinstance(step, OneHotEncoder):
        refused = {
            "min_frequency": step.min_frequency is not None,
            "max_categories": step.max_categories is not None,
            "drop": not (step.drop is None or isinstance(step.drop, str)),
        }
        for param in (key for key, wrong in refused.items() if wrong):
            raise UnsupportedEstimator(
                f"The step {name!r}, a OneHotEncoder with {param}="
                f"{getattr(step, param)!r}, cannot be fitted to dask collections: "
                f"leave {param} out, or pass arrays that fit into memory."
            )
    elif not (isinstance(step, StandardScaler) or _stateless(step)):
        raise UnsupportedEstimator(
            f"The step {name!r}, a {type(step).__name__}, cannot be fitted to dask "
            "collections. StandardScaler, OneHotEncoder, ColumnTransformers of them "
            "and transformers that need no fit can. Use one of them, or pass arrays "
            "that fit into memory, a sample of the rows say."
        )


def _stateless(step):
    """Tell whether a transformer learns only the number of columns."""
    frozen = isinstance(step, FrozenEstimator | PolynomialFeatures)
    return frozen or not get_tags(step).requires_fit


class BlockSteps:
    """The transformers of a Pipeline, fitted to raw `Blocks`.

    Parameters
    ----------
    estimator : Pipeline
        The user's, not fitted.
    blocks : Blocks
        Rows as they go into it.

    Attributes
    ----------
    steps : list of (str, transformer)
        Fitted, those of a Pipeline that is the last step among them.
    last : estimator
        The model, not fitted.
    scales : ColumnScales
        How their output changes without rows.
    learned : list of str
        Names of the steps that learn anything from the rows.
    """

    def __init__(self, estimator, blocks):
        self.raw, self.steps, self._places = blocks, [], []
        self._pipeline = estimator
        few = blocks.total(head, combine=joined_heads)
        prefix, path = "", ()
        while isinstance(estimator, Pipeline):
            *steps, (name, last) = estimator.steps
            for key, step in steps:
                if step is not None and not isinstance(step, str):
                    step = self._fitted(prefix + key, step, path, few)
                    path += (step.transform,)
                self.steps.append((prefix + key, step))
            estimator, prefix = last, f"{prefix}{name}__"
        self.last, self._path = estimator, path
        self.scales = self._column_scales(few)
        self.learned = [p.name for p in self._places if not _stateless(p.step)]

    def _fitted(self, name, step, path, few):
        """Fit one transformer to all blocks."""
        top = Place(name, None, path)
        with encoders_explained("the first rows"):
            fitted = copying(clone(step)).fit(top.rows(few), None)
        encoders = [
            place
            for place in _leaves(name, fitted, path)
            if isinstance(place.step, OneHotEncoder)
            and isinstance(place.step.categories, str)
        ]
        if encoders:
            rows = self.raw.total(
                witnesses,
                self.raw.numbers,
                combine=partial(joined_witnesses, places=encoders),
                places=encoders,
            )
            fitted = copying(clone(step)).fit(top.rows(rows), None)
        for place in _leaves(name, fitted, path):
            self._places.append(place)
            if isinstance(place.step, StandardScaler):
                self._fit_scaler(place)
        return fitted

    def _fit_scaler(self, place):
        scaler = place.step
        if not (scaler.with_mean or scaler.with_std):
            return
        # Near a column's values, means of blocks do not cancel.
        origin = scaler.mean_
        count, mean, squares = self.raw.total(
            scaler_moments,
            self.raw.numbers,
            combine=merged_moments,
            place=place,
            origin=origin,
        )
        mean = mean + origin
        scaler.n_samples_seen_, scaler.mean_ = np.int64(count), mean
        if scaler.with_std:
            scaler.var_ = squares / count
            vary = varies(mean, scaler.var_, count)
            scaler.scale_ = np.where(vary, np.sqrt(scaler.var_), 1.0)

    def transform(self, X):
        """Transform rows."""
        for link in self._path:
            X = link(X)
        return X

    def blocks(self):
        """Return the transformed `Blocks`."""
        first = self.transform(self._one_row)
        names = list(first.columns) if hasattr(first, "columns") else None
        path = Place("", None, self._path).rows
        return self.raw.transformed(path, first.shape[1], names)

    def pipeline(self, model):
        """Return the Pipeline of the fitted steps and the fitted model."""
        fitted = inner = clone(self._pipeline)
        steps = iter(self.steps)
        while isinstance(inner, Pipeline):
            name, last = inner.steps[-1]
            own = [next(steps)[1] for _ in inner.steps[:-1]]
            if not isinstance(last, Pipeline):
                last = model
            names = [key for key, _ in inner.steps]
            inner.steps = list(zip(names, [*own, last], strict=True))
            inner = last
        return fitted

    def _column_scales(self, few):
        self._one_row = take_rows(few, np.array([0]))
        n, X = len(self.raw), self._one_row
        scales = ColumnScales.none(n, X.shape[1])
        for name, step in self.steps:
            scales = _scales_after(name, step, X, scales)
            if step is not None and not isinstance(step, str):
                X = step.transform(X)
        return scales

    def encoders(self):
        """Return the places of the encoders whose categories are those of the rows."""
        return [p for p in self._places if isinstance(p.step, OneHotEncoder)]

    def check_encoders(self, removed=None):
        """Refuse removals that change an encoder in a way that has no algebra.

        Parameters
        ----------
        removed : list of ndarray of int, default=None
            Positions of the rows of sets; None: every single row.
        """
        places, n = self.encoders(), len(self.raw)
        if not places:
            return
        spans = list(self.raw.slices())
        sets = [] if removed is None else removed
        counts = self.raw.total(category_counts, spans, places=places, removed=sets)
        start = 0
        for place in places:
            features = encoder_features(place.step)
            for feature, categories in zip(
                features, place.step.categories_, strict=True
            ):
                own = counts[0][:, start : start + len(categories)].astype(np.intp)
                start += len(categories)
                full = feature.codes(own[0], n)
                if removed is None:
                    _check_categories(place, feature, categories, own[0], full, n)
                    continue
                for k, rows in enumerate(removed):
                    left = n - len(rows)
                    if encoded_otherwise(feature, own[0] - own[k + 1], full, left)[0]:
                        raise UnsupportedEstimator(
                            f"Without group {k} the step {place.name!r} encodes other "
                            "categories, of which dask collections have no removal. "
                            "Use handle_unknown='ignore' and drop=None, or leave this "
                            "group out."
                        )

    def factors_without(self, blocks, removed):
        """Return the `ColumnScales` factors without sets of rows, (n_sets, p)."""
        moments = blocks.total(
            moments_without,
            list(blocks.slices()),
            combine=merged_moments,
            removed=removed,
        )
        return self.scales.factors_without(*moments)


def _check_categories(place, feature, categories, counts, full, n):
    for code in np.flatnonzero(counts == 1):
        without = counts.copy()
        without[code] = 0
        if encoded_otherwise(feature, without, full, n - 1)[0]:
            raise UnsupportedEstimator(
                f"The step {place.name!r} has one row of category "
                f"{categories[code]!r}, without which it encodes other categories. "
                "Use handle_unknown='ignore' and drop=None, or drop this row."
            )


def _leaves(name, step, path):
    """Yield the fitted transformers in a step, and the way to each, as `Place`."""
    if step is None or isinstance(step, str):
        return
    if isinstance(step, Pipeline):
        for part, inner in step.steps:
            if inner is not None and not isinstance(inner, str):
                yield from _leaves(f"{name}__{part}", inner, path)
                path += (inner.transform,)
    elif isinstance(step, ColumnTransformer):
        for part, inner, columns in _parts(step):
            chosen = (*path, partial(take_columns, columns=columns))
            yield from _leaves(f"{name}__{part}", inner, chosen)
    else:
        yield Place(name, step, path)


def _parts(step):
    """Yield the parts of a fitted ColumnTransformer that have columns."""
    for name, part, columns in step.transformers_:
        place = step.output_indices_[name]
        if place.start < place.stop:
            yield name, part, columns


def _scales_after(name, step, X, before):
    """Return the `ColumnScales` of a fitted step's output."""
    if step is None or isinstance(step, str):
        return before
    if isinstance(step, StandardScaler):
        return before.after(step)
    if isinstance(step, Pipeline):
        for part, inner in step.steps:
            before = _scales_after(f"{name}__{part}", inner, X, before)
            if inner is not None and not isinstance(inner, str):
                X = inner.transform(X)
        return before
    if getattr(step, "func", step) is None:  # a FunctionTransformer that does nothing
        return before
    if before.change:
        raise UnsupportedEstimator(
            f"The step {name!r}, a {type(step).__name__}, behind a StandardScaler has "
            "no exact removal of rows. Put it before the scaler, or pass arrays that "
            "fit into memory."
        )
    if isinstance(step, ColumnTransformer):
        parts = []
        for part, inner, columns in _parts(step):
            chosen = take_columns(X, columns)
            own = ColumnScales.none(before.n, chosen.shape[1])
            parts.append(_scales_after(f"{name}__{part}", inner, chosen, own))
        return ColumnScales.beside(before.n, parts)
    return ColumnScales.none(before.n, step.transform(X).shape[1])
