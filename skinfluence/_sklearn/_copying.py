"""Parameters by which estimators overwrite the rows they are given."""

from copy import deepcopy

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

OVERWRITES = ("copy", "copy_X", "copy_x")  # where they are False


def copying(estimator):
    """Return the unfitted estimator with parameters that keep the rows as they are.

    Those that overwrite them (``copy=False``, ``copy_X=False``) save memory, with the
    same result; here the rows are read again after the fit. Frozen estimators with
    such parameters are replaced by copies.
    """
    if isinstance(estimator, FrozenEstimator):
        return keeping_rows(estimator)
    params = vars(estimator) if is_plain(estimator) else estimator.get_params()
    changed = {
        name: True
        for name, value in params.items()
        if name.rpartition("__")[2] in OVERWRITES and value is False
    }
    for name, value in params.items():
        if isinstance(value, FrozenEstimator):
            kept = keeping_rows(value)
            if kept is not value:
                changed[name] = kept
    return estimator.set_params(**changed) if changed else estimator


def is_plain(estimator):
    """Tell whether the attributes of an unfitted estimator are all its parameters.

    This is so if none of them is an estimator. ``get_params``, which takes longer than
    a small fit, is then not needed.
    """
    if type(estimator).get_params is not BaseEstimator.get_params:
        return False
    return not any(
        hasattr(value, "get_params") or isinstance(value, list | tuple | dict)
        for value in vars(estimator).values()
    )


def keeping_rows(estimator):
    """Return a fitted estimator, or a copy, that keeps the rows it is given."""
    if not any(True for _ in _overwriting(estimator)):
        return estimator
    estimator = deepcopy(estimator)
    for part, name in list(_overwriting(estimator)):
        setattr(part, name, True)
    return estimator


def _overwriting(value):
    """Yield the estimators in a fitted one that overwrite rows, and the parameter."""
    if isinstance(value, BaseEstimator):
        for name, own in vars(value).items():
            if name in OVERWRITES and own is False:
                yield value, name
            else:
                yield from _overwriting(own)
    elif isinstance(value, list | tuple):
        for own in value:
            yield from _overwriting(own)
    elif isinstance(value, dict):
        yield from _overwriting(list(value.values()))
