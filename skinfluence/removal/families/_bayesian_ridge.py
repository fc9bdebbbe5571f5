"""BayesianRidge at its fitted precisions.

With the precision alpha_ of the noise and lambda_ of the coefficients, ``fit`` returns
the minimiser of ``alpha_ sum_j s_j (y_j - x_j'w - b)^2 + lambda_ |w|^2``, the intercept
free: ridge regression with the penalty ``lambda_ / alpha_``. It estimates both
precisions again without a row; exact removals hold them fixed.
"""

from sklearn.linear_model import BayesianRidge

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal._objective import Objective, chosen, objective
from skinfluence.removal.families._ridge import least_squares, squared

removal_model.register(BayesianRidge, least_squares)


@objective.register
def _(estimator: BayesianRidge):
    held = chosen(estimator, "alpha_", "lambda_")
    l2 = 2.0 * estimator.lambda_ / estimator.alpha_
    return Objective(l2, slope=squared, held_fixed=held)
