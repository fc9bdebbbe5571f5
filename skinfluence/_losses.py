"""Per-row losses: of predictions, of raw predictions that move, and their slopes.

Every influence is a difference of losses, so each loss answers three questions.

``value(y, prediction)``
    the loss of each row, from what the estimator predicts. Retraining needs no
    more than this.
``change(y, raw, delta, link)``
    how much the loss grows when the *raw* prediction (linear predictor, logit,
    margin) moves from ``raw`` to ``raw + delta``. Where the difference of two
    nearly equal losses would cancel, a closed form that does not is used.
``slope(y, raw, link)``
    the derivative of the loss with respect to the raw prediction.

Targets are encoded once by `BaseInfluence`: class indices for classifiers,
floats of shape (n_samples, n_outputs) for regressors. Predictions always have a
last axis of length n_classes or n_outputs; axes between the first and the last
(one model per removed row) broadcast.
"""

import numpy as np
from scipy.special import expit, logsumexp, softmax, xlogy
from sklearn.base import is_classifier
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    RidgeClassifier,
    RidgeClassifierCV,
    TweedieRegressor,
)

from skinfluence._predictions import link_prediction
from skinfluence._sklearn import final_estimator

LOSS_NAMES = ("log_loss", "zero_one", "squared_error", "absolute_error", "brier")


def _pick(prediction, y):
    """Select ``prediction[t, ..., y[t]]``."""
    return np.take_along_axis(
        prediction, y.reshape((-1,) + (1,) * (prediction.ndim - 1)), axis=-1
    )[..., 0]


def _far(relative, likely):
    """Find moves whose exponentials overflow, and take back those that are in vain.

    Parameters
    ----------
    relative : ndarray of shape (n, m, k)
        Moves relative to the likeliest class; limited in place.
    likely : ndarray of shape (n, k)
        Raw predictions relative to the likeliest class.

    Returns
    -------
    far : tuple of ndarray or None
        Indices of moves that make a class of hardly any probability count.
    """
    if relative.max(initial=0.0) < 700:
        return None
    counts = (relative >= 700) & (relative > -60 - likely[:, None])
    np.minimum(relative, 700, out=relative)
    return np.nonzero(counts.any(axis=-1))


def _spread(y, ndim):
    """Insert axes after the first, so that ``y`` broadcasts over removed rows."""
    return y.reshape(y.shape[:1] + (1,) * (ndim - y.ndim) + y.shape[1:])


def _codes(y, n_columns):
    """One-vs-rest targets ±1, in one column for two classes."""
    if n_columns == 1:
        return (2.0 * y - 1.0)[:, None]
    return 2.0 * (y[:, None] == np.arange(n_columns)) - 1.0


class Loss:
    """A loss of single rows.

    Attributes
    ----------
    response : {"predict_proba", "decision_function", "predict"}
        The method of the estimator the loss is a function of.
    """

    response = "predict"

    def value(self, y, prediction):
        """Loss of each row, shape ``prediction.shape[:-1]``."""
        raise NotImplementedError

    def change(self, y, raw, delta, link):
        """Growth of the loss when ``raw`` (n, k) moves by ``delta`` (n, m, k)."""
        before = self.value(y, link_prediction(raw, link, self.response))
        after = self.value(
            y, link_prediction(raw[:, None] + delta, link, self.response)
        )
        return after - before[:, None]

    def slope(self, y, raw, link):
        """Derivative of the loss with respect to ``raw``, shape (n, k)."""
        self.need_slope()

    @property
    def has_slope(self):
        """Whether there is a derivative."""
        return type(self).slope is not Loss.slope

    def need_slope(self):
        """Raise if the loss has no slope."""
        if not self.has_slope:
            raise TypeError(
                f"loss={self.name!r} has no gradient, which this method needs. Use "
                "one of 'auto', 'log_loss', 'brier' (classifiers with "
                "predict_proba), 'squared_error' or 'absolute_error' (regressors)."
            )


