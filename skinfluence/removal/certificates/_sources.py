"""Where the models without rows come from, whose distance is then bounded."""

from dataclasses import dataclass

from skinfluence.removal._model import Removals

EXACT, NEWTON, FIRST_ORDER = "exact", "newton", "first_order"


@dataclass(frozen=True)
class Source:
    """The removals that bounds are laid around.

    Attributes
    ----------
    kind : {"exact", "newton", "first_order"}
        Method of the `RemovalModel`. What single steps leave is bounded a priori,
        without a pass over the rows; the exact minimiser's gradient is summed.
    tol : float, default=1e-8
        Of "exact": distance of raw predictions that is polished for.
    damping : float, default=0.0
        Of the steps.
    found : Removals, default=None
        The removals of single rows, where they are known already.
    """

    kind: str
    tol: float = 1e-8
    damping: float = 0.0
    found: Removals | None = None

    @property
    def polished(self):
        """Whether the gradients of the models without rows are to be summed."""
        return self.kind == EXACT

    def removals(self, model, masks):
        """Return the `Removals`."""
        if masks is None and getattr(self.found, "model", None) is model:
            return self.found
        if self.polished:
            return model.exact(self.tol, masks)
        return getattr(model, self.kind)(self.damping, masks)

    def moves(self, model, masks):
        """Return moves of the coefficients, (m, k, p), and which are not resolved."""
        removals = self.removals(model, masks)
        if hasattr(removals, "displacement"):
            moves = removals.displacement
        else:
            moves = removals.displacements(slice(None))
        return moves.reshape(-1, *model.theta.shape), removals.unresolved
