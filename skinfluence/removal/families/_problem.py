"""The parts of the models of linear families, taken from their objective."""

from dataclasses import dataclass

import numpy as np

from skinfluence._sklearn import n_rows
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal._objective import Objective, objective
from skinfluence.removal._weights import row_weights
from skinfluence.removal.linear._design import Design, make_design


@dataclass(frozen=True)
class Problem:
    """A fitted linear estimator as its training rows and its `Objective` give it.

    Attributes
    ----------
    goal : Objective
        The objective.
    design : Design
        Training rows.
    weight : ndarray of shape (n,)
        Sample weights.
    l2, l1 : ndarray of shape (p,) or (n_outputs, p)
        Penalties of the coefficients, zero for a free intercept: second derivatives
        of the one, factors of absolute values of the other.
    fitted : ndarray of shape (k, p)
        Coefficients that scikit-learn returned.
    """

    goal: Objective
    design: Design
    weight: np.ndarray
    l2: np.ndarray
    l1: np.ndarray
    fitted: np.ndarray


def linear_problem(estimator, X, sample_weight, *, turns=True, **columns):
    """Return the `Problem` of a fitted linear estimator.

    Parameters
    ----------
    estimator : fitted estimator
        Has an `objective`.
    X, sample_weight
        As for `removal_model`.
    turns : bool, default=True
        Whether the minimiser is the same in rotated columns. An L1 penalty and bounds
        on coefficients are not.
    **columns
        Options of `make_design`.
    """
    goal = objective(estimator)
    weight = row_weights(sample_weight, n_rows(X))
    size = goal.size(weight)
    args = estimator, X, estimator.fit_intercept, not goal.constant, weight
    if turns:
        design = make_design(*args, np.min(goal.l2) / 2 * size, **columns)
    else:
        try:
            design = Design(*args)
        except MemoryError as error:  # refits need less
            raise UnsupportedEstimator(*error.args) from error
    l2, l1 = goal.penalties(design.rows.shape[1], design.intercept, size)
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)
    return Problem(goal, design, weight, l2, l1, fitted)