class LogLoss(Loss):
    """Minus log-probability of the true class, natural logarithm.

    A probability of zero (a class the model has not seen, a pure leaf) counts as the
    dtype's epsilon, as in `sklearn.metrics.log_loss`; smaller ones than that are
    taken as they are, so that retraining and the algebra on logits agree.
    """

    name = "log_loss"
    response = "predict_proba"

    def value(self, y, prediction):
        probability = _pick(prediction, y)
        eps = np.finfo(np.float64).eps
        return -np.log(np.where(probability > 0, probability, eps))

    def change(self, y, raw, delta, link):
        # log sum_c p_c e^delta_c - delta_y
        #     = log1p(sum_c p_c expm1(delta_c - delta_m)) + delta_m - delta_y
        # for any class m; with the likeliest one the argument is above 1/K - 1, so
        # that no digits are lost, wherever the loss goes.
        if link == "logit":
            toward = np.where(raw[:, 0] > 0, -1.0, 1.0)[:, None]  # the other class
            relative = delta[..., 0] * toward
            likely = -np.abs(raw)
            far = _far(relative[..., None], likely)
            np.expm1(relative, out=relative)
            relative *= expit(likely)
            out = np.log1p(relative, out=relative)
            wrong = np.flatnonzero((raw[:, 0] > 0) != (y == 1))
            out[wrong] -= toward[wrong] * delta[wrong, :, 0]
        else:
            likeliest = raw.argmax(axis=-1)
            pivot = _pick(delta, likeliest)
            relative = delta - pivot[..., None]
            far = _far(relative, raw - raw.max(axis=-1, keepdims=True))
            np.expm1(relative, out=relative)
            out = np.matmul(relative, softmax(raw, axis=-1)[:, :, None])[..., 0]
            np.log1p(out, out=out)
            wrong = np.flatnonzero(likeliest != y)
            out[wrong] += pivot[wrong] - _pick(delta[wrong], y[wrong])
        if far is not None:
            t, m = far
            out[far] = self._far_change(y[t], raw[t], delta[t, m], link)
        return out

    def _far_change(self, y, raw, delta, link):
        """Difference of two losses, for single moves of shape (n, k)."""
        if link == "logit":
            sign = 1.0 - 2.0 * y
            before, move = sign * raw[:, 0], sign * delta[:, 0]
            return np.logaddexp(0, before + move) - np.logaddexp(0, before)
        before = raw - _pick(raw, y)[:, None]
        after = before + delta - _pick(delta, y)[:, None]
        return logsumexp(after, axis=-1) - logsumexp(before, axis=-1)

    def slope(self, y, raw, link):
        if link == "logit":
            return expit(raw) - y[:, None]
        return softmax(raw, axis=-1) - (y[:, None] == np.arange(raw.shape[-1]))


class Brier(Loss):
    """Squared distance of the probabilities from the true class's indicator.

    For two classes half of it, ``(y - p)**2``, as `sklearn.metrics.brier_score_loss`.
    """

    name = "brier"
    response = "predict_proba"

    def value(self, y, prediction):
        n_classes = prediction.shape[-1]
        truth = _spread((y[:, None] == np.arange(n_classes)) * 1.0, prediction.ndim)
        total = ((prediction - truth) ** 2).sum(axis=-1)
        return total / 2 if n_classes == 2 else total

    def slope(self, y, raw, link):
        if link == "logit":
            p = expit(raw)
            return 2 * (p - y[:, None]) * p * expit(-raw)
        p = softmax(raw, axis=-1)
        factor = 1 if raw.shape[-1] == 2 else 2
        residual = factor * (p - (y[:, None] == np.arange(raw.shape[-1])))
        return p * (residual - (p * residual).sum(axis=-1, keepdims=True))


class ZeroOne(Loss):
    """One for a wrong class, else zero: influence is accuracy with minus without."""

    name = "zero_one"

    def value(self, y, prediction):
        return (prediction[..., 0] != _spread(y, prediction.ndim - 1)).astype(
            np.float64
        )


class SquaredError(Loss):
    """Squared error ``(y - prediction)**2``, averaged over outputs."""

    name = "squared_error"

    def value(self, y, prediction):
        return ((prediction - _spread(y, prediction.ndim)) ** 2).mean(axis=-1)

    def change(self, y, raw, delta, link):
        if link != "identity":
            return super().change(y, raw, delta, link)
        residual = 2.0 * (raw - y)
        if raw.shape[-1] == 1:
            out = delta[..., 0] + residual
            out *= delta[..., 0]
            return out
        return (delta * (delta + residual[:, None])).mean(axis=-1)

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        slope = 2.0 * (prediction - y) / raw.shape[-1]
        return slope * prediction if link == "log" else slope


class AbsoluteError(Loss):
    """Absolute error, averaged over outputs."""

    name = "absolute_error"

    def value(self, y, prediction):
        return np.abs(prediction - _spread(y, prediction.ndim)).mean(axis=-1)

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        slope = np.sign(prediction - y) / raw.shape[-1]
        return slope * prediction if link == "log" else slope


