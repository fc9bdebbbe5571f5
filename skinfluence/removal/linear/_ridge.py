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

from skinfluence._sklearn import n_rows
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._weights import row_weights
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.linear._design import make_design
from skinfluence.removal.linear._sparse import quadratic_model


def _problem(estimator, X, n_outputs, sample_weight, alpha):
    """Design matrix, penalties of each output and fitted coefficients."""
    if getattr(estimator, "positive", False):
        refuse(estimator, "positive", "rows on the boundary move the active set")
    weight = row_weights(sample_weight, n_rows(X))
    design = make_design(
        estimator,
        X,
        estimator.fit_intercept,
        True,
        weight,
        np.min(alpha),
        matrix_free=np.ptp(alpha) == 0,
    )
    p = design.rows.shape[1]
    penalty = np.tile(np.broadcast_to(alpha, n_outputs)[:, None], (1, p))
    if estimator.fit_intercept:
        penalty[:, -1] = 0.0
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)
    return design, weight, penalty, fitted


def _regressor(estimator, X, y, sample_weight, alpha):
    targets = np.asarray(y, dtype=np.float64)
    targets = targets.reshape(len(targets), -1)
    design, weight, penalty, fitted = _problem(
        estimator, X, targets.shape[1], sample_weight, alpha
    )
    return quadratic_model(design, targets, weight, penalty, fitted)


def _classifier(estimator, X, y, sample_weight, alpha):
    codes = LabelBinarizer(pos_label=1, neg_label=-1).fit_transform(np.asarray(y))
    codes = codes.astype(np.float64)
    design, _, penalty, fitted = _problem(
        estimator, X, codes.shape[1], sample_weight, alpha
    )

    def build(weight):
        return quadratic_model(design, codes, weight, penalty, fitted, "margin")

    y_index = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    return with_class_weight(estimator, y, y_index, sample_weight, build)


@removal_model.register
def _(estimator: LinearRegression, X, y, sample_weight=None):
    values = getattr(estimator, "singular_", np.empty(0))  # not of sparse X
    rounding = 10 * max(len(y), len(values)) * np.finfo(np.float64).eps
    if (values > rounding * values.max(initial=0)).sum() > getattr(
        estimator, "rank_", len(values)
    ):
        refuse(estimator, "tol", "columns of small scale count as dependent, scale X")
    return _regressor(estimator, X, y, sample_weight, 0.0)


@removal_model.register
def _(estimator: Ridge, X, y, sample_weight=None):
    return _regressor(estimator, X, y, sample_weight, estimator.alpha)


@removal_model.register
def _(estimator: RidgeCV, X, y, sample_weight=None):
    model = _regressor(estimator, X, y, sample_weight, estimator.alpha_)
    model.held_fixed = ("alpha_ of RidgeCV",)
    return model


@removal_model.register
def _(estimator: RidgeClassifier, X, y, sample_weight=None):
    return _classifier(estimator, X, y, sample_weight, estimator.alpha)


@removal_model.register
def _(estimator: RidgeClassifierCV, X, y, sample_weight=None):
    model = _classifier(estimator, X, y, sample_weight, estimator.alpha_)
    model.held_fixed = ("alpha_ of RidgeClassifierCV",)
    return model
