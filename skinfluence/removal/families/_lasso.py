"""Lasso and elastic net, with one output or several independent ones.

scikit-learn minimises ``sum_j s_j (y_j - x_j'w - b)^2 / (2 S) +
alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2)`` with ``S = sum_j s_j`` and the
intercept free (it scales sample weights to sum to n, which changes nothing). Times S:
the penalty is proportional to S, so a row takes its share of the penalty with it.
"""

import numpy as np
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    LassoCV,
    LassoLars,
    LassoLarsIC,
    MultiTaskElasticNet,
)

from skinfluence.removal._dispatch import UnsupportedEstimator, refuse, removal_model
from skinfluence.removal._objective import Objective, chosen, objective
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.kinked._l1_quadratic import L1Quadratic


def _objective(estimator, alpha, l1_ratio, *names):
    held = chosen(estimator, *names)
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    return Objective(l2, l1, per="weight", held_fixed=held)


@objective.register
def _(estimator: ElasticNet):
    return _objective(estimator, estimator.alpha, estimator.l1_ratio)


@objective.register
def _(estimator: ElasticNetCV):
    chosen_by_cv = "alpha_", "l1_ratio_"
    return _objective(estimator, estimator.alpha_, estimator.l1_ratio_, *chosen_by_cv)


@objective.register
def _(estimator: LassoLars):
    return _objective(estimator, estimator.alpha, 1.0)


@objective.register(LassoCV)
@objective.register(LassoLarsIC)
def _(estimator):
    return _objective(estimator, estimator.alpha_, 1.0, "alpha_")


@removal_model.register(ElasticNetCV)
@removal_model.register(LassoCV)
def _lasso(estimator, X, y, sample_weight=None, **columns):
    y = np.asarray(y, dtype=np.float64)
    targets = y.reshape(len(y), -1)
    problem = linear_problem(estimator, X, sample_weight, turns=False)
    args = problem.l1, problem.l2, problem.fitted, estimator.positive
    return L1Quadratic(problem.design, targets, problem.weight, *args)


@removal_model.register
def _(estimator: ElasticNet, X, y, sample_weight=None, **columns):
    if isinstance(estimator, MultiTaskElasticNet):
        raise UnsupportedEstimator(
            f"{type(estimator).__name__} has no exact removal of rows: its penalty "
            "ties outputs together by a norm that is not piecewise linear. Use "
            "LeaveOneOutInfluence(..., solver='refit') instead."
        )
    return _lasso(estimator, X, y, sample_weight)


@removal_model.register
def _(estimator: LassoLars, X, y, sample_weight=None, **columns):
    if not isinstance(estimator, LassoLarsIC) and estimator.jitter is not None:
        refuse(estimator, "jitter", "its targets are random")
    return _lasso(estimator, X, y, sample_weight)