class Deviance(Loss):
    """Unit Tweedie deviance (in full, not halved), as `sklearn.metrics`.

    A predicted mean of zero (no positive target is left) counts as the dtype's
    epsilon.
    """

    name = "deviance"

    def __init__(self, power):
        self.power = power

    def value(self, y, prediction):
        y, q = _spread(y, prediction.ndim), self.power
        if q >= 1:
            eps = np.finfo(np.float64).eps
            prediction = np.where(prediction > 0, prediction, eps)
        if q == 0:
            unit = (y - prediction) ** 2
        elif q == 1:
            unit = 2 * (xlogy(y, y / prediction) - y + prediction)
        elif q == 2:
            unit = 2 * (np.log(prediction / y) + y / prediction - 1)
        else:
            unit = 2 * (
                np.maximum(y, 0) ** (2 - q) / ((1 - q) * (2 - q))
                - y * prediction ** (1 - q) / (1 - q)
                + prediction ** (2 - q) / (2 - q)
            )
        return unit.mean(axis=-1)

    def change(self, y, raw, delta, link):
        if link != "log":
            return super().change(y, raw, delta, link)
        first, second = 2 - self.power, 1 - self.power

        def growth(a):
            """(prediction**a after minus before) / a, and its limit at a = 0."""
            if a == 0:
                return delta
            return np.exp(a * raw)[:, None] / a * np.expm1(a * delta)

        return 2 * (growth(first) - y[:, None] * growth(second)).mean(axis=-1)

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        slope = 2 * (prediction - y) / raw.shape[-1]
        if link == "log":
            return slope * prediction ** (1 - self.power)
        return slope / prediction**self.power


class MarginLoss(Loss):
    """What a margin classifier was trained on, summed over one-vs-rest problems.

    ``squared``: squared error of the decision function against ±1 (ridge
    classifiers); otherwise hinge or squared hinge.
    """

    response = "decision_function"

    def __init__(self, name):
        self.name = name

    def value(self, y, prediction):
        code = _spread(_codes(y, prediction.shape[-1]), prediction.ndim)
        violation = 1.0 - code * prediction
        if self.name != "squared_margin":
            violation = np.maximum(violation, 0.0)
        return (violation if self.name == "hinge" else violation**2).sum(axis=-1)

    def slope(self, y, raw, link):
        code = _codes(y, raw.shape[-1])
        violation = 1.0 - code * raw
        if self.name != "squared_margin":
            violation = np.maximum(violation, 0.0)
        if self.name == "hinge":
            return -code * (violation > 0)
        return -2.0 * code * violation


class MinusPrediction(Loss):
    """Minus the prediction itself: what a regressor's row is worth without a target.

    Prediction with the row minus prediction without it, so positive means that
    the row raises the prediction. Averaged over outputs.
    """

    name = "prediction"

    def value(self, y, prediction):
        return -prediction.mean(axis=-1)

    def slope(self, y, raw, link):
        prediction = link_prediction(raw, link, self.response)
        return -(prediction if link == "log" else np.ones_like(raw)) / raw.shape[-1]


class UserLoss(Loss):
    """A callable ``(y_true, y_pred) -> (n_samples,)`` given by the user.

    ``y_true`` are the user's own labels; ``y_pred`` is ``predict_proba`` with
    columns in the order of ``classes_`` where the model has it, else ``predict``.
    """

    def __init__(self, function, response, classes):
        self.function, self.response, self.classes = function, response, classes
        self.name = getattr(function, "__name__", repr(function))

    def value(self, y, prediction):
        if self.classes is not None:
            y = self.classes[y]
            if self.response == "predict":
                prediction = self.classes[prediction]
        elif y.shape[-1] == 1:
            y = y[:, 0]
        middle = prediction.shape[1:-1]
        models = prediction.reshape(prediction.shape[0], -1, prediction.shape[-1])
        flat = self.response == "predict" and prediction.shape[-1] == 1
        columns = []
        for m in range(models.shape[1]):
            y_pred = models[:, m, 0] if flat else models[:, m]
            loss = np.asarray(self.function(y, y_pred), dtype=np.float64)
            if loss.shape != (len(y_pred),):
                raise ValueError(
                    "The 'loss' parameter must be a callable (y_true, y_pred) that "
                    f"returns one loss per row, shape ({len(y_pred)},). "
                    f"{self.name} returned shape {loss.shape}: do not average."
                )
            columns.append(loss)
        return np.stack(columns, axis=1).reshape((prediction.shape[0], *middle))


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
