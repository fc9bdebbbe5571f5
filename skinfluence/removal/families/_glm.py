"""Generalised linear models with log link: Poisson, Gamma and Tweedie regressors.

What scikit-learn minimises: ``sum_j s_j dev_j / (2 S) + alpha |w|^2 / 2`` with
``S = sum_j s_j`` and the intercept free, dev the unit deviance. Times S: the penalty
is ``alpha S``, so a row takes its share of the penalty with it.
"""

import numpy as np
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import row_weights
from skinfluence.removal.linear._design import make_design
from skinfluence.removal.smooth._pointwise import Tweedie
from skinfluence.removal.smooth._smooth import Smooth


@objective.register(PoissonRegressor)
@objective.register(GammaRegressor)
@objective.register(TweedieRegressor)
def _(estimator):
    return Objective(estimator.alpha, per="weight")


def _glm(estimator, X, y, sample_weight, power):
    y = np.asarray(y, dtype=np.float64).ravel()
    weight = row_weights(sample_weight, len(y))
    goal = objective(estimator)
    ridge = goal.l2 * goal.size(weight)
    design = make_design(estimator, X, estimator.fit_intercept, True, weight, ridge)
    penalty, mass = goal.penalty(design, weight), goal.mass(weight)
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)
    return Smooth(design, y, weight, Tweedie(power), penalty, fitted, "log", mass)


@removal_model.register
def _(estimator: PoissonRegressor, X, y, sample_weight=None):
    return _glm(estimator, X, y, sample_weight, 1)


@removal_model.register
def _(estimator: GammaRegressor, X, y, sample_weight=None):
    return _glm(estimator, X, y, sample_weight, 2)


@removal_model.register
def _(estimator: TweedieRegressor, X, y, sample_weight=None):
    power = estimator.power
    if not 1 <= power <= 2:
        refuse(estimator, "power", "only 1 <= power <= 2 is convex with a log link")
    if estimator.link == "identity":
        refuse(estimator, "link", "the objective is not convex")
    return _glm(estimator, X, y, sample_weight, power)
