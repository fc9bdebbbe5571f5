"""HuberRegressor, whose coefficients and scale are minimised jointly.

scikit-learn minimises ``sum_j s_j (sigma + sigma H(r_j / sigma)) + alpha
|w|^2``, the intercept free, ``H(z) = z^2`` up to epsilon and linear beyond. alpha is
not multiplied by the number of rows and stays when a row goes, which takes a
``sigma`` with it. (The bound sigma >= 10 machine epsilons is not reached: such models
are refused.)
"""

import numpy as np
from sklearn.linear_model import HuberRegressor

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal.families._problem import linear_problem
from skinfluence.removal.kinked._concomitant import Concomitant


@objective.register
def _(estimator: HuberRegressor):
    return Objective(2.0 * estimator.alpha)


@removal_model.register
def _(estimator: HuberRegressor, X, y, sample_weight=None, **columns):
    y = np.asarray(y, dtype=np.float64).ravel()
    problem = linear_problem(estimator, X, sample_weight, **columns)
    args = estimator.epsilon, problem.l2, problem.fitted, estimator.scale_
    return Concomitant(problem.design, y, problem.weight, *args)
