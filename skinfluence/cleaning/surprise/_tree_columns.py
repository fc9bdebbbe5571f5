"""The table of the ensembles of trees: numbers, and codes of categories."""

from dataclasses import dataclass
from functools import partial

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
    readers : list of callable
        Each returns some of the columns, in order, of a table of other rows.
    """

    values: np.ndarray
    categorical: np.ndarray
    positions: np.ndarray
    readers: list

    def of(self, X):
        """Return the columns of other rows, shape (m, d); new categories are rare."""
        return np.hstack([read(X) for read in self.readers])


def tree_columns(X, most):
    """Return the columns of a table for trees.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows, as `default_preprocessor` takes them. The same columns are left out, and
        texts that are hardly ever repeated.
    most : int
        Columns that are too many for trees.

    Returns
    -------
    columns : TreeColumns or None
        None for sparse matrices, lists of texts and tables of more than ``most``
        columns: a split uses one column, and single columns have little information.

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
            values = _flat(X)
            d = values.shape[1]
            return TreeColumns(values, np.zeros(d, dtype=bool), np.arange(d), [_flat])
    n_columns = len(X.columns) if frame else X.shape[1]
    kinds, reasons = kinds_of_columns(X, n_columns)
    kept = [j for j in range(n_columns) if reasons[j] is None]
    if len(kept) > most:
        return None
    kept = [j for j in kept if kinds[j] != "text"]
    values = np.empty((n_rows(X), len(kept)))
    readers = [_reader(X, j, kinds[j]) for j in kept]
    for place, read in enumerate(readers):
        values[:, place] = read(X)[:, 0]
    categorical = [kinds[j] in CATEGORIES for j in kept]
    return TreeColumns(
        values, np.array(categorical, dtype=bool), np.array(kept, dtype=int), readers
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
    texts = [
        TextComponents(N_COMPONENTS, len(positions)).fit(take_columns(X, [j]))
        for j in positions
    ]
    readers = [
        partial(_components, position=j, text=text)
        for j, text in zip(positions, texts, strict=True)
    ]
    parts = [read(X) for read in readers]
    n_components = [part.shape[1] for part in parts]
    return TreeColumns(
        np.hstack([columns.values, *parts]),
        np.append(columns.categorical, np.zeros(sum(n_components), dtype=bool)),
        np.append(columns.positions, np.repeat(positions, n_components)),
        [*columns.readers, *readers],
    )


def _reader(X, j, kind):
    """Return a function from tables to numbers or codes of one column, (n, 1)."""
    if kind in CATEGORIES:
        return partial(_codes, position=j, encoder=_encoder(take_columns(X, j)))
    return partial(_seconds if kind == "date" else _numbers, position=j)


def _encoder(column):
    encoder = OrdinalEncoder(
        max_categories=MAX_CATEGORIES,
        min_frequency=2,
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    return encoder.fit(as_text(column)[:, None])


def _codes(X, position, encoder):
    codes = encoder.transform(as_text(take_columns(X, position))[:, None])
    (rare,) = encoder.infrequent_categories_
    if rare is not None:
        codes[np.isnan(codes)] = encoder.transform([rare[:1]])[0, 0]
    return codes


def _seconds(X, position):
    return as_seconds(take_columns(X, position))[:, None]


def _numbers(X, position):
    values = np.asarray(take_columns(X, position))
    numbers = np.full((len(values), 1), np.nan)
    present = ~is_missing(values)
    numbers[present, 0] = values[present].astype(np.float64)
    return numbers


def _components(X, position, text):
    return text.transform(take_columns(X, [position]))


def _flat(X):
    values = X if hasattr(X, "dtype") else np.asarray(X)
    return np.asarray(values, dtype=np.float64).reshape(len(values), -1)
