"""SGDRegressor and SGDClassifier with a smooth loss, at the optimum they approach.

What scikit-learn descends: ``sum_j s_j l_j / n + alpha |w|^2 / 2``, the intercept free
and n the number of rows, whatever their weights. Times n: the penalty is ``alpha n``,
so every row, also one of weight zero, takes a share 1/n of the penalty with it.

Descent stops near the optimum, at another distance in each training: leaving a row
out there is another question than training again, and only asked for explicitly.
"""

import numpy as np
from sklearn.linear_model import SGDClassifier, SGDRegressor

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import ClassWeights
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.smooth._pointwise import Logistic, Squared
from skinfluence.removal.smooth._smooth import Smooth

_HELD_FIXED = ("the optimum of the objective (SGD stops near it)",)


@objective.register(SGDRegressor)
@objective.register(SGDClassifier)
def _(estimator):
    l2 = estimator.alpha if estimator.penalty == "l2" else 0.0
    return Objective(l2, per="row", held_fixed=_HELD_FIXED)


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
