"""LinearSVC with the squared hinge: one-vs-rest problems of their own.

What liblinear minimises, primal or dual, for each class: ``C sum_j s_j max(0, 1 -
c_j (x_j'w + b))^2 + |w|^2 / 2 + (b / intercept_scaling)^2 / 2``: the intercept is the
coefficient of a constant feature and has a penalty. Removing a row removes its term.
"""

import numpy as np
from sklearn.svm import LinearSVC

from skinfluence._losses import MarginLoss
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import row_weights
from skinfluence.removal.kinked._kinked_squares import Hinge, KinkedSquares
from skinfluence.removal.linear._class_weight import each_output, with_class_weight
from skinfluence.removal.linear._design import make_design


def _squared_hinge(y, raw):
    return MarginLoss("squared_hinge").slope(y, raw, "margin")


@objective.register
def _(estimator: LinearSVC):
    constant = estimator.intercept_scaling if estimator.fit_intercept else 0.0
    return Objective(1.0 / estimator.C, constant=constant, slope=_squared_hinge)


@removal_model.register
def _(estimator: LinearSVC, X, y, sample_weight=None):
    if estimator.multi_class != "ovr":
        refuse(estimator, "multi_class", "its objective is not known here")
    if estimator.penalty != "l2":
        refuse(estimator, "penalty", "its minimiser has kinks")
    if estimator.loss != "squared_hinge":
        refuse(estimator, "loss", "its minimiser has kinks")
    y_idx = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        codes = (2.0 * y_idx - 1.0)[:, None]
    else:
        codes = 2.0 * (y_idx[:, None] == np.arange(n_classes)) - 1.0
    weight = row_weights(sample_weight, len(y_idx))
    design = make_design(estimator, X, estimator.fit_intercept, False, weight, 1.0)
    penalty = estimator.C * objective(estimator).penalty(design, weight)
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)

    def build(by_class):
        cost = each_output(estimator, by_class, weight, y_idx, codes.shape[1])
        losses = [Hinge(code) for code in codes.T]
        model = KinkedSquares(design, losses, estimator.C * cost, penalty, fitted)
        model.link = "margin"
        return model

    return with_class_weight(estimator, y, y_idx, sample_weight, build)
