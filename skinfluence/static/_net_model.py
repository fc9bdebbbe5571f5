"""A skorch net trained by a `CheckpointRun`, under the contract of removals."""

import numpy as np
import sklearn
from sklearn.utils import gen_batches

from skinfluence._sklearn import take_rows
from skinfluence.nets.curvature import CURVATURES
from skinfluence.removal import RemovalModel, Removals


class NetModel(RemovalModel):
    """A net at the end of its training, whose rows can be removed to first order.

    Parameters
    ----------
    run : CheckpointRun
        Fitted.
    X, y : array-like
        Training rows, and encoded targets; rows that were held out of training have
        influence zero.
    hessian : str
        A key of `CURVATURES`.
    held_fixed : iterable of str, default=()
        Names of the fitted steps before the net.
    group_order : {1, 2}, default=1
        Order to which sets of rows are removed.
    """

    lacks = (
        "Training does not bring a skorch net to a minimum of its objective, so that "
        "its rows can be removed to first order only. Use "
        "InfluenceFunctions(step='infinitesimal')."
    )

    def __init__(self, run, X, y, hessian, held_fixed=(), group_order=1):
        self.run, self.X, self.y, self.hessian = run, X, y, hessian
        self.kept, self.curvature = run.checkpoints[-1].rows, None
        self.held_fixed, self.group_order = tuple(held_fixed), group_order

    def choose_damping(self, damping):
        """Prepare the curvature, on which the value of "auto" depends."""
        X, y = self.run.rows(self.X, self.y)
        train = take_rows(X, self.kept), y[self.kept]
        gradients = self.run.gradients()
        self.curvature = CURVATURES[self.hessian](gradients, train, damping)
        return self.curvature.damping

    def first_order(self, damping=0.0, masks=None):
        """Return the removals to first order, sets of rows to ``group_order``."""
        if self.curvature is None or damping != self.curvature.damping:
            self.choose_damping(damping)
        return NetRemovals(self, masks)


class NetRemovals(Removals):
    """Removals from a net to first order, through its damped curvature."""

    def __init__(self, model, masks):
        self.model, self.curvature = model, model.curvature
        self.members = None if masks is None else masks.T.astype(np.float64)
        self.unresolved = np.empty(0, dtype=np.intp)

    def _blocks(self, X, y, loss):
        """Yield slices of test rows and their influences, bounded by working_memory."""
        model, n = self.model, len(self.model.y)
        self.curvature.gradients = gradients = model.run.gradients()
        measure = gradients.target.measure(loss)
        size = sklearn.get_config()["working_memory"] * 2**20 // (8 * n)
        for rows in gen_batches(len(y), max(1, int(size))):
            block = np.zeros((rows.stop - rows.start, n))
            some = take_rows(X, np.arange(rows.start, rows.stop))
            block[:, model.kept] = self.curvature.influence(
                model.run.rows(some, y[rows]), measure
            )
            if self.members is not None:
                block = block @ self.members
                if model.group_order == 2:
                    test = model.run.rows(some, y[rows])
                    members = self.members[model.kept]
                    block += self.curvature.interaction(test, measure, members)
            yield rows, block

    def influence(self, X, y, loss):
        return np.concatenate([block for _, block in self._blocks(X, y, loss)])

    def mean_influence(self, X, y, loss, weight):
        """Add up blocks of the matrix, which is never held as a whole."""
        return sum(weight[rows] @ block for rows, block in self._blocks(X, y, loss))

    def own_influence(self, y, loss):
        """Take the diagonal of each block of the training rows."""
        blocks = self._blocks(self.model.X, y, loss)
        return np.concatenate([block.diagonal(rows.start) for rows, block in blocks])
