"""A table as trees take it: numbers, codes of categories, components of texts."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import OrdinalEncoder

from skinfluence._sklearn import n_rows, take_columns
from skinfluence.cleaning.surprise._missing import is_missing
from skinfluence.cleaning.surprise._preprocessing import (
    MAX_CATEGORIES,
    as_seconds,
    as_text,
    kinds_of_columns,
)
from skinfluence.cleaning.surprise._text_columns import TextComponents

# Of a column of text; trees search all columns for every split.
N_COMPONENTS = 30


@dataclass(frozen=True)
class TreeColumns:
    """The columns of a table for trees.

    Attributes
    ----------
    values : ndarray of shape (n_samples, d)
        Numbers, NaN where missing; codes of categories, of which rare ones share one;
        components of texts.
    categorical : ndarray of bool, shape (d,)
        Which columns are codes.
    positions : ndarray of int, shape (d,)
        Where in the table each is from.
    """

    values: np.ndarray
    categorical: np.ndarray
    positions: np.ndarray


def tree_columns(X, most, n_components=N_COMPONENTS):
    """Return the columns of a table for trees.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows, as `default_preprocessor` takes them. The same columns are left out.
    most : int
        Columns that are too many for trees.
    n_components : int, default=30
        Of one column of text, see `TextComponents`.

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
    n_texts = sum("text" in kinds[j] for j in kept)
    parts, categorical, positions = [np.empty((n_rows(X), 0))], [], []
    for j in kept:
        column = take_columns(X, j)
        if kinds[j] != "text":
            parts.append(_numbers(column, kinds[j])[:, None])
            categorical.append(kinds[j] in ("category", "repeated text"))
            positions.append(j)
        if "text" in kinds[j]:
            text = TextComponents(n_components, n_texts)
            parts.append(text.fit_transform(take_columns(X, [j])))
            categorical += [False] * parts[-1].shape[1]
            positions += [j] * parts[-1].shape[1]
    return TreeColumns(
        np.hstack(parts), np.array(categorical, dtype=bool), np.array(positions, int)
    )


def _numbers(column, kind):
    values = np.asarray(column)
    if kind in ("category", "repeated text"):
        encoder = OrdinalEncoder(max_categories=MAX_CATEGORIES, min_frequency=2)
        return encoder.fit_transform(as_text(values)[:, None])[:, 0]
    if kind == "date":
        return as_seconds(column)
    numbers = np.full(len(values), np.nan)
    present = ~is_missing(values)
    numbers[present] = values[present].astype(np.float64)
    return numbers
