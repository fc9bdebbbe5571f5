"""Predictions with a last axis of classes or outputs, of models and of raw values."""

import numpy as np
from scipy.special import expit, softmax

# RadiusNeighborsRegressor predicts NaN for a row without neighbours, converted to an
# integer if the targets were integers.
NAN_AS_INTEGER = [float(np.iinfo(dtype).min) for dtype in (np.int32, np.int64)]

TOLERANCE = 1e-3  # for sums of probabilities in single or half precision


def link_prediction(raw, link, response):
    """Turn raw predictions into the predictions that a loss takes.

    Parameters
    ----------
    raw : ndarray of shape (..., n_raw)
        Raw predictions: one column for a binary model, else one per class or
        output.
    link : {"identity", "log", "logit", "softmax", "margin"}
        How the model turns raw predictions into predictions.
    response : {"predict_proba", "decision_function", "predict"}
        The kind of prediction that the loss takes.

    Returns
    -------
    prediction : ndarray of shape (..., n_classes or n_outputs)
        For ``response="predict"`` of a classifier, one column of class indices.
    """
    if link == "identity":
        return raw
    if link == "log":
        return np.exp(raw)
    if response == "decision_function":
        return raw
    if response == "predict":
        if raw.shape[-1] == 1:
            return (raw > 0).astype(np.intp)
        return raw.argmax(axis=-1)[..., None]
    if link == "logit":
        return np.concatenate([expit(-raw), expit(raw)], axis=-1)
    if link == "softmax":
        return softmax(raw, axis=-1)
    raise ValueError(
        f"A model with raw predictions of kind {link!r} has no {response}: choose a "
        "loss that needs no probabilities."
    )


def check_predictions(model, prediction, response):
    """Raise for predictions that are NaN or infinite."""
    finite = np.isfinite(prediction)
    if not finite.all():
        finite = finite.reshape(len(prediction), -1).all(axis=1)
        name = type(model).__name__
        raise ValueError(
            f"{response} of {name} must be finite. Got NaN or infinity for "
            f"{(~finite).sum()} of {len(finite)} rows: the fit counts as failed. Scale "
            "the features, smooth counts ('alpha' of naive Bayes), lower the "
            "learning rate ('lr' of a net), or take a larger 'radius' of neighbours."
        )


def check_probabilities(name, probability):
    """Raise if ``predict_proba`` of a classifier gives other values, such as logits.

    Rows of zeros are allowed: neighbours models predict them for rows without
    neighbours.
    """
    off = np.abs(probability.sum(axis=1) - 1.0) > TOLERANCE
    wrong = off & probability.any(axis=1) if off.any() else off
    if probability.min() < -TOLERANCE:
        wrong |= probability.min(axis=1) < -TOLERANCE
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        raise ValueError(
            f"predict_proba of {name} must give probabilities, in [0, 1] and of sum 1 "
            f"in every row. Got {probability[row][:10].tolist()} for row {row}. A "
            "module that returns logits needs criterion=torch.nn.CrossEntropyLoss "
            "(BCEWithLogitsLoss for a NeuralNetBinaryClassifier); with skorch's "
            "default, NLLLoss, it must end in Softmax."
        )


def model_prediction(model, X, response, classes=None):
    """Predict with a fitted model, columns aligned to ``classes``.

    A model trained on a subset may lack a class. The probability of the class is then
    zero and its margin -1. A net has a column for the class nevertheless.

    Returns
    -------
    prediction : ndarray of shape (n_samples, n_classes or n_outputs)
        Class indices in one column for ``response="predict"`` of a classifier.

    Raises
    ------
    ValueError
        If a prediction is NaN or infinite, or the result of ``predict_proba`` is not a
        probability.
    """
    prediction = np.asarray(getattr(model, response)(X))
    if classes is None:
        prediction = prediction.astype(np.float64, copy=False)
        nothing = np.isin(prediction, NAN_AS_INTEGER)
        if nothing.any():
            prediction = np.where(nothing, np.nan, prediction)
        check_predictions(model, prediction, response)
        return prediction.reshape(prediction.shape[0], -1)
    if response == "predict":
        index = np.searchsorted(classes, prediction)
        # A model may predict an outlier label that is not a class: always wrong.
        known = classes[np.minimum(index, len(classes) - 1)] == prediction
        return np.where(known, index, -1)[:, None]
    prediction = prediction.astype(np.float64, copy=False)
    check_predictions(model, prediction, response)
    if response == "predict_proba":
        check_probabilities(type(model).__name__, prediction)
    seen = np.searchsorted(classes, model.classes_)
    if response == "decision_function":
        if prediction.ndim == 1:
            if len(classes) == 2:
                return prediction[:, None]
            prediction = np.column_stack([-prediction, prediction])
        if len(seen) == len(classes):
            return prediction
    if len(seen) < prediction.shape[1] == len(classes):
        return prediction
    aligned = np.full(
        (prediction.shape[0], len(classes)),
        0.0 if response == "predict_proba" else -1.0,
    )
    aligned[:, seen] = prediction
    return aligned


def prior_margin(probability):
    """Margins of a constant model: ``2 p - 1`` for the share p of each class.

    One column for two classes.
    """
    margin = 2.0 * probability - 1.0
    return margin[1:] if len(margin) == 2 else margin
