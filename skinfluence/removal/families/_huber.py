"""HuberRegressor: coefficients and scale together.

What scikit-learn minimises: ``sum_j s_j (sigma + sigma H(r_j / sigma)) + alpha
|w|^2``, the intercept free, ``H(z) = z^2`` up to epsilon and linear beyond. alpha is
not multiplied by the number of rows and stays when a row goes, which takes a
``sigma`` with it. (The bound sigma >= 10 machine epsilons is not reached: such models
are refused.)
"""

import numpy as np
from sklearn.linear_model import HuberRegressor

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import row_weights
from skinfluence.removal.kinked._concomitant import Concomitant
from skinfluence.removal.linear._design import make_design


@objective.register
def _(estimator: HuberRegressor):
    return Objective(2.0 * estimator.alpha)


@removal_model.register
def _(estimator: HuberRegressor, X, y, sample_weight=None):
    y = np.asarray(y, dtype=np.float64).ravel()
    weight = row_weights(sample_weight, len(y))
    goal = objective(estimator)
    design = make_design(estimator, X, estimator.fit_intercept, True, weight, goal.l2)
    penalty = goal.penalty(design, weight)
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)
    return Concomitant(
        design, y, weight, estimator.epsilon, penalty, fitted, estimator.scale_
    )
