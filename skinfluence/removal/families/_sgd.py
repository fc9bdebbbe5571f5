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
from skinfluence.removal._weights import row_weights
from skinfluence.removal.linear._class_weight import with_class_weight
from skinfluence.removal.linear._design import make_design
from skinfluence.removal.smooth._pointwise import Logistic, Squared
from skinfluence.removal.smooth._smooth import Smooth

_HELD_FIXED = ("the optimum of the objective (SGD stops near it)",)


@objective.register(SGDRegressor)
@objective.register(SGDClassifier)
def _(estimator):
    l2 = estimator.alpha if estimator.penalty == "l2" else 0.0
    return Objective(l2, per="row", held_fixed=_HELD_FIXED)


def _sgd(estimator, X, y, weight, pointwise, link):
    if estimator.penalty not in ("l2", None):
        refuse(estimator, "penalty", "its minimiser has kinks")
    if estimator.early_stopping:
        refuse(estimator, "early_stopping", "a part of the rows is not trained on")
    goal = objective(estimator)
    ridge = goal.l2 * goal.size(weight)
    design = make_design(estimator, X, estimator.fit_intercept, True, weight, ridge)
    penalty, mass = goal.penalty(design, weight), goal.mass(weight)
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)

    def build(weight):
        return Smooth(design, y, weight, pointwise, penalty, fitted, link, mass)

    return build


@removal_model.register
def _(estimator: SGDRegressor, X, y, sample_weight=None):
    if estimator.loss != "squared_error":
        refuse(estimator, "loss", "its minimiser has kinks")
    y = np.asarray(y, dtype=np.float64).ravel()
    weight = row_weights(sample_weight, len(y))
    return _sgd(estimator, X, y, weight, Squared(), "identity")(weight)


@removal_model.register
def _(estimator: SGDClassifier, X, y, sample_weight=None):
    if estimator.loss != "log_loss":
        refuse(estimator, "loss", "its minimiser has kinks, or its loss is not known")
    if len(estimator.classes_) > 2:
        refuse(estimator, "classes_", "it normalises the answers of one-vs-rest models")
    y_index = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    weight = row_weights(sample_weight, len(y_index))
    build = _sgd(estimator, X, y_index * 1.0, weight, Logistic(), "logit")
    return with_class_weight(estimator, y, y_index, sample_weight, build)
