"""Validation of the parameters of the functions that plant errors."""

from numbers import Real

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skinfluence._targets import check_targets


def check_rows(X, y):
    """Return copies of rows (tables, or images of any shape) and of their labels."""
    X = check_array(
        X, dtype=None, allow_nd=True, ensure_all_finite=False, input_name="X", copy=True
    )
    check_targets(y)
    y = column_or_1d(y).copy()
    check_consistent_length(X, y)
    return X, y


def check_label(label, y, name):
    """Raise for a label that no row has."""
    classes = np.unique(y)
    if label not in classes.tolist():
        raise ValueError(
            f"The {name!r} parameter must be one of the labels in y, "
            f"{classes[:10].tolist()}. Got {label!r}."
        )
    return label


def check_target(target, X):
    """Return the target as floats, in the shape of one row of X."""
    target = check_array(
        target,
        ensure_2d=False,
        allow_nd=True,
        dtype=np.float64,
        ensure_min_samples=0,
        input_name="target",
    )
    if target.shape != X.shape[1:]:
        raise ValueError(
            "The 'target' parameter must have the shape of one row of X, "
            f"{X.shape[1:]}. Got shape {target.shape}."
        )
    return target


def n_planted(candidates, fraction, n, which):
    """Return how many rows ``fraction`` of all ``n`` is, at least one."""
    if not isinstance(fraction, Real) or not 0 < fraction < 1:
        raise ValueError(
            "The 'fraction' parameter must be a share of all rows between 0 and 1. "
            f"Got {fraction!r}."
        )
    size = max(1, round(fraction * n))
    if size > len(candidates):
        raise ValueError(
            f"The 'fraction' parameter asks for {size} of {n} rows, but there are only "
            f"{len(candidates)} {which}: plant at most {len(candidates) / n:.3g}. "
            f"Got {fraction!r}."
        )
    return size


def draw(candidates, fraction, n, rng, which):
    """Choose ``fraction`` of all ``n`` rows among the ``candidates``, at least one."""
    size = n_planted(candidates, fraction, n, which)
    return rng.choice(candidates, size, replace=False)
