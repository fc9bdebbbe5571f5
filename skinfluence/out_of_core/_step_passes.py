"""Computations of a pass over the raw rows of a Pipeline, for its steps."""

from contextlib import contextmanager

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import OneHotEncoder

from skinfluence._sklearn import take_rows
from skinfluence.out_of_core._blocks import as_floats
from skinfluence.out_of_core._column_scales import column_moments
from skinfluence.removal.steps._encoders import category_codes

HEAD = 10  # rows of a block that scikit-learn fits transformers to


def head(block):
    return take_rows(block.X, np.arange(min(HEAD, block.X.shape[0])))


def joined_heads(one, other):
    both = _stacked(one, other)
    return take_rows(both, np.arange(min(HEAD, both.shape[0])))


def _stacked(one, other):
    if sp.issparse(one):
        return sp.vstack([one, other], format="csr")
    if hasattr(one, "iloc"):
        import pandas as pd

        return pd.concat([one, other], ignore_index=True)
    return np.concatenate([one, other])


def witnesses(block, number, places):
    """Return rows that hold every category that the encoders meet in the block."""
    with encoders_explained(f"partition {number}"):
        return _witnesses_of(block.X, places)


@contextmanager
def encoders_explained(part):
    """Add the part of the rows, and the cause, to the error of an encoder."""
    try:
        yield
    except TypeError as error:
        raise ValueError(
            f"The OneHotEncoder refuses {part}: {error}. Texts that are missing are "
            "pandas.NA in dask: fill them by fillna."
        ) from error


def joined_witnesses(one, other, places):
    return _witnesses_of(_stacked(one, other), places)


def _witnesses_of(X, places):
    rows = [np.arange(min(HEAD, X.shape[0]))]
    for place in places:
        values = place.rows(X)
        learned = OneHotEncoder().fit(values)
        for codes in category_codes(learned, values):
            rows.append(np.unique(codes, return_index=True)[1])
    return take_rows(X, np.unique(np.concatenate(rows)))


def scaler_moments(block, number, place, origin):
    X = place.rows(block.X)
    try:
        X = as_floats(X)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The columns of the step {place.name!r} must hold numbers. Got other "
            f"values in partition {number}: {error}. Encode or drop these columns."
        ) from error
    bad = ~np.isfinite(X).all(axis=1)
    if bad.any():
        raise ValueError(
            f"The columns of the step {place.name!r} must hold finite numbers. Got "
            f"NaN or infinity in partition {number}, row {int(bad.argmax())} of it. "
            "Drop these rows, or impute them."
        )
    return column_moments(X - origin)


def category_counts(block, span, places, removed):
    """Count categories of all columns in all rows, and in sets of rows.

    Returns
    -------
    counts : ndarray of shape (1 + n_sets, n_categories)
    """
    counts = []
    for place in places:
        values = place.rows(block.X)
        columns = category_codes(place.step, values)
        for codes, known in zip(columns, place.step.categories_, strict=True):
            found = [np.bincount(codes[codes >= 0], minlength=len(known))]
            for rows in removed:
                own = codes[
                    rows[(rows >= span.start) & (rows < span.stop)] - span.start
                ]
                found.append(np.bincount(own[own >= 0], minlength=len(known)))
            counts.append(np.array(found))
    return (np.hstack(counts).astype(np.float64),)
