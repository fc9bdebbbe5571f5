"""Dispatch of fitted estimators to the families that remove rows exactly."""

from functools import singledispatch

from skinfluence._other_methods import OTHER_METHODS
from skinfluence._sklearn import samplers


class UnsupportedEstimator(TypeError):
    """No exact removal exists for an estimator, or for one of its settings.

    ``args[0]`` is the reason; the text also says where to look for another method.
    """

    def __str__(self):
        return f"{super().__str__()} {OTHER_METHODS}"


class NothingLeft(ValueError):
    """The model cannot predict without any one of its training rows."""


@singledispatch
def removal_model(estimator, X, y, sample_weight=None, **columns):
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
    **columns
        Only of estimators that have an `objective`: ``keep_columns`` and ``scales`` of
        `linear._design.make_design`.

    Raises
    ------
    UnsupportedEstimator
        With the reason, and what to use instead.
    """
    supported = sorted(
        {
            kind.__name__
            for kind in removal_model.registry
            if kind is not object and not kind.__name__.startswith("_")
        }
        - {"Pipeline"}
    )
    raise UnsupportedEstimator(
        f"No exact removal of rows is known for {type(estimator).__name__}. "
        f"Supported: {', '.join(supported)}, and Pipelines that end in one of them. "
        "Use LeaveOneOutInfluence(..., solver='refit') instead."
    )


def refuse_samplers(estimator):
    """Raise `UnsupportedEstimator` for a Pipeline with steps that change the rows."""
    names = samplers(estimator)
    if names:
        raise UnsupportedEstimator(
            f"The steps {names} of the Pipeline change the rows that are trained on "
            "(fit_resample): the model has no term for each row of X, and other rows "
            "come from the sampler when one goes. Use a method that retrains, such as "
            "LeaveOneOutInfluence(..., solver='refit') or DownsamplingInfluence; or "
            "leave the sampler out, with class_weight='balanced' in its place, say."
        )


def refuse(estimator, parameter, reason):
    """Raise `UnsupportedEstimator` for one setting of a supported estimator."""
    value = getattr(estimator, parameter)
    raise UnsupportedEstimator(
        f"{type(estimator).__name__}({parameter}={value!r}) has no exact removal of "
        f"rows: {reason}. Use LeaveOneOutInfluence(..., solver='refit') instead."
    )
