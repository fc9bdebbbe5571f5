"""SGDRegressor and SGDClassifier with a smooth loss, at the optimum they approach.

scikit-learn descends ``sum_j s_j l_j / n + alpha |w|^2 / 2``, the intercept free
and n the number of rows, whatever their weights. Times n: the penalty is ``alpha n``,
so every row, also one of weight zero, takes a share 1/n of the penalty with it.

Descent stops near the optimum, at another distance in each training: leaving a row
out there is another question than training again, and only asked for explicitly.
"""

from functools import partial

import numpy as np
from scipy.special import expit
from sklearn.linear_model import SGDClassifier, SGDRegressor

from skinfluence._losses import MarginLoss, log_loss_slope
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import ClassWeights
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.smooth._pointwise import Logistic, Squared
from skinfluence.removal.smooth._smooth import Smooth

_HELD_FIXED = ("the optimum of the objective (SGD stops near it)",)


def residual(y, raw):
    """Derivative of half the squared error."""
    return raw - y


def _clipped_residual(epsilon, y, raw):
    return np.clip(raw - y, -epsilon, epsilon)


def _logistic(y, raw):
    if raw.shape[1] == 1:
        return log_loss_slope(y, raw)
    return expit(raw) - (y[:, None] == np.arange(raw.shape[1]))  # one against the rest


def _margin(loss, y, raw):
    return MarginLoss(loss).slope(y, raw, "margin")


# Derivatives of the losses that are known, by their names in scikit-learn.
REGRESSION_SLOPES = {
    "squared_error": lambda estimator: residual,
    "huber": lambda estimator: partial(_clipped_residual, estimator.epsilon),
}
CLASSIFICATION_SLOPES = {
    "log_loss": lambda estimator: _logistic,
    "hinge": lambda estimator: partial(_margin, estimator.loss),
    "squared_hinge": lambda estimator: partial(_margin, estimator.loss),
}


def _objective(estimator, slopes):
    l2 = estimator.alpha if estimator.penalty == "l2" else 0.0
    slope = slopes[estimator.loss](estimator) if estimator.loss in slopes else None
    return Objective(l2, per="row", slope=slope, held_fixed=_HELD_FIXED)


@objective.register
def _(estimator: SGDRegressor):
    return _objective(estimator, REGRESSION_SLOPES)


@objective.register
def _(estimator: SGDClassifier):
    return _objective(estimator, CLASSIFICATION_SLOPES)


def _sgd(estimator, X, y, sample_weight, pointwise, link, columns, labels=None):
    """Return the problem, and the function that makes its model for given weights."""
    if estimator.penalty not in ("l2", None):
        refuse(estimator, "penalty", "its minimiser has kinks")
    if estimator.early_stopping:
        refuse(estimator, "early_stopping", "a part of the rows is not trained on")
    problem = linear_problem(estimator, X, sample_weight, **columns)
    mass = problem.goal.mass(problem.weight)
    rest = pointwise, problem.l2, problem.fitted, link, mass, labels

    def build(weight):
        return Smooth(problem.design, y, weight, *rest)

    return problem, build


@removal_model.register
def _(estimator: SGDRegressor, X, y, sample_weight=None, **columns):
    if estimator.loss != "squared_error":
        refuse(estimator, "loss", "its minimiser has kinks")
    y = np.asarray(y, dtype=np.float64).ravel()
    args = estimator, X, y, sample_weight, Squared(), "identity", columns
    problem, build = _sgd(*args)
    return build(problem.weight)


@removal_model.register
def _(estimator: SGDClassifier, X, y, sample_weight=None, **columns):
    if estimator.loss != "log_loss":
        refuse(estimator, "loss", "its minimiser has kinks, or its loss is not known")
    if len(estimator.classes_) > 2:
        refuse(estimator, "classes_", "it normalises the answers of one-vs-rest models")
    classes = ClassWeights(estimator, y, sample_weight)
    args = estimator, X, classes.labels * 1.0, sample_weight, Logistic(), "logit"
    _, build = _sgd(*args, columns, classes.labels)
    return with_class_weight(classes, build)
