"""Checks that what a reader made of a fitted ensemble reproduces its predictions."""

import numpy as np

from skinfluence.removal import UnsupportedEstimator


def relative_error(replayed, fitted):
    """Largest difference of predictions, as a share of the range of fitted ones."""
    fitted = np.reshape(fitted, replayed.shape)
    spread = np.ptp(fitted) or max(np.abs(fitted).max(), 1.0)  # constant without splits
    return float(np.abs(replayed - fitted).max() / spread)


def verified(trees, model, tol, suspects):
    """Return ``trees``, or raise where leaf values do not follow from training rows.

    Parameters
    ----------
    trees : BoostedTrees
        The structure that a reader made of the model.
    model : fitted estimator
        The ensemble.
    tol : float
        Largest ``trees.reproduction_error``.
    suspects : sequence of str
        Parameters whose value is known to change leaf values.
    """
    if not trees.reproduction_error <= tol:
        raise UnsupportedEstimator(
            f"The leaves of this {type(model).__name__} do not follow from the "
            "training rows: predictions replayed from leaves and targets differ by "
            f"{trees.reproduction_error:.1e} of their range, {tol:.0e} is allowed. "
            "Either X, y and sample_weight are not those it was trained on, or a "
            "parameter is set whose effect on leaf values is not supported "
            f"({', '.join(suspects)})."
        )
    return trees


def require(model, parameter, expected, reason, value=...):
    """Raise `UnsupportedEstimator` for a parameter that changes leaf values.

    ``value`` is that of the parameter, where it is not the model's attribute.
    """
    value = getattr(model, parameter) if value is ... else value
    if value not in expected:
        raise UnsupportedEstimator(
            f"{type(model).__name__}({parameter}={value!r}): influence at fixed tree "
            f"structure needs {parameter}={expected[0]!r}, because {reason}."
        )
