r"""Removal of rows from tree ensembles, with fixed splits and refitted leaf values.

Influence at fixed structure is the loss without the row minus the loss with it, where
all leaf values are computed again through all iterations and no split moves.

- `exact`: the leaf values of a replay without the row. In leaf space for squared losses
  (`_forward`), one replay per row for other losses.
- `newton`: in leaf space for all losses, with the changes of the other rows to first
  order.
- `first_order`: the derivative with respect to the row's weight (`_adjoint`).
"""

import numpy as np

from skinfluence._memory import check_memory
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal._model import RemovalModel, Removals
from skinfluence.removal._raw import RawRemovals
from skinfluence.trees._adjoint import adjoint_of_weights
from skinfluence.trees._averaged_trees import KINDS, averaged_trees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._forward import leaf_changes, replayed_leaf_changes
from skinfluence.trees._replay import raw_prediction, replay
from skinfluence.trees.readers import (  # noqa: F401  (they register themselves)
    _gradient_boosting,
    _hist_gradient_boosting,
)

BLOCK = 512  # functionals at once in `AdjointRemovals.own_influence`


class BoostedTreesModel(RemovalModel):
    """A boosted ensemble and its leaf values without some of the rows."""

    held_fixed = ("tree structure",)

    def __init__(self, trees):
        self.trees, self.run = trees, replay(trees)
        self.optimum_distance = trees.reproduction_error

    def exact(self, tol=1e-8, masks=None):
        """Return removals by replays; for squared losses in the space of leaves."""
        if masks is None and self.trees.objective.quadratic:
            return self.newton()
        n = len(self.trees.weight)
        self._check_memory(n if masks is None else len(masks))
        masks = np.eye(n, dtype=bool) if masks is None else masks
        changes = replayed_leaf_changes(self.trees, self.run, masks)
        return LeafRemovals(self.trees, self.run, *changes)

    def newton(self, damping=0.0, masks=None):
        """Return removals computed in the space of leaves."""
        self._refuse_damping(damping)
        self._check_memory(len(self.trees.weight) if masks is None else len(masks))
        changes = leaf_changes(self.trees, self.run, masks)
        return LeafRemovals(self.trees, self.run, *changes)

    def first_order(self, damping=0.0, masks=None):
        """Return removals by derivatives with respect to the rows' weights."""
        self._refuse_damping(damping)
        members = None if masks is None else masks.T.astype(np.float64)
        return AdjointRemovals(self.trees, self.run, members)

    def _check_memory(self, n_removals):
        check_memory(
            8 * self.trees.n_leaves * n_removals,
            f"The changes of {self.trees.n_leaves} leaves by {n_removals} removals",
            "Use InfluenceFunctions(..., step='infinitesimal'), which keeps none.",
        )

    @staticmethod
    def _refuse_damping(damping):
        if damping:
            raise UnsupportedEstimator(
                "Boosted trees have no Hessian to damp: damping must be 0. Got "
                f"{damping!r}."
            )


class LeafRemovals(RawRemovals):
    """Removals as changes of leaf values, shape (n_leaves, n_removals)."""

    def __init__(self, trees, run, changes, base_changes):
        self.trees, self.run = trees, run
        self.changes, self.base_changes = changes, base_changes
        self.link, self.n_removals = trees.objective.link, changes.shape[1]
        self.unresolved = np.empty(0, dtype=np.intp)

    def prepare(self, X):
        leaves = self.trees.leaves_of(X)
        return raw_prediction(self.trees, self.run, leaves), leaves

    def moves(self, state, removals):
        n_outputs = self.trees.n_outputs
        changes = self.changes[:, removals]
        moves = np.empty((len(state), changes.shape[1], n_outputs))
        moves[:] = self.base_changes[removals]
        for k in range(n_outputs):
            for column in range(k, state.shape[1], n_outputs):
                moves[:, :, k] += changes[state[:, column]]
        return moves

    def own_moves(self):
        leaves, n_outputs = self.trees.leaves, self.trees.n_outputs
        rows = np.arange(len(leaves))
        moves = self.base_changes.copy()
        for column in range(leaves.shape[1]):
            moves[:, column % n_outputs] += self.changes[leaves[:, column], rows]
        return raw_prediction(self.trees, self.run, leaves), moves


