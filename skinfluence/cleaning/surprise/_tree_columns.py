"""A table as trees take it: numbers as they are, categories as codes."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import OrdinalEncoder

from skinfluence._sklearn import n_rows, take_columns
from skinfluence.cleaning.surprise._missing import is_missing
from skinfluence.cleaning.surprise._preprocessing import (
    CATEGORIES,
    MAX_CATEGORIES,
    as_seconds,
    as_text,
    kinds_of_columns,
    text_columns,
)
from skinfluence.cleaning.surprise._text_columns import TextComponents

# Of each text: trees search all columns for every split.
N_COMPONENTS = 30


@dataclass(frozen=True)
class TreeColumns:
    """The columns of a table for trees.

    Attributes
    ----------
    values : ndarray of shape (n_samples, d)
        Numbers, NaN where missing, and codes of categories, of which rare ones share
        one.
    categorical : ndarray of bool, shape (d,)
        Which columns are codes.
    positions : ndarray of int, shape (d,)
        Where in the table each is from.
    """

    values: np.ndarray
    categorical: np.ndarray
    positions: np.ndarray


def tree_columns(X, most):
    """Return the columns of a table for trees.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows, as `default_preprocessor` takes them. The same columns are left out, and
        texts hardly any of which stands in two rows.
    most : int
        Columns that are too many for trees.

    Returns
    -------
    columns : TreeColumns or None
        None for sparse matrices, lists of texts and tables of more than ``most``
        columns: splits look at one column at a time, of which none says much there.

    Examples
    --------
    >>> import pandas as pd
    >>> from skinfluence.cleaning.surprise._tree_columns import tree_columns
    >>> table = pd.DataFrame({"size": [1.5, None, 3.0], "kind": ["b", "a", "b"]})
    >>> tree_columns(table, 256).values.tolist()
    [[1.5, 0.0], [nan, 1.0], [3.0, 0.0]]
    """
    if sp.issparse(X):
        return None
    frame = hasattr(X, "columns")
    if not frame:
        X = X if hasattr(X, "dtype") else np.asarray(X)
        if X.ndim == 1 or X[0].size > most:
            return None
        if getattr(X.dtype, "kind", "f") not in "OUS":
            values = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
            d = values.shape[1]
            return TreeColumns(values, np.zeros(d, dtype=bool), np.arange(d))
    n_columns = len(X.columns) if frame else X.shape[1]
    kinds, reasons = kinds_of_columns(X, n_columns)
    kept = [j for j in range(n_columns) if reasons[j] is None]
    if len(kept) > most:
        return None
    kept = [j for j in kept if kinds[j] != "text"]
    values = np.empty((n_rows(X), len(kept)))
    for place, j in enumerate(kept):
        values[:, place] = _numbers(take_columns(X, j), kinds[j])
    categorical = [kinds[j] in CATEGORIES for j in kept]
    return TreeColumns(
        values, np.array(categorical, dtype=bool), np.array(kept, dtype=int)
    )


def with_texts(X, columns):
    """Return the columns of a table for trees, and components of its texts.

    Parameters
    ----------
    X, columns
        The table and its `tree_columns`.

    Returns
    -------
    columns : TreeColumns or None
        None where there is no text.
    """
    positions = [] if columns is None else text_columns(X)
    if not positions:
        return None
    parts = [
        TextComponents(N_COMPONENTS, len(positions)).fit_transform(take_columns(X, [j]))
        for j in positions
    ]
    n_components = [part.shape[1] for part in parts]
    return TreeColumns(
        np.hstack([columns.values, *parts]),
        np.append(columns.categorical, np.zeros(sum(n_components), dtype=bool)),
        np.append(columns.positions, np.repeat(positions, n_components)),
    )


def _numbers(column, kind):
    values = np.asarray(column)
    if kind in CATEGORIES:
        encoder = OrdinalEncoder(max_categories=MAX_CATEGORIES, min_frequency=2)
        return encoder.fit_transform(as_text(values)[:, None])[:, 0]
    if kind == "date":
        return as_seconds(column)
    numbers = np.full(len(values), np.nan)
    present = ~is_missing(values)
    numbers[present] = values[present].astype(np.float64)
    return numbers
