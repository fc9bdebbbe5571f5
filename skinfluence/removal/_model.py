"""The seam: what a fitted model can be asked about itself without some rows."""

from abc import ABC, abstractmethod

from skinfluence.removal._dispatch import UnsupportedEstimator


class Removals(ABC):
    """The models that remain, one for each removed row or set of rows.

    Attributes
    ----------
    unresolved : ndarray of int
        Removals the algebra has no answer for (leverage one, a class that loses
        its only row, a separable set without penalty). They are to be refitted.
    """

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


class RemovalModel(ABC):
    """A fitted model's training objective, and its minimisers without some rows.

    Attributes
    ----------
    held_fixed : tuple of str
        What a refit would choose anew and exact removals keep: fitted preprocessing
        steps, a penalty chosen by cross-validation. Empty: removal equals refit.
    held_fixed_by_steps : tuple of str
        The same for the steps "newton" and "infinitesimal".
    n_bases : int
        How many models of all rows exact removals of single rows start from. One, but
        where every removal changes the weights of the rows that stay.
    optimum_distance : float
        Largest distance, over training rows, between the raw prediction of the
        fitted estimator and that of the exact optimum. Influence is computed at
        the optimum.
    """

    held_fixed: tuple = ()
    n_bases: int = 1
    optimum_distance: float = 0.0

    @property
    def held_fixed_by_steps(self):
        return self.held_fixed

    @abstractmethod
    def without_rows(self, step="exact", tol=1e-8, damping=0.0):
        """Return the `Removals` of every single row.

        Parameters
        ----------
        step : {"exact", "newton", "infinitesimal"}
            The minimiser without the row, to ``tol``; one Newton step towards it;
            or the first-order change of the loss (Koh & Liang).
        tol : float
            Largest error of the raw prediction, certified, for step="exact".
        damping : float
            Added to the diagonal of the Hessian, for the other two steps.
        """

    @abstractmethod
    def without_groups(self, masks, step="exact", tol=1e-8, damping=0.0):
        """Return the `Removals` of sets of rows, masks of shape (n_groups, n)."""


class ClosedFormModel(RemovalModel):
    """A model whose fit is sums or stored rows: removals subtract, nothing iterates.

    It has no gradient with respect to parameters, so that influence functions are
    not defined; a family implements `_without`.
    """

    @abstractmethod
    def _without(self, masks):
        """Return the exact `Removals` of sets of rows; of each single row for None."""

    def without_rows(self, step="exact", tol=1e-8, damping=0.0):
        """Implement `RemovalModel.without_rows`."""
        self._refuse_steps(step)
        return self._without(None)

    def without_groups(self, masks, step="exact", tol=1e-8, damping=0.0):
        """Implement `RemovalModel.without_groups`."""
        self._refuse_steps(step)
        return self._without(masks)

    def _refuse_steps(self, step):
        if step != "exact":
            raise UnsupportedEstimator(
                f"{type(self).__name__} models are not minimisers of a smooth "
                "objective: their influence functions are not defined. Use "
                "LeaveOneOutInfluence, which is exact for them."
            )
