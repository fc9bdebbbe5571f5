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

from skinfluence._losses import MarginLoss
from skinfluence._sklearn import n_rows
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, chosen, objective
from skinfluence.removal._weights import row_weights
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.linear._design import make_design
from skinfluence.removal.sparse._sparse import quadratic_model


def squared(y, raw):
    """Derivative of the squared error."""
    return 2.0 * (raw - y)


def squared_codes(y, raw):
    """Derivative of the squared error of codes +1 and -1, for class indices y."""
    return MarginLoss("squared_margin").slope(y, raw, "margin")


@objective.register
def _(estimator: LinearRegression):
    return Objective(0.0, slope=squared)


@objective.register
def _(estimator: Ridge):
    return Objective(2.0 * np.asarray(estimator.alpha), slope=squared)


@objective.register
def _(estimator: RidgeCV):
    held = chosen(estimator, "alpha_")
    return Objective(2.0 * np.asarray(estimator.alpha_), slope=squared, held_fixed=held)


@objective.register
def _(estimator: RidgeClassifier):
    return Objective(2.0 * np.asarray(estimator.alpha), slope=squared_codes)


@objective.register
def _(estimator: RidgeClassifierCV):
    held, l2 = chosen(estimator, "alpha_"), 2.0 * np.asarray(estimator.alpha_)
    return Objective(l2, slope=squared_codes, held_fixed=held)


def _problem(estimator, X, n_outputs, sample_weight):
    """Design matrix, penalties of each output and fitted coefficients."""
    if getattr(estimator, "positive", False):
        refuse(estimator, "positive", "rows on the boundary move the active set")
    alpha = objective(estimator).l2 / 2
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


@removal_model.register(Ridge)
@removal_model.register(RidgeCV)
def least_squares(estimator, X, y, sample_weight=None):
    """Return the model of a regressor with squared errors and an L2 penalty."""
    targets = np.asarray(y, dtype=np.float64)
    targets = targets.reshape(len(targets), -1)
    design, weight, penalty, fitted = _problem(
        estimator, X, targets.shape[1], sample_weight
    )
    return quadratic_model(design, targets, weight, penalty, fitted)


@removal_model.register
def _(estimator: LinearRegression, X, y, sample_weight=None):
    values = getattr(estimator, "singular_", np.empty(0))  # not of sparse X
    rounding = 10 * max(len(y), len(values)) * np.finfo(np.float64).eps
    if (values > rounding * values.max(initial=0)).sum() > getattr(
        estimator, "rank_", len(values)
    ):
        refuse(estimator, "tol", "columns of small scale count as dependent, scale X")
    return least_squares(estimator, X, y, sample_weight)


@removal_model.register(RidgeClassifier)
@removal_model.register(RidgeClassifierCV)
def _(estimator, X, y, sample_weight=None):
    codes = LabelBinarizer(pos_label=1, neg_label=-1).fit_transform(np.asarray(y))
    codes = codes.astype(np.float64)
    design, _, penalty, fitted = _problem(estimator, X, codes.shape[1], sample_weight)

    def build(weight):
        return quadratic_model(design, codes, weight, penalty, fitted, "margin")

    y_index = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    return with_class_weight(estimator, y, y_index, sample_weight, build)