class AdjointRemovals(Removals):
    """Removals to first order; sets of rows add up.

    Parameters
    ----------
    trees, run : BoostedTrees, Replay
        The structure and the run with all rows.
    members : ndarray of shape (n, n_sets), default=None
        One for the rows of a set; None: every single row.
    own : {"derivative", "removal"}, default="derivative"
        Effect of a row on its own leaves, see `adjoint_of_weights`.
    """

    def __init__(self, trees, run, members=None, own="derivative"):
        self.trees, self.run, self.members = trees, run, members
        self.adjoint = adjoint_of_weights(trees, run, own)
        self.unresolved = np.empty(0, dtype=np.intp)

    def influence(self, X, y, loss):
        leaves, seeds = self._seeds(self.trees.leaves_of(X), y, loss)
        influence = self.adjoint.influence(seeds, leaves)
        return influence if self.members is None else influence @ self.members

    def mean_influence(self, X, y, loss, weight):
        """Return the mean over the test rows, in one pass for all of them."""
        leaves, seeds = self._seeds(self.trees.leaves_of(X), y, loss)
        mean = self.adjoint.mean_influence(weight[:, None] * seeds, leaves)
        return mean if self.members is None else mean @ self.members

    def own_influence(self, y, loss):
        leaves, seeds = self._seeds(self.trees.leaves, y, loss)
        return self.adjoint.own_influence(seeds, BLOCK)

    def _seeds(self, leaves, y, loss):
        raw = raw_prediction(self.trees, self.run, leaves)
        return leaves, loss.slope(y, raw, self.trees.objective.link)


def _boosted_trees(estimator, X, y, sample_weight=None):
    return BoostedTreesModel(tree_structure(estimator, X, y, sample_weight))


for kind in tree_structure.registry:
    if kind is not object:
        removal_model.register(kind, _boosted_trees)


class AveragedTreesModel(RemovalModel):
    """A tree or a forest with fixed splits and fixed bootstrap samples.

    Its leaf means without single rows or sets of rows are exact.
    """

    lacks = (
        "Trees and forests average their leaves: they have no gradient, and their "
        "influence functions are not defined. Use LeaveOneOutInfluence(..., "
        "solver='exact') or TreeInfluence."
    )

    def __init__(self, trees, bootstrap):
        self.trees = trees
        self.held_fixed = ("tree structure", *(("bootstrap samples",) * bootstrap))
        self.optimum_distance = trees.reproduction_error

    def exact(self, tol=1e-8, masks=None):
        if masks is None:
            changes = self.trees.changes_without_rows()
        else:
            changes = self.trees.changes_without_groups(masks)
        return AveragedRemovals(self.trees, changes)


class AveragedRemovals(Removals):
    """Removals as changes of leaf means, one sparse matrix per output.

    Parameters
    ----------
    trees : AveragedTrees
        The structure.
    changes : list of sparse array of shape (n_leaves, n_removals)
        Leaf means without the rows minus those with them, for each output.
    """

    def __init__(self, trees, changes):
        self.trees, self.changes = trees, changes
        self.unresolved = np.empty(0, dtype=np.intp)

    def influence(self, X, y, loss):
        reached = self.trees.reached(X)
        mean = reached @ self.trees.means
        moves = [(reached @ change).toarray() for change in self.changes]
        return self._losses(mean[:, None] + np.stack(moves, axis=-1), mean, y, loss)

    def own_influence(self, y, loss):
        reached = self.trees.reached_by_training_rows()
        mean = reached @ self.trees.means
        moves = [reached.multiply(change.T).sum(axis=1) for change in self.changes]
        moved = mean + np.stack(moves, axis=-1)
        return self._losses(moved[:, None], mean, y, loss)[:, 0]

    def _losses(self, moved, mean, y, loss):
        response = self.trees.respond(loss)
        return loss.value(y, response(moved)) - loss.value(y, response(mean))[:, None]


for kind in KINDS:

    @removal_model.register(kind)
    def _(estimator, X, y, sample_weight=None):
        bootstrap = getattr(estimator, "bootstrap", False)
        return AveragedTreesModel(
            averaged_trees(estimator, X, y, sample_weight), bootstrap
        )
