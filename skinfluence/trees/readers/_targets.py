"""Targets and weights as boosting objectives take them."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight

from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees._objectives import LogisticLoss, MultinomialLoss, SquaredLoss


def class_targets(classes, y):
    """Return the objective of a classifier and its targets, (n, 1) or (n, K)."""
    if len(classes) < 2:
        raise UnsupportedEstimator(
            f"A booster trained on a single class, {classes[0]!r}, has no leaves that "
            "depend on the rows. Pass rows of two or more classes."
        )
    codes = np.searchsorted(classes, column_or_1d(y))
    if len(classes) == 2:
        return LogisticLoss(), codes[:, None].astype(np.float64)
    return MultinomialLoss(), 1.0 * (codes[:, None] == np.arange(len(classes)))


def newton_targets(model, y, sample_weight, class_weight=None):
    """Return the objective of a classifier or of least squares, its y, and weights."""
    weight = row_weights(y, sample_weight, class_weight)
    if is_classifier(model):
        return *class_targets(model.classes_, y), weight
    return SquaredLoss(), number_targets(y), weight


def number_targets(y):
    """Return the targets of a regressor, (n, 1)."""
    return column_or_1d(y).astype(np.float64)[:, None]


def row_weights(y, sample_weight, class_weight=None):
    """Return weights of shape (n,), class weights included."""
    weight = np.ones(len(y))
    if sample_weight is not None:
        weight = weight * np.asarray(sample_weight, dtype=np.float64)
    if class_weight is not None:
        weight = weight * compute_sample_weight(class_weight, y)
    return weight
