"""Generalised linear models with log link: Poisson, Gamma and Tweedie regressors.

scikit-learn minimises ``sum_j s_j dev_j / (2 S) + alpha |w|^2 / 2`` with
``S = sum_j s_j`` and the intercept free, dev the unit deviance. Times S: the penalty
is ``alpha S``, so a row takes its share of the penalty with it.
"""

import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.smooth._pointwise import Tweedie
from skinfluence.removal.smooth._smooth import Smooth


@objective.register(PoissonRegressor)
@objective.register(GammaRegressor)
@objective.register(TweedieRegressor)
def _(estimator):
    return Objective(estimator.alpha, per="weight")


@removal_model.register(PoissonRegressor)
@removal_model.register(GammaRegressor)
@removal_model.register(TweedieRegressor)
def _(estimator, X, y, sample_weight=None, **columns):
    if isinstance(estimator, TweedieRegressor):
        power = estimator.power
        if not 1 <= power <= 2:
            refuse(estimator, "power", "only 1 <= power <= 2 is convex with a log link")
        if estimator.link == "identity":
            refuse(estimator, "link", "the objective is not convex")
    else:
        power = 1 if isinstance(estimator, PoissonRegressor) else 2
    y = np.asarray(y, dtype=np.float64).ravel()
    problem = linear_problem(estimator, X, sample_weight, **columns)
    weight, mass = problem.weight, problem.goal.mass(problem.weight)
    args = weight, Tweedie(power), problem.l2, problem.fitted, "log", mass
    return Smooth(problem.design, y, *args)
