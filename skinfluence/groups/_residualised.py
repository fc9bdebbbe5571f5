"""A coefficient of least squares as a ratio of sums (Frisch, Waugh and Lovell)."""

import numpy as np
from sklearn.linear_model import LinearRegression

from skinfluence._sklearn import final_estimator
from skinfluence.groups._coefficient import Coefficient
from skinfluence.groups._ratio import most_influential_ratio_set
from skinfluence.groups._significance import Significance
from skinfluence.removal._pipeline import PipelineModel


def ratio_of(estimand, players):
    """Return a function of the number of rows: the set that is best for the ratio.

    With the column and the targets residualised on the other columns and the
    intercept, the coefficient is ``sum x y / sum x^2``. What is residualised is held
    so: without rows it would be a little different, and a refit is to verify the set.
    """
    last = final_estimator(estimand.influence.estimator_)
    ratio = isinstance(estimand, Coefficient) and not isinstance(estimand, Significance)
    if not ratio or not isinstance(last, LinearRegression) or not players.are_rows:
        raise ValueError(
            "method='dinkelbach' is for target='coefficient' of LinearRegression and "
            "single rows, where the value is a ratio of sums. Use method='greedy'."
        )
    everything = np.arange(players.n)
    model = estimand.removal_model(estimand.influence.estimator_, everything)
    model = model.model if isinstance(model, PipelineModel) else model
    root = np.sqrt(model.weight)
    rows = model.design.rows * root[:, None]
    functional = model.design.to_coef(np.eye(rows.shape[1]))[:, estimand.j]
    # H^{-1} times the functional gives the residualised column, over its square.
    column = rows @ np.linalg.lstsq(rows.T @ rows, functional, rcond=None)[0]
    column = column / (column @ column)
    rest = model.residual[:, 0] * root + column * estimand.value_before
    largest = estimand.value_before < 0
    a, b = column * rest, column**2
    return lambda k: most_influential_ratio_set(a, b, k, largest)[0]
