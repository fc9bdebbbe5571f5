"""Which fitted estimators the exact algebra knows, by type."""

from functools import singledispatch
from importlib import import_module


class UnsupportedEstimator(TypeError):
    """No exact removal exists for an estimator, or for one of its settings."""


@singledispatch
def removal_model(estimator, X, y, sample_weight=None):
    """Return the `RemovalModel` of a fitted estimator.

    Third parties register a type of their own with ``removal_model.register``.

    Parameters
    ----------
    estimator : fitted estimator
        Its type decides the family.
    X : array-like of shape (n_samples, n_features)
        The rows it was trained on.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets, as given to ``fit``.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights.

    Returns
    -------
    model : RemovalModel

    Raises
    ------
    UnsupportedEstimator
        With the reason, and what to use instead.
    """
    known = len(removal_model.registry)
    # Tree ensembles register on first use: most of their libraries are optional.
    import_module("skinfluence.trees._removal").register_boosters(estimator)
    if len(removal_model.registry) > known:
        return removal_model(estimator, X, y, sample_weight)
    supported = sorted(
        {t.__name__ for t in removal_model.registry if t is not object} - {"Pipeline"}
    )
    raise UnsupportedEstimator(
        f"No exact removal of rows is known for {type(estimator).__name__}. "
        f"Supported: {', '.join(supported)}, and Pipelines that end in one of them. "
        "Use LeaveOneOutInfluence(..., solver='refit') instead."
    )


def refuse(estimator, parameter, reason):
    """Raise `UnsupportedEstimator` for one setting of a supported estimator."""
    value = getattr(estimator, parameter)
    raise UnsupportedEstimator(
        f"{type(estimator).__name__}({parameter}={value!r}) has no exact removal of "
        f"rows: {reason}. Use LeaveOneOutInfluence(..., solver='refit') instead."
    )
