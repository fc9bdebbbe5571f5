"""Linear models: a model without a row is the full one with its coefficients moved.

A family computes these moves; `_moved_coefficients` turns them into influences.
"""

import warnings
from abc import ABC, abstractmethod

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skinfluence._memory import check_memory
from skinfluence.removal._classes import loses_class
from skinfluence.removal._model import RemovalModel
from skinfluence.removal._objective import objective
from skinfluence.removal.linear._moved_coefficients import LinearRemovals

# Largest rounding error of the raw prediction after one Newton step.
STEP_TOLERANCE = 1e-8


class LinearModel(RemovalModel, ABC):
    """A model whose raw prediction is ``design(X) @ theta.T``.

    A family implements `_exact_rows(tol)`, `_exact_groups(masks, tol)`,
    `_newton_rows(damping)`, `_newton_groups(masks, damping)` and
    `_first_order_rows(damping)`, each of which returns `Removals`, and, where it has
    a shorter way, `_first_order_groups(masks, damping)`.

    All families are constructed from the parameters below, from ``weight``, the sample
    weights s times class weights, of shape (n,), and from ``fitted``, the coefficients
    that scikit-learn returned, of shape (k, p). Their docstrings list what they take
    besides.

    Parameters
    ----------
    design : Design
        Its ``rows`` are the training rows, shape (n, p).
    link : str, default="identity"
        How raw predictions become predictions, see `_predictions.link_prediction`.
    labels : ndarray of shape (n,), default=None
        Class index of each training row, for classifiers. A removal that empties
        a class is unresolved: what is left is a model of fewer classes.

    Attributes
    ----------
    theta : ndarray of shape (k, p)
        Coefficients at the exact optimum, one row per raw prediction.
    follows_scales : bool
        Whether exact removals multiply the penalties of columns by the scales of the
        design.
    """

    follows_scales = False

    def __init__(self, design, link="identity", labels=None):
        self.design, self.link, self.labels = design, link, labels

    @property
    def held_fixed(self):
        return objective(self.design.estimator).held_fixed

    def _set_optimum(self, theta, fitted):
        """Store the optimum and how far the fitted coefficients are from it."""
        self.theta = theta
        gap = self.design.rows @ (theta - fitted).T
        raw = self.design.rows @ theta.T
        if self.link == "softmax":  # only differences between classes matter
            gap -= gap.mean(axis=1, keepdims=True)
            raw -= raw.mean(axis=1, keepdims=True)
        self.optimum_distance = float(np.abs(gap).max(initial=0.0))
        if self.optimum_distance > 0.1 * raw.std() + 1e-6:
            warnings.warn(
                f"{type(self.design.estimator).__name__} stopped early: its raw "
                f"predictions are up to {self.optimum_distance:.2g} from those at the "
                f"optimum of its objective (their standard deviation is "
                f"{raw.std():.2g}). Influence is computed at the optimum; a lower tol "
                "or a higher max_iter brings the model there.",
                ConvergenceWarning,
                stacklevel=2,
            )

    @property
    def free_intercept(self):
        """Whether an intercept without penalty absorbs shifts of the columns."""
        return self.design.free_intercept

    @property
    def penalises_columns(self):
        """Whether the coefficient of a column of zeros is zero, because of a penalty.

        False where that is not known of a family.
        """
        return False

    @abstractmethod
    def _exact_rows(self, tol):
        """Return the exact removals of every single row."""

    @abstractmethod
    def _exact_groups(self, masks, tol):
        """Return the exact removals of sets of rows."""

    @abstractmethod
    def _newton_rows(self, damping):
        """Return the Newton steps towards the minimisers without each row."""

    @abstractmethod
    def _newton_groups(self, masks, damping):
        """Return the Newton steps towards the minimisers without sets of rows."""

    @abstractmethod
    def _first_order_rows(self, damping):
        """Return the first-order removals of every single row."""

    def _first_order_groups(self, masks, damping):
        """Add up the first-order moves of each group's rows."""
        moves = self._first_order_rows(damping).summed(masks.astype(np.float64))
        return self._moved(moves, first_order=True)

    def _each_group(self, masks, move, first_order=False, idle=False):
        """Return the removals of sets of rows, one set after the other.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_groups, n)
            The sets.
        move : callable
            Takes the number of a set and its rows of positive weight; returns the move
            of the coefficients, of the shape of ``theta``, or None: unresolved.
        first_order : bool, default=False
            As for `LinearRemovals`.
        idle : bool, default=False
            Whether sets without weight move the coefficients too.
        """
        moves, unresolved = np.zeros((len(masks), *self.theta.shape)), []
        for g, mask in enumerate(masks):
            rows = np.flatnonzero(mask & (self.weight > 0))
            found = move(g, rows) if idle or len(rows) else 0.0
            if found is None:
                unresolved.append(g)
            else:
                moves[g] = found
        return self._moved(moves, unresolved, first_order)

    def _check_moves(self, n_removals):
        check_memory(
            8 * n_removals * self.theta.size,
            f"The moves of {self.theta.size} coefficients by {n_removals} removals",
            "Use fewer columns, or LeaveOneOutInfluence(..., solver='refit').",
        )

    def _moved(self, moves, unresolved=(), first_order=False):
        """Return the removals that move the coefficients, shape (n_removals, k, p)."""
        return LinearRemovals(self, moves, unresolved, first_order)

    def exact(self, tol=1e-8, masks=None):
        if masks is None:
            removals = self._exact_rows(tol)
        else:
            self._check_moves(len(masks))
            removals = self._exact_groups(masks, tol)
        if self.labels is not None:
            removals.leave_to_refits(loses_class(self.labels, masks))
        return removals

    def newton(self, damping=0.0, masks=None):
        if masks is None:
            return self._newton_rows(damping)
        self._check_moves(len(masks))
        return self._newton_groups(masks, damping)

    def first_order(self, damping=0.0, masks=None):
        if masks is None:
            return self._first_order_rows(damping)
        self._check_moves(len(masks))
        return self._first_order_groups(masks, damping)
