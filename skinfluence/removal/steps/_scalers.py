"""Scalers: shifts and scales of columns without some rows."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils import check_array

from skinfluence._memory import check_memory
from skinfluence.removal.steps._changes import Changes, step_changes

# Columns of sparse rows above which a penalty for each of them is not followed.
WIDEST = 4000
EPS = np.finfo(np.float64).eps
# Square of a relative scale below which the columns as they were have too few digits of
# what remains: the removed rows are refitted.
SHRUNK = 1e-4


def _numbers(X):
    """Rows as floats, missing ones NaN; None where they are too many and too wide."""
    if sp.issparse(X):
        if X.shape[1] > WIDEST:
            return None
        check_memory(
            32 * X.shape[0] * X.shape[1],
            f"Following a scaler of {X.shape[0]} sparse rows",
            "Use LeaveOneOutInfluence(..., solver='refit').",
        )
        X = X.toarray()
    return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")


def _scaled(before, scale, squared_scale, shifted, flat, has_mean):
    """Columns that a scaler moves; its scale replaces all scales before it.

    ``shifted`` and ``flat`` tell which columns a removal moves, and leaves constant,
    (n_removals, n_columns).
    """
    squared_scale = np.where(flat, 1.0, squared_scale)
    columns = np.union1d(
        np.flatnonzero((squared_scale != 1).any(axis=0) | shifted.any(axis=0)),
        before.columns,
    ).astype(np.intp)
    fills = tuple(
        replace(fill, moves=fill.moves / scale[fill.columns]) for fill in before.fills
    )
    return replace(
        before,
        refit=before.refit | (squared_scale < SHRUNK).any(axis=1),
        columns=columns,
        squared_scale=squared_scale[:, columns],
        shifts=shifted.any(axis=1) | (before.shifts & (not has_mean)),
        flattens=before.flattens | flat.any(axis=1),
        fills=fills,
    )


@step_changes.register
def _(step: StandardScaler, X, before, removed):
    if not (step.with_mean or step.with_std):
        return before
    n_columns, values = step.n_features_in_, _numbers(X)
    if values is None:
        return Changes.unknown(n_columns, removed.n_removals)
    present = ~np.isnan(values)
    counts = present.sum(axis=0)
    mean = np.where(present, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
    centred = np.where(present, values - mean, 0.0)
    squares = (centred**2).sum(axis=0)
    variance = squares / np.maximum(counts, 1)
    if not _is_unweighted(step, mean, variance, counts, _rounding(X)):
        return Changes.unknown(n_columns, removed.n_removals)
    moved = removed.sums(centred) != 0
    if not step.with_std:
        return replace(
            before,
            columns=np.arange(n_columns),
            squared_scale=_placed(before, n_columns, removed.n_removals),
            shifts=moved.any(axis=1) | before.shifts,
        )
    left = np.maximum(counts - removed.sums(present.astype(np.float64)), 0)
    some = np.maximum(left, 1)
    shift = -removed.sums(centred) / some  # of the mean
    variance = (squares - removed.sums(centred**2)) / some - shift**2
    full = squares / np.maximum(counts, 1)
    # Where a row makes up most of the variance, the difference is mostly rounding.
    for i, j in np.argwhere((variance < SHRUNK * full) & (left > 0)):
        variance[i, j] = values[removed.kept(i) & present[:, j], j].var()
    constant = variance <= left * EPS * variance + (left * (mean + shift) * EPS) ** 2
    flat = constant & (step.scale_ != 1)
    ratio = np.where(constant, 1.0, variance / step.scale_**2)
    shifted = moved if step.with_mean else np.zeros_like(moved)
    return _scaled(before, step.scale_, ratio, shifted, flat, step.with_mean)


def _placed(before, n_columns, n_removals):
    """Scales of all columns, those that do not move among them."""
    out = np.ones((n_removals, n_columns))
    out[:, before.columns] = before.squared_scale
    return out


def _rounding(X):
    """Return the relative error of statistics that scikit-learn rounds as the rows."""
    return np.finfo(X.dtype).eps if sp.issparse(X) and X.dtype.kind == "f" else 0.0


def _is_unweighted(step, mean, variance, counts, rounding):
    """Tell whether a scaler was fitted without sample weights."""
    size = np.sqrt(variance) + np.abs(mean)
    known = counts > 0
    same = np.abs(step.mean_ - mean)[known] <= max(1e-9, rounding) * size[known]
    if step.with_std:
        gap = np.abs(step.var_ - variance)[known]
        near = max(1e-8, rounding) * variance[known] + 1e-12 * size[known] ** 2
        same = same & (gap <= near)
    return bool(same.all())


@step_changes.register
def _(step: MinMaxScaler, X, before, removed):
    values = _numbers(X)
    low = -removed.maxima(-values)
    squared, flat = _ratio(removed.maxima(values) - low, step.data_range_)
    shifted = (low != step.data_min_) & ~np.isnan(low)
    if step.feature_range[0] != 0:  # it scales about the smallest value, not zero
        shifted |= squared != 1
    if step.clip:  # a function of the range that is not linear
        return _refitted(before, (squared != 1) | shifted | flat)
    return _scaled(before, 1 / step.scale_, squared, shifted, flat, True)


@step_changes.register
def _(step: MaxAbsScaler, X, before, removed):
    values = _numbers(X)
    if values is None:
        return Changes.unknown(step.n_features_in_, removed.n_removals)
    squared, flat = _ratio(removed.maxima(np.abs(values)), step.max_abs_)
    still = np.zeros_like(flat)
    if getattr(step, "clip", False) or before.shifts.any():
        return _refitted(before, (squared != 1) | flat)
    return _scaled(before, step.scale_, squared, still, flat, False)


def _refitted(before, changed):
    """Nothing is followed: removals that change any column are refitted."""
    n_removals, n_columns = changed.shape
    refit = before.otherwise | changed.any(axis=1)
    return Changes.none(n_columns, n_removals, refit=refit)


def _ratio(without, full):
    """Square of the ratio of two widths, and where only the first one is zero."""
    none = ~(without >= 10 * EPS)  # scalers divide by one
    full = np.where(full < 10 * EPS, 1.0, full)
    return np.where(none, 1.0, without / full) ** 2, none & (full != 1)
