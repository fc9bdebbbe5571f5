"""Check that a reader's structure reproduces the predictions of the fitted ensemble."""

import numpy as np

from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees._replay import raw_prediction, replay


def verified(trees, model, X, tol, suspects=()):
    """Return ``trees`` with ``reproduction_error``, or raise.

    Parameters
    ----------
    trees : BoostedTrees
        The structure that a reader made of the model.
    model : fitted estimator
        The ensemble.
    X : array-like of shape (n, n_features)
        Its training rows.
    tol : float
        Largest error, as a share of the range of the raw predictions.
    suspects : sequence of str
        Parameters whose value is known to change leaf values.

    Returns
    -------
    trees : BoostedTrees
        With the attribute ``reproduction_error``.

    Raises
    ------
    UnsupportedEstimator
        Where the leaf values do not follow from the training rows.
    """
    run = replay(trees, single_precision=trees.single_precision)
    replayed = raw_prediction(trees, run, trees.leaves)
    fitted = np.asarray(trees.raw_prediction(X)).reshape(replayed.shape)
    spread = np.ptp(fitted) or max(np.abs(fitted).max(), 1.0)  # constant without splits
    trees.reproduction_error = float(np.abs(replayed - fitted).max() / spread)
    if not trees.reproduction_error <= tol:
        name = type(model).__name__
        raise UnsupportedEstimator(
            f"The leaves of this {name} do not follow from the training rows: "
            f"predictions replayed from leaves and targets differ by "
            f"{trees.reproduction_error:.1e} of their range, {tol:.0e} is allowed. "
            "Either X, y and sample_weight are not those it was trained on, or a "
            "parameter is set whose effect on leaf values is not supported"
            + (f" ({', '.join(suspects)})." if suspects else ".")
        )
    return trees


def require(model, value, expected, parameter, reason):
    """Raise `UnsupportedEstimator` for a parameter that changes leaf values."""
    if value not in expected:
        raise UnsupportedEstimator(
            f"{type(model).__name__}({parameter}={value!r}): influence at fixed tree "
            f"structure needs {parameter}={expected[0]!r}, because {reason}."
        )
