"""What a linear scikit-learn estimator minimises: one statement that all parts read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator


@dataclass(frozen=True)
class Objective:
    r"""``sum_j s_j l(z_j, y_j) + sum_c (l2 |w_c|^2 / 2 + l1 |w_c|_1)``.

    ``z_j = x_j' w + b`` are raw predictions, s sample weights times class weights, c
    outputs.

    Attributes
    ----------
    l2, l1 : float or ndarray of shape (n_outputs,)
        Penalties of the coefficients.
    per : {None, "weight", "row"}, default=None
        What the penalties are multiplied by, where scikit-learn's loss is a mean: the
        sum of the sample weights, or the number of rows. A row takes its share of the
        penalty with it.
    constant : float, default=0.0
        Value of liblinear's constant feature, whose coefficient times this value is
        the intercept and has the penalty of the others; zero: the intercept is free.
    slope : callable or None, default=None
        ``slope(y, raw)``: derivatives of l with respect to raw predictions, shape
        (n, n_outputs), for encoded targets; nothing is clipped. None where l is no
        function of the raw prediction alone, or no part of the library needs it.
    held_fixed : tuple of str, default=()
        What a refit would choose anew, and removals keep.
    """

    l2: float | np.ndarray
    l1: float = 0.0
    per: str | None = None
    constant: float = 0.0
    slope: Callable | None = None
    held_fixed: tuple = ()

    def size(self, weight):
        """What the penalties are multiplied by, for sample weights of shape (n,)."""
        return {None: 1.0, "weight": weight.sum(), "row": len(weight)}[self.per]

    def mass(self, weight):
        """What the penalties are proportional to the sum of, None for nothing."""
        return {None: None, "weight": weight, "row": np.ones(len(weight))}[self.per]

    def penalty(self, design, weight):
        """Diagonal of the second derivative of the L2 penalty, shape (p,)."""
        out = np.full(design.rows.shape[1], self.l2 * self.size(weight))
        if design.intercept:
            out[-1] = out[-1] / self.constant**2 if self.constant else 0.0
        return out


@singledispatch
def objective(estimator):
    """Return the `Objective` of a fitted estimator, its penalties as fitted."""
    raise UnsupportedEstimator(
        f"What {type(estimator).__name__} minimises is not known here. Register it "
        "with `objective.register`."
    )


def has_objective(estimator):
    """Tell whether the objective of an estimator of this type is known."""
    return objective.dispatch(type(estimator)) is not objective.dispatch(object)


def chosen(estimator, *names):
    """Say that parameters chosen by ``fit`` are held fixed."""
    return tuple(f"{name} of {type(estimator).__name__}" for name in names)
