"""The inputs of measures: a fitted influence estimator, or arrays of numbers."""

import numpy as np
from sklearn.utils import check_array

from skinfluence._counts import counted


def influence_matrix(influence, X=None, y=None, name="influence"):
    """Return a matrix of influences, shape (n_test, n_train).

    Parameters
    ----------
    influence : fitted influence estimator or array-like of shape (n_test, n_train)
        A matrix may come from any library, as long as positive means that the
        training row made the prediction better.
    X, y : array-like or None
        Test rows, which an estimator needs and a matrix does not.
    name : str, default="influence"
        Name of the parameter in messages.
    """
    if hasattr(influence, "influence"):
        need_test_rows(influence, X, name, "influence")
        return influence.influence(X, y)
    matrix = numbers(influence, name)
    if matrix.ndim != 2:
        raise ValueError(
            f"The {name!r} parameter must be a matrix of shape (n_test, n_train). Got "
            f"shape {matrix.shape}: for a single test row pass {name}[None]."
        )
    return matrix


def matrix_pair(influence, other, name, X, y):
    """Return two matrices of the same shape (n_test, n_train).

    Parameters
    ----------
    influence, other : fitted influence estimator or array-like
        As for `influence_matrix`.
    name : str
        Name of the parameter ``other`` in messages.
    X, y : array-like or None
        Test rows, which estimators need.
    """
    matrix = influence_matrix(influence, X, y)
    second = influence_matrix(other, X, y, name)
    if matrix.shape != second.shape:
        raise ValueError(
            f"The 'influence' and {name!r} parameters must have the same shape "
            f"(n_test, n_train). Got {matrix.shape} and {second.shape}: fit both on "
            "the same training rows, and use the same test rows."
        )
    return matrix, second


def check_marked(is_marked, name, marked, others):
    """Return a mask of training rows that has both True and False.

    Parameters
    ----------
    is_marked : array-like of bool, shape (n_train,)
    name : str
        Name of the parameter in messages.
    marked, others : str
        Names of the True and the False rows in messages.
    """
    is_marked = np.asarray(is_marked)
    if is_marked.dtype != bool or is_marked.ndim != 1:
        raise ValueError(
            f"The {name!r} parameter must be one boolean per training row, shape "
            f"(n_train,). Got shape {is_marked.shape}, dtype {is_marked.dtype}: turn "
            "row numbers into a mask."
        )
    n_marked = int(is_marked.sum())
    if not 0 < n_marked < len(is_marked):
        raise ValueError(
            f"The {name!r} parameter must hold both {marked} and {others} rows. Got "
            f"{counted(n_marked, f'{marked} row')} of {len(is_marked)}."
        )
    return is_marked


def training_values(values, n, X, y):
    """Return one value per training row, low = suspect, shape (n,).

    Parameters
    ----------
    values : fitted influence estimator or array-like of shape (n,)
        The ``sample_values`` of an estimator on the test rows are used.
    n : int
        Number of training rows.
    X, y : array-like or None
        Test rows, which an estimator needs.
    """
    if hasattr(values, "sample_values"):
        need_test_rows(values, X, "values", "sample_values")
        values = values.sample_values(X, y)
        advice = "fit the influence estimator on the same rows"
    else:
        values = numbers(values, "values")
        advice = "of a matrix (n_test, n_train) pass the mean over the test rows"
    if values.shape != (n,):
        raise ValueError(
            "The 'values' parameter must hold one value per training row, shape "
            f"({n},). Got shape {values.shape}: {advice}."
        )
    return values


def need_test_rows(influence, X, name, method):
    """Raise if an estimator is passed without test rows."""
    if X is None:
        raise ValueError(
            f"The 'X' and 'y' parameters must hold the test rows where {name!r} is an "
            f"estimator. Got X=None and {influence!r:.60}: pass them, or pass the "
            f"result of its {method}(X, y)."
        )


def numbers(values, name):
    """Return finite floats of any shape; raise for other objects."""
    if hasattr(values, "fit"):
        raise TypeError(
            f"The {name!r} parameter must be an influence estimator, for instance "
            "LeaveOneOutInfluence(model).fit(X, y), or an array of numbers. Got "
            f"{values!r:.60}."
        )
    return check_array(
        values, ensure_2d=False, allow_nd=True, dtype="float64", input_name=name
    )
