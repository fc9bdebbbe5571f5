"""The choice of the loss for an estimator."""

from sklearn.base import is_classifier
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    RidgeClassifier,
    RidgeClassifierCV,
    TweedieRegressor,
)

from skinfluence._losses._classification import Brier, MarginLoss, ZeroOne
from skinfluence._losses._deviance import Deviance
from skinfluence._losses._log_loss import LogLoss
from skinfluence._losses._regression import AbsoluteError, SquaredError
from skinfluence._losses._user_loss import UserLoss
from skinfluence._sklearn import final_estimator

LOSS_NAMES = ("log_loss", "zero_one", "squared_error", "absolute_error", "brier")


def resolve_loss(loss, estimator):
    """Return the `Loss` that the ``loss`` parameter names, for a fitted estimator.

    ``"auto"`` is log loss for classifiers with ``predict_proba``, the training
    loss for margin classifiers, zero-one for classifiers with ``predict`` only,
    full deviance for Poisson, Gamma and Tweedie regressors and squared error for
    the others.
    """
    model = final_estimator(estimator)
    classifier = is_classifier(estimator)
    has_proba = hasattr(estimator, "predict_proba")
    if callable(loss):
        response = "predict_proba" if classifier and has_proba else "predict"
        return UserLoss(loss, response, estimator.classes_ if classifier else None)
    if loss == "auto":
        return _auto_loss(model, classifier, has_proba, estimator)
    accepted = {
        True: {"log_loss": LogLoss, "brier": Brier, "zero_one": ZeroOne},
        False: {"squared_error": SquaredError, "absolute_error": AbsoluteError},
    }[classifier]
    kind = "classifier" if classifier else "regressor"
    if loss not in accepted:
        raise ValueError(
            f"The 'loss' parameter for the {kind} {type(model).__name__} must be "
            f"'auto', one of {sorted(accepted)} or a callable. Got {loss!r}."
        )
    if accepted[loss].response == "predict_proba" and not has_proba:
        raise ValueError(
            f"loss={loss!r} needs predict_proba, which {type(model).__name__} does "
            "not have. Use 'auto' (its training loss) or 'zero_one'."
        )
    return accepted[loss]()


def refuse_without_slope(loss):
    """Raise for a ``loss`` parameter that has no gradient, before any training."""
    if callable(loss):
        UserLoss(loss, "predict", None).need_slope()
    if loss == "zero_one":
        ZeroOne().need_slope()


def _auto_loss(model, classifier, has_proba, estimator):
    if not classifier:
        if isinstance(model, PoissonRegressor):
            return Deviance(1)
        if isinstance(model, GammaRegressor):
            return Deviance(2)
        if isinstance(model, TweedieRegressor):
            return Deviance(model.power)
        return SquaredError()
    if has_proba:
        return LogLoss()
    if not hasattr(estimator, "decision_function"):
        return ZeroOne()
    if isinstance(model, RidgeClassifier | RidgeClassifierCV):
        return MarginLoss("squared_margin")
    squared = getattr(model, "loss", "hinge") == "squared_hinge"
    return MarginLoss("squared_hinge" if squared else "hinge")
