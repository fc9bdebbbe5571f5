"""Sample weights that no training can use, found before anything is trained."""

import numpy as np

from skinfluence._counts import counted


def check_fit_weights(fit_params, negative=False):
    """Raise for sample weights among fit parameters that are no weights.

    Whatever has another shape or kind is left to the estimator's own errors.

    Parameters
    ----------
    fit_params : dict
        What is passed to ``fit``: ``sample_weight`` and, for the steps of a Pipeline,
        names that end in it.
    negative : bool, default=False
        Whether negative weights are the estimator's affair. Retraining asks nothing of
        them; formulas do, which take roots of them, or minimise what has a minimum.

    Raises
    ------
    ValueError
        Where a weight is NaN or infinite, or negative.
    """
    for name, weight in fit_params.items():
        if weight is None or name.rpartition("__")[2] != "sample_weight":
            continue
        rows = unusable_weights(weight, negative)
        if len(rows):
            least = "a finite number" if negative else "finite and not negative"
            value = np.ravel(np.asarray(weight, dtype=np.float64))[rows[0]]
            raise ValueError(
                f"The '{name}' parameter must be {least} for every row. Got {value} "
                f"in row {rows[0]}, {counted(len(rows), 'such row')} in all: leave "
                "these out, or give them weight 0."
            )


def unusable_weights(weight, negative=False):
    """Positions of weights that are NaN, infinite or, unless allowed, negative."""
    try:
        weight = np.ravel(np.asarray(weight, dtype=np.float64))
    except (TypeError, ValueError):
        return np.empty(0, dtype=np.intp)
    bad = ~np.isfinite(weight)
    if not negative:
        bad |= weight < 0
    return np.flatnonzero(bad)
