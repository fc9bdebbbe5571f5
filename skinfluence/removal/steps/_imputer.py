"""SimpleImputer: fill values without some rows."""

from dataclasses import replace
from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.utils import check_array

from skinfluence.removal.steps._changes import Changes, Fill, step_changes


def _missing(step, X):
    """Mask of the entries that an imputer fills."""
    indicator = MissingIndicator(
        missing_values=step.missing_values, features="all", sparse=False
    ).set_output(transform="default")
    return np.asarray(indicator.fit_transform(X), dtype=bool)


def _moves(step, X, missing, removed):
    """Fill values without minus with, (n_removals, n_features); None if not known.

    NaN where nothing is left to compute them from, or where a value that moves is no
    number.
    """
    if step.strategy == "constant":
        return np.zeros((removed.n_removals, missing.shape[1]))
    if step.strategy == "most_frequent":
        return _modes_move(X, missing, removed)
    values = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")
    present = ~missing
    if step.strategy == "mean":
        counts = present.sum(axis=0)
        mean = np.where(present, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
        centred = np.where(present, values - mean, 0.0)
        left = counts - removed.sums(present.astype(np.float64))
        moves = -removed.sums(centred) / np.maximum(left, 1)
        return np.where(left > 0, moves, np.nan)
    if step.strategy == "median":
        values = np.where(present, values, np.nan)
        medians = removed.medians(values)
        full = np.full(missing.shape[1], np.nan)
        some = present.any(axis=0)
        full[some] = np.nanmedian(values[:, some], axis=0)
        return medians - full
    return None  # a function of the user's


def _modes_move(X, missing, removed):
    """Moves of the most frequent values, the smallest one where there are several."""
    values = check_array(X, dtype=None, ensure_all_finite=False)
    moves = np.zeros((removed.n_removals, missing.shape[1]))
    for j in range(missing.shape[1]):
        codes = np.full(len(values), -1)
        present = ~missing[:, j]
        try:
            known, codes[present] = np.unique(values[present, j], return_inverse=True)
        except TypeError:  # values of mixed types have no order
            return None
        if not len(known):
            continue
        full = np.bincount(codes[present]).argmax()
        for which, counts in removed.counts(codes, len(known)):
            mode = counts.argmax()
            if not counts.any() or (mode != full and known.dtype.kind not in "iuf"):
                moves[which, j] = np.nan
            else:
                moves[which, j] = 0.0 if mode == full else known[mode] - known[full]
    return moves


@step_changes.register
def _(step: SimpleImputer, X, before, removed):
    if sp.issparse(X) or _is_moved(before):
        return Changes.unknown(step.transform(X).shape[1], removed.n_removals)
    missing = _missing(step, X)
    kept = _kept(step, missing)
    moves = _moves(step, X, missing, removed)
    has_indicator = step.add_indicator
    indicators = np.flatnonzero(missing.any(axis=0)) if has_indicator else kept[:0]
    n_columns = len(kept) + len(indicators)
    if moves is None:
        return Changes.unknown(n_columns, removed.n_removals)
    # A column without any entry is left out, or filled by another rule.
    left = (~missing).sum(axis=0) - removed.sums((~missing).astype(np.float64))
    refit = ((left == 0) & (~missing).any(axis=0)).any(axis=1)
    holes = missing.any(axis=0)
    refit |= (moves[:, holes] != 0).any(axis=1) | np.isnan(moves).any(axis=1)
    gone = missing.sum(axis=0) - removed.sums(missing.astype(np.float64)) == 0
    empties = gone[:, indicators].any(axis=1)
    return replace(
        before,
        n_columns=n_columns,
        refit=before.refit | refit,
        empties=before.empties | empties,
        fills=_fills(step, before, kept, holes, np.nan_to_num(moves)),
    )


def _is_moved(before):
    """Tell whether columns that go in move: then it depends on them what is missing."""
    return bool(len(before.columns) or before.fills)


def _kept(step, missing):
    """Features that the imputer does not leave out."""
    if step.keep_empty_features:
        return np.arange(missing.shape[1])
    return np.flatnonzero(~missing.all(axis=0))


def _fills(step, before, kept, holes, moves):
    """Moves of the values that fill test rows only."""
    moving = np.flatnonzero((moves != 0).any(axis=0) & ~holes)
    moving = moving[np.isin(moving, kept)]
    if not len(moving):
        return ()
    missing = partial(_missing_of, before, step, moving)
    return (Fill(np.searchsorted(kept, moving), moves[:, moving], missing),)


def _missing_of(before, step, columns, X):
    """Mask of the entries of some columns that an imputer fills, of rows X."""
    return _missing(step, before.rows(X))[:, columns]
