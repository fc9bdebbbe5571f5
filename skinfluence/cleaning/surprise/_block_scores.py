"""The values of rows that do not fit into memory; `_sample` defines them."""

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from skinfluence._sklearn import take_rows
from skinfluence.cleaning.surprise._missing import is_missing
from skinfluence.cleaning.surprise._sample import Predictor, sample_of
from skinfluence.cleaning.surprise._scorer import fit_pairs, row_scores, scores_of_all


def score_blocks(blocks, y, classification, most):
    """Score every row of a table in blocks, as `score_rows` does in memory.

    One pass gathers the sample, another values all other rows.

    Parameters
    ----------
    blocks : Blocks
        Rows, without preprocessing.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets of all rows.
    classification : bool
        Whether y holds labels.
    most : int or None
        Rows of the sample that the models are fitted to, see `sample_of`; None: all
        rows, which must fit into memory.

    Returns
    -------
    scores : RowScores
    """
    rows = sample_of(y, classification, most)
    everything = np.arange(len(y))
    chosen = everything if rows is None else rows
    found = blocks.map(_gathered, _by_block(blocks, chosen), blocks.numbers)
    _check_kinds(blocks, [kinds for _, kinds in found])
    X = _joined([part for part, _ in found])
    with threadpool_limits(1):
        columns, pairs = fit_pairs(X, y[chosen], classification)
    if rows is None:
        return row_scores(pairs, y, classification)
    others = np.setdiff1d(everything, rows)
    said = blocks.map(
        _said,
        _by_block(blocks, others),
        blocks.numbers,
        predictor=Predictor(columns, pairs).without_rows(),
    )
    return scores_of_all(pairs, rows, others, np.vstack(said), y, classification)


def _by_block(blocks, rows):
    """Return the positions within each block of some rows in order."""
    ends = np.searchsorted(rows, blocks.starts)
    return [
        rows[a:b] - start
        for a, b, start in zip(ends[:-1], ends[1:], blocks.starts[:-1], strict=True)
    ]


def _gathered(block, rows, number):
    """Return some rows, and the kind of the values of each column."""
    kinds = {}
    for name, values in _columns(block.X):
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise ValueError(
                f"X must not hold infinite values. Got some in column {name!r} of "
                f"partition {number}: replace them by NaN, which means missing."
            )
        kinds[name] = _kind(values)
    return take_rows(block.X, rows), kinds


def _columns(X):
    """Yield name and values of every column; of sparse rows the stored values."""
    if sp.issparse(X):
        yield None, X.data
    elif hasattr(X, "columns"):
        yield from ((name, np.asarray(X[name])) for name in X.columns)
    else:
        flat = X.reshape(len(X), -1)
        yield from enumerate(flat.T)


def _said(block, rows, number, predictor):
    try:
        with threadpool_limits(1):
            return predictor.of(take_rows(block.X, rows))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The rows of partition {number} cannot be valued by models of the sample: "
            f"{error}"
        ) from error


def _joined(parts):
    """Put rows of several blocks together."""
    if hasattr(parts[0], "columns"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    if any(map(sp.issparse, parts)):
        return sp.vstack(parts, format="csr")
    return np.concatenate(parts)


def _kind(values):
    """Return "numbers", "dates" or "texts"; None where all are missing."""
    if values.dtype.kind in "biuf":
        return "numbers"
    if values.dtype.kind in "mM":
        return "dates"
    present = values[~is_missing(values)]
    if not len(present):
        return None
    numbers = isinstance(present[0], int | float | np.number)
    return "numbers" if numbers else "texts"


def _check_kinds(blocks, kinds):
    """Refuse columns that hold numbers in one partition and texts in another."""
    first = {}
    for number, of_block in zip(blocks.numbers, kinds, strict=True):
        for name, kind in of_block.items():
            if kind is None:
                continue
            before, there = first.setdefault(name, (kind, number))
            if kind != before:
                raise ValueError(
                    f"Column {name!r} of X must hold the same kind of values in all "
                    f"partitions. Got {before} in partition {there} and {kind} in "
                    f"partition {number}."
                )
