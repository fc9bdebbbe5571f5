"""Rows and columns of anything that scikit-learn takes as X or y."""

import numpy as np

from skinfluence._sklearn._private import safe_indexing


def n_rows(X):
    """Return the number of rows of anything scikit-learn can index."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def take_rows(X, indices):
    """Index the rows of anything scikit-learn can index."""
    if type(X) is np.ndarray:  # the general case takes longer than a small fit
        return X[indices]
    return safe_indexing(X, indices)


def take_columns(X, columns):
    """Index the columns of anything scikit-learn can index."""
    return safe_indexing(X, columns, axis=1)


def take_params(params, indices, n):
    """Index the entries of ``params`` that have one element per row."""
    return {
        name: take_rows(value, indices)
        if hasattr(value, "__len__")
        and not isinstance(value, str)
        and n_rows(value) == n
        else value
        for name, value in params.items()
    }
