"""LinearSVC with the squared hinge: one independent problem per class.

liblinear minimises, primal or dual, for each class ``C sum_j s_j max(0, 1 -
c_j (x_j'w + b))^2 + |w|^2 / 2 + (b / intercept_scaling)^2 / 2``: the intercept is the
coefficient of a constant feature and has a penalty. Removing a row removes its term.
liblinear gives the class weight to the one class, not to the rest.
"""

import numpy as np
from sklearn.svm import LinearSVC

from skinfluence._losses import MarginLoss
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import ClassWeights
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.kinked._kinked_squares import Hinge, KinkedSquares
from skinfluence.removal.linear._class_weight import with_class_weight


def _squared_hinge(y, raw):
    return MarginLoss("squared_hinge").slope(y, raw, "margin")


@objective.register
def _(estimator: LinearSVC):
    constant = estimator.intercept_scaling if estimator.fit_intercept else 0.0
    return Objective(
        1.0 / estimator.C,
        constant=constant,
        slope=_squared_hinge,
        weighs_classes=True,
        own_class=True,
    )


@removal_model.register
def _(estimator: LinearSVC, X, y, sample_weight=None, **columns):
    if estimator.multi_class != "ovr":
        refuse(estimator, "multi_class", "its objective is not known here")
    if estimator.penalty != "l2":
        refuse(estimator, "penalty", "its minimiser has kinks")
    if estimator.loss != "squared_hinge":
        refuse(estimator, "loss", "its minimiser has kinks")
    classes = ClassWeights(estimator, y, sample_weight)
    labels, n_classes = classes.labels, len(estimator.classes_)
    if n_classes == 2:
        codes = (2.0 * labels - 1.0)[:, None]
    else:
        codes = 2.0 * (labels[:, None] == np.arange(n_classes)) - 1.0
    problem = linear_problem(estimator, X, sample_weight, **columns)
    rest = estimator.C * problem.l2, problem.fitted, "margin", labels

    def build(weight):
        cost = estimator.C * classes.of_outputs(weight, codes.shape[1])
        losses = [Hinge(code) for code in codes.T]
        return KinkedSquares(problem.design, losses, cost, *rest)

    return with_class_weight(classes, build)
