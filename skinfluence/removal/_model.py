"""The interface of a fitted model that loses rows: `RemovalModel`, `Removals`."""

from abc import ABC, abstractmethod

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator


class Removals(ABC):
    """The models that remain, one for each removed row or set of rows.

    Attributes
    ----------
    unresolved : ndarray of int
        Removals the algebra has no answer for (leverage one, a class that loses
        its only row, a separable set without penalty). They are to be refitted.
    """

    def leave_to_refits(self, removals):
        """Add removals, as indices or as a mask, to those that are unresolved."""
        more = np.flatnonzero(removals) if removals.dtype == bool else removals
        self.unresolved = np.union1d(self.unresolved, more).astype(np.intp)

    @abstractmethod
    def influence(self, X, y, loss):
        """Loss without minus loss with, shape (n_samples, n_removals).

        ``X`` as the estimator takes it, ``y`` encoded as in `_losses`. Columns of
        unresolved removals are meaningless. NaN: the model that remains has no
        prediction for the test row, and a refit is to say what follows.
        """

    def mean_influence(self, X, y, loss, weight):
        """Weighted sum of `influence` over the rows of X, shape (n_removals,)."""
        return weight @ self.influence(X, y, loss)

    @abstractmethod
    def own_influence(self, y, loss):
        """Influence of removal i on training row i, shape (n_samples_fit,).

        Only for removals of single rows.
        """


class RemovalModel:
    """A fitted model's training objective, and its minimisers without some rows.

    A family implements those of `exact`, `newton` and `first_order` that it has; the
    others raise `UnsupportedEstimator` with the reason `lacks`.

    Attributes
    ----------
    held_fixed : tuple of str
        What a refit would choose anew and exact removals keep: fitted preprocessing
        steps, a penalty chosen by cross-validation. Empty: removal equals refit.
    held_fixed_by_steps : tuple of str
        The same for `newton` and `first_order`.
    n_bases : int
        How many models of all rows exact removals of single rows start from. One, but
        where every removal changes the weights of the rows that stay.
    optimum_distance : float
        Largest distance, over training rows, between the raw prediction of the
        fitted estimator and that of the exact optimum. Influence is computed at
        the optimum.
    lacks : str
        Why a family has not all three kinds of removals, and what to use instead.
    """

    held_fixed: tuple = ()
    n_bases: int = 1
    optimum_distance: float = 0.0
    lacks: str = "Use LeaveOneOutInfluence(..., solver='refit')."

    @property
    def held_fixed_by_steps(self):
        return self.held_fixed

    def choose_damping(self, damping):
        """Return the damping as a number; "auto" is zero."""
        return 0.0 if damping == "auto" else damping

    def exact(self, tol=1e-8, masks=None):
        """Return the `Removals` whose models are the minimisers without the rows.

        Parameters
        ----------
        tol : float, default=1e-8
            Largest error of the raw prediction, certified.
        masks : ndarray of bool of shape (n_groups, n), default=None
            Sets of rows that leave together; None: every single row.
        """
        raise UnsupportedEstimator(self.lacks)

    def newton(self, damping=0.0, masks=None):
        """Return the `Removals` whose models are one Newton step away.

        ``damping`` is added to the diagonal of the Hessian; masks as for `exact`.
        """
        raise UnsupportedEstimator(self.lacks)

    def first_order(self, damping=0.0, masks=None):
        """Return the `Removals` that change losses to first order (Koh & Liang).

        Parameters as for `newton`.
        """
        raise UnsupportedEstimator(self.lacks)


class ClosedFormModel(RemovalModel, ABC):
    """A model made of sums over rows or of stored rows, from which rows are subtracted.

    Rows leave it exactly at the cost of a first-order step, so that it has no other
    kind of removal; a family implements `_without`.
    """

    @property
    def lacks(self):
        return (
            f"InfluenceFunctions has no step for {type(self.estimator).__name__}. Use "
            "LeaveOneOutInfluence, which leaves its rows out exactly."
        )

    @abstractmethod
    def _without(self, masks):
        """Return the exact `Removals` of sets of rows; of each single row for None."""

    def exact(self, tol=1e-8, masks=None):
        """Return the exact `Removals`; nothing is iterated to ``tol``."""
        return self._without(masks)
