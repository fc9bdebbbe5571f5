"""Parameters of estimators with one entry per row, for fits to some of the rows.

All code that trains on a part of the rows makes its estimator here, or calls
`take_row_params`, so that these parameters are indexed like the rows.
"""

import numpy as np
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.model_selection import PredefinedSplit
from sklearn.utils import get_tags

from skinfluence._sklearn._copying import copying
from skinfluence._sklearn._rows import n_rows, take_params, take_rows
from skinfluence._sklearn._seeds import seed_estimator
from skinfluence._skorch import seeded_training

# Parameters that are numbers or arrays with one entry per training row. Array
# parameters of other estimators have one entry per column, class or target.
PER_ROW = {GaussianProcessRegressor: ("alpha",)}


def fit_rows(estimator, X, y, fit_params, rows, seed, index=0):
    """Fit a seeded clone of ``estimator`` to some of the rows.

    Parameters
    ----------
    estimator : estimator
        Unfitted, for all rows.
    X, y : array-like
        All rows.
    fit_params : dict
        Passed to ``fit``; entries with one element per row are indexed.
    rows : ndarray of int
        The rows to fit to.
    seed, index : int
        Unset random states are seeded from ``(seed, index)`` alone.

    Returns
    -------
    model : fitted estimator
    """
    n = n_rows(X)
    model = take_row_params(
        seed_estimator(copying(clone(estimator)), seed, index), rows, n
    )
    params = take_params(fit_params, rows, n)
    with seeded_training(model, seed, index):
        return model.fit(take_rows(X, rows), take_rows(y, rows), **params)


def clone_for_rows(estimator, rows, n):
    """Clone an estimator that is to be fitted to some of ``n`` rows.

    Parameters
    ----------
    estimator : estimator
        Unfitted, for all rows.
    rows : ndarray of int
        The rows it will be fitted to.
    n : int
        Number of all rows.
    """
    refuse_pairwise(estimator)
    return take_row_params(copying(clone(estimator)), rows, n)


def take_row_params(estimator, rows, n):
    """Index, in place, the per-row parameters of an unfitted estimator.

    These are the parameters in `PER_ROW`, and ``cv`` if it lists the rows of the folds,
    of the estimator and of estimators inside it.
    """
    if not _may_have_row_params(estimator):
        return estimator
    params = estimator.get_params(deep=True)
    owners = {"": estimator, **{f"{name}__": value for name, value in params.items()}}
    changed = {}
    for prefix, owner in owners.items():
        for kind, names in PER_ROW.items():
            if isinstance(owner, kind):
                changed.update((prefix + name, _entries) for name in names)
    changed.update(
        (name, _folds) for name in params if name == "cv" or name.endswith("__cv")
    )
    values = {name: take(params[name], rows, n) for name, take in changed.items()}
    values = {name: new for name, new in values.items() if new is not params[name]}
    return estimator.set_params(**values) if values else estimator


def _may_have_row_params(estimator):
    """Tell quickly if there can be any; ``get_params`` is slower than a small fit."""
    kinds = tuple(PER_ROW)
    return isinstance(estimator, kinds) or any(
        (name == "cv" and value is not None and not isinstance(value, int))
        or hasattr(value, "get_params")
        or isinstance(value, list | tuple)
        for name, value in vars(estimator).items()
    )


def _entries(value, rows, n):
    """Index a value if it is an array with one entry per row."""
    if np.ndim(value) == 0 or len(value) != n:
        return value
    return np.asarray(value)[rows]


def _folds(cv, rows, n):
    """Restrict listed folds to some of the rows; splitters are returned unchanged."""
    if isinstance(cv, PredefinedSplit):
        return PredefinedSplit(cv.test_fold[rows])
    if not isinstance(cv, list | tuple):
        return cv
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    parts = [tuple(_renumbered(part, place) for part in fold) for fold in cv]
    return [fold for fold in parts if all(len(part) for part in fold)]


def _renumbered(part, place):
    """Return the new positions of the rows of one side of a fold."""
    part = np.asarray(part)
    place = place[np.flatnonzero(part) if part.dtype == bool else part]
    return place[place >= 0]


def refuse_pairwise(estimator):
    """Raise for estimators whose X has one column per training row."""
    if get_tags(estimator).input_tags.pairwise:
        raise ValueError(
            f"{estimator!r:.100} takes a matrix with one column per training row "
            "(a precomputed kernel or distance, input_tags.pairwise): trained on some "
            "of the rows it would have other columns than the test rows. Pass the rows "
            "themselves, and the kernel or metric by its name or as a callable."
        )
