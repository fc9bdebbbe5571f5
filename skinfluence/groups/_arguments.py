"""Checks of the arguments of functions on sets of rows."""

from numbers import Integral, Real

from sklearn.utils.validation import check_is_fitted

from skinfluence.groups._coefficient import Coefficient
from skinfluence.groups._prediction import Prediction
from skinfluence.groups._significance import Significance

TARGETS = ("prediction", "coefficient", "significance")


def make_estimand(influence, X, y, target, coefficient, level):
    """Return the `Estimand` that the arguments ask about."""
    if not hasattr(influence, "influence") or not hasattr(influence, "estimator"):
        raise TypeError(
            "The 'influence' parameter must be a fitted influence estimator around the "
            "model, LeaveOneOutInfluence(LinearRegression()).fit(X, y), say. Got "
            f"{influence!r:.100}."
        )
    check_is_fitted(influence)
    if target not in TARGETS:
        raise ValueError(
            f"The 'target' parameter must be one of {list(TARGETS)}. Got {target!r}."
        )
    if target == "prediction":
        if coefficient is not None:
            raise ValueError(
                "The 'coefficient' parameter goes with target='coefficient' or "
                f"'significance'. Got {coefficient!r} with target='prediction'."
            )
        return Prediction(influence, X, y)
    if X is not None or y is not None:
        raise ValueError(
            f"X and y are the test row of target='prediction'; target={target!r} is "
            "about the fitted model alone: leave them out."
        )
    if coefficient is None:
        raise ValueError(
            "The 'coefficient' parameter must be a position in coef_ or the name of a "
            f"feature for target={target!r}. Got None."
        )
    if target == "coefficient":
        return Coefficient(influence, coefficient)
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(
            f"The 'level' parameter must be a number in (0, 1). Got {level!r}."
        )
    return Significance(influence, coefficient, float(level))


def check_method(method, known):
    """Refuse an unknown method."""
    if method not in known:
        raise ValueError(
            f"The 'method' parameter must be one of {list(known)}. Got {method!r}."
        )


def check_number(name, value, most):
    """Return a number of players between 1 and ``most``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"The {name!r} parameter must be an integer. Got {value!r}.")
    if not 1 <= value <= most:
        raise ValueError(
            f"The {name!r} parameter must be between 1 and {most}: something must be "
            f"left to train on. Got {value}."
        )
    return int(value)
