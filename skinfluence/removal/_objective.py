"""The objective of a linear scikit-learn estimator, stated once for all methods."""

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
        Factor of the penalties, where scikit-learn's loss is a mean: the
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
    weighs_classes : bool, default=False
        Whether a class is as large, for ``class_weight="balanced"``, as the sum of its
        sample weights; else as the number of its rows, whatever their weights.
    own_class : bool, default=False
        Whether, of several one-vs-rest problems, a class weight multiplies the losses
        of its class in the problem of that class alone.
    """

    l2: float | np.ndarray
    l1: float = 0.0
    per: str | None = None
    constant: float = 0.0
    slope: Callable | None = None
    held_fixed: tuple = ()
    weighs_classes: bool = False
    own_class: bool = False

    def size(self, weight):
        """Return the factor of the penalties, for weights of shape (n,)."""
        return {None: 1.0, "weight": weight.sum(), "row": len(weight)}[self.per]

    def mass(self, weight):
        """Return the weights to whose sum the penalties are proportional, or None."""
        return {None: None, "weight": weight, "row": np.ones(len(weight))}[self.per]

    def penalties(self, n_columns, intercept, size=1.0):
        """Return the penalties of coefficients, the intercept's last.

        Parameters
        ----------
        n_columns : int
            Number of coefficients p, that of the intercept included.
        intercept : bool
            Whether there is one.
        size : float, default=1.0
            Their factor, see `size`.

        Returns
        -------
        l2, l1 : ndarray of shape (p,) or (n_outputs, p)
            Second derivatives of the L2 penalty; factors of the absolute values.
        """
        l2, l1 = (
            np.multiply.outer(penalty * size, np.ones(n_columns))
            for penalty in (self.l2, self.l1)
        )
        if intercept:
            l2[..., -1] = l2[..., -1] / self.constant**2 if self.constant else 0.0
            l1[..., -1] = l1[..., -1] / self.constant if self.constant else 0.0
        return l2, l1


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
    """Return how `held_fixed` names parameters that ``fit`` chooses."""
    return tuple(f"{name} of {type(estimator).__name__}" for name in names)
