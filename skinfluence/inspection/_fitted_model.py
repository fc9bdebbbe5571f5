"""A fitted model as case diagnostics see it, whatever library it comes from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skinfluence.removal._objective import Objective


@dataclass
class FittedModel:
    """A fitted model and its rows, as the diagnostics need them.

    Attributes
    ----------
    model : RemovalModel
        Loses rows.
    full : LinearModel
        The same with all rows: design, coefficients, weights.
    goal : Objective
        The objective of the model.
    refit : callable
        ``kept -> theta``: coefficients in the coordinates of the design, shape (k, p),
        of a fit to the rows of these positions; None where there is no such fit.
    names : list of str
        Of the coefficients, in the order of ``coef_`` and then ``intercept_``.
    index : sequence or None
        Labels of the rows.
    outputs : list or None
        Names of the linear predictors where there are several.
    counts : ndarray of shape (n,) or None
        How many observations each row stands for; None: one, or none where its weight
        is zero.
    dispersion : {"family"}, float or None
        Variance of a Pearson residual: what the family of the model fixes, if it does;
        a number that was given; or None, to be estimated.
    """

    model: object
    full: object
    goal: Objective
    refit: Callable
    names: list
    index: object = None
    outputs: list | None = None
    counts: np.ndarray | None = None
    dispersion: str | float | None = "family"
