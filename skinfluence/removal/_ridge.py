"""Least squares: LinearRegression, Ridge, RidgeCV, RidgeClassifier and its CV.

What scikit-learn minimises: ``sum_j s_j (y_j - x_j'w - b)^2 + alpha |w|^2``, the
intercept free. Removing a row removes its term; alpha is a sum, not a mean, and
stays.
"""

import numpy as np
from sklearn.linear_model import (
    LinearRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.preprocessing import LabelBinarizer

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._linear import Design
from skinfluence.removal._quadratic import Quadratic
from skinfluence.removal._weights import classifier_weights, row_weights


def _quadratic(estimator, X, targets, weight, alpha, link="identity"):
    if getattr(estimator, "positive", False):
        refuse(estimator, "positive", "rows on the boundary move the active set")
    design = Design(estimator, X, estimator.fit_intercept, True, weight)
    n_outputs, p = targets.shape[1], design.rows.shape[1]
    penalty = np.tile(np.broadcast_to(alpha, n_outputs)[:, None], (1, p))
    if estimator.fit_intercept:
        penalty[:, -1] = 0.0
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)
    return Quadratic(design, targets, weight, penalty, fitted, link)


def _columns(y):
    y = np.asarray(y, dtype=np.float64)
    return y.reshape(len(y), -1)


@removal_model.register
def _(estimator: LinearRegression, X, y, sample_weight=None):
    targets = _columns(y)
    return _quadratic(
        estimator, X, targets, row_weights(sample_weight, len(targets)), 0.0
    )


@removal_model.register
def _(estimator: Ridge, X, y, sample_weight=None):
    targets = _columns(y)
    weight = row_weights(sample_weight, len(targets))
    return _quadratic(estimator, X, targets, weight, estimator.alpha)


@removal_model.register
def _(estimator: RidgeCV, X, y, sample_weight=None):
    targets = _columns(y)
    weight = row_weights(sample_weight, len(targets))
    model = _quadratic(estimator, X, targets, weight, estimator.alpha_)
    model.held_fixed = ("alpha_ of RidgeCV",)
    return model


def _classifier(estimator, X, y, sample_weight, alpha):
    targets = LabelBinarizer(pos_label=1, neg_label=-1).fit_transform(np.asarray(y))
    weight = classifier_weights(estimator, y, sample_weight)
    model = _quadratic(
        estimator, X, targets.astype(np.float64), weight, alpha, link="margin"
    )
    model.labels = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    return model


@removal_model.register
def _(estimator: RidgeClassifier, X, y, sample_weight=None):
    return _classifier(estimator, X, y, sample_weight, estimator.alpha)


@removal_model.register
def _(estimator: RidgeClassifierCV, X, y, sample_weight=None):
    model = _classifier(estimator, X, y, sample_weight, estimator.alpha_)
    model.held_fixed = ("alpha_ of RidgeClassifierCV",)
    return model
