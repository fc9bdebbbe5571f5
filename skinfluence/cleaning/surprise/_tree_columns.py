"""A table as trees take it: numbers as they are, categories as codes."""

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import OrdinalEncoder

from skinfluence._sklearn import n_rows, take_columns
from skinfluence.cleaning.surprise._preprocessing import (
    MAX_CATEGORIES,
    as_seconds,
    as_text,
    is_missing,
    kinds_of_columns,
)


def tree_columns(X, most):
    """Return the columns of a table for trees.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows, as `default_preprocessor` takes them. The same columns are left out.
    most : int
        Columns that are too many for trees.

    Returns
    -------
    columns : ndarray of shape (n_samples, d) or None
        Numbers, NaN where missing, and codes of categories, of which rare ones share
        one. None for sparse matrices, texts and more than ``most`` columns: splits
        look at one column at a time, of which none says much there.
    categorical : ndarray of bool, shape (d,)
        Which columns are codes.

    Examples
    --------
    >>> import pandas as pd
    >>> from skinfluence.cleaning.surprise._tree_columns import tree_columns
    >>> table = pd.DataFrame({"size": [1.5, None, 3.0], "kind": ["b", "a", "b"]})
    >>> tree_columns(table, 256)[0].tolist()
    [[1.5, 0.0], [nan, 1.0], [3.0, 0.0]]
    """
    nothing = None, np.zeros(0, dtype=bool)
    if sp.issparse(X):
        return nothing
    frame = hasattr(X, "columns")
    if not frame:
        X = X if hasattr(X, "dtype") else np.asarray(X)
        if X.ndim == 1 or X[0].size > most:
            return nothing
        if getattr(X.dtype, "kind", "f") not in "OUS":
            columns = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
            return columns, np.zeros(columns.shape[1], dtype=bool)
    n_columns = len(X.columns) if frame else X.shape[1]
    kinds, reasons = kinds_of_columns(X, n_columns)
    kept = [j for j in range(n_columns) if reasons[j] is None]
    if len(kept) > most:
        return nothing
    columns = np.empty((n_rows(X), len(kept)))
    for place, j in enumerate(kept):
        columns[:, place] = _numbers(take_columns(X, j), kinds[j])
    return columns, np.array([kinds[j] == "category" for j in kept])


def _numbers(column, kind):
    values = np.asarray(column)
    if kind == "category":
        encoder = OrdinalEncoder(max_categories=MAX_CATEGORIES, min_frequency=2)
        return encoder.fit_transform(as_text(values)[:, None])[:, 0]
    if kind == "date":
        return as_seconds(column)
    numbers = np.full(len(values), np.nan)
    present = ~is_missing(values)
    numbers[present] = values[present].astype(np.float64)
    return numbers
