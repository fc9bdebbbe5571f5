"""Least squares: LinearRegression, Ridge, RidgeCV, RidgeClassifier and its CV.

scikit-learn minimises ``sum_j s_j (y_j - x_j'w - b)^2 + alpha |w|^2``, the
intercept free. Removing a row removes its term; alpha is a sum, not a mean, and
stays.
"""

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import (
    LinearRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.preprocessing import LabelBinarizer

from skinfluence._losses import MarginLoss
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, chosen, objective
from skinfluence.removal._weights import ClassWeights
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.sparse._sparse import quadratic_model


def squared(y, raw):
    """Derivative of the squared error."""
    return 2.0 * (raw - y)


def squared_codes(y, raw):
    """Derivative of the squared error of codes +1 and -1, for class indices y."""
    return MarginLoss("squared_margin").slope(y, raw, "margin")


def _objective(estimator, alpha, *names):
    slope = squared_codes if is_classifier(estimator) else squared
    l2, held = 2.0 * np.asarray(alpha), chosen(estimator, *names)
    return Objective(l2, slope=slope, held_fixed=held)


@objective.register
def _(estimator: LinearRegression):
    return _objective(estimator, 0.0)


@objective.register(Ridge)
@objective.register(RidgeClassifier)
def _(estimator):
    return _objective(estimator, estimator.alpha)


@objective.register(RidgeCV)
@objective.register(RidgeClassifierCV)
def _(estimator):
    return _objective(estimator, estimator.alpha_, "alpha_")


def _problem(estimator, X, n_outputs, sample_weight, columns):
    """Return the problem, and ``alpha |w|^2`` of each output as a diagonal matrix."""
    if getattr(estimator, "positive", False):
        refuse(estimator, "positive", "rows on the boundary move the active set")
    columns["matrix_free"] = np.ptp(objective(estimator).l2) == 0
    problem = linear_problem(estimator, X, sample_weight, **columns)
    shape = n_outputs, problem.l2.shape[-1]
    return problem, np.broadcast_to(problem.l2 / 2, shape)


@removal_model.register(Ridge)
@removal_model.register(RidgeCV)
def least_squares(estimator, X, y, sample_weight=None, **columns):
    """Return the model of a regressor with squared errors and an L2 penalty."""
    targets = np.asarray(y, dtype=np.float64)
    targets = targets.reshape(len(targets), -1)
    problem, penalty = _problem(estimator, X, targets.shape[1], sample_weight, columns)
    args = problem.weight, penalty, problem.fitted
    return quadratic_model(problem.design, targets, *args)


@removal_model.register
def _(estimator: LinearRegression, X, y, sample_weight=None, **columns):
    values = getattr(estimator, "singular_", np.empty(0))  # not of sparse X
    rounding = 10 * max(len(y), len(values)) * np.finfo(np.float64).eps
    if (values > rounding * values.max(initial=0)).sum() > getattr(
        estimator, "rank_", len(values)
    ):
        refuse(estimator, "tol", "columns of small scale count as dependent, scale X")
    return least_squares(estimator, X, y, sample_weight, **columns)


@removal_model.register(RidgeClassifier)
@removal_model.register(RidgeClassifierCV)
def _(estimator, X, y, sample_weight=None, **columns):
    codes = LabelBinarizer(pos_label=1, neg_label=-1).fit_transform(np.asarray(y))
    codes = codes.astype(np.float64)
    problem, penalty = _problem(estimator, X, codes.shape[1], sample_weight, columns)
    classes = ClassWeights(estimator, y, sample_weight)
    rest = penalty, problem.fitted, "margin", classes.labels

    def build(weight):
        return quadratic_model(problem.design, codes, weight, *rest)

    return with_class_weight(classes, build)
