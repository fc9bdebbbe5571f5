"""LinearSVR with the squared epsilon-insensitive loss.

liblinear minimises, primal or dual, ``C sum_j s_j max(0, |y_j - x_j'w - b| -
epsilon)^2 + |w|^2 / 2 + (b / intercept_scaling)^2 / 2``: the intercept is the
coefficient of a constant feature and has a penalty. Removing a row removes its term.
Without a tube this is a ridge regression.
"""

from functools import partial

import numpy as np
from sklearn.svm import LinearSVR

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.kinked._kinked_squares import KinkedSquares, Tube
from skinfluence.removal.linear._quadratic import Quadratic


def _squared_tube(epsilon, y, raw):
    residual = raw - y
    excess = np.maximum(np.abs(residual) - epsilon, 0.0)
    return 2.0 * np.sign(residual) * excess


@objective.register
def _(estimator: LinearSVR):
    constant = estimator.intercept_scaling if estimator.fit_intercept else 0.0
    return Objective(
        1.0 / estimator.C,
        constant=constant,
        slope=partial(_squared_tube, estimator.epsilon),
    )


@removal_model.register
def _(estimator: LinearSVR, X, y, sample_weight=None, **columns):
    if estimator.loss != "squared_epsilon_insensitive":
        refuse(estimator, "loss", "its minimiser has kinks")
    y = np.asarray(y, dtype=np.float64).ravel()
    problem = linear_problem(estimator, X, sample_weight, **columns)
    design, weight, fitted = problem.design, problem.weight, problem.fitted
    if estimator.epsilon == 0:
        return Quadratic(design, y[:, None], weight, problem.l2[None] / 2, fitted)
    cost, penalty = estimator.C * weight[:, None], estimator.C * problem.l2
    return KinkedSquares(design, [Tube(y, estimator.epsilon)], cost, penalty, fitted)
