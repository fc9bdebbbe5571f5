r"""Derivatives of predictions with respect to row weights, with fixed splits.

For a functional of the raw predictions of one test row, with derivative e, the adjoint
of the value of leaf l in tree t is

.. math::

    a_t(l) = [x \in l]\, e + \sum_{j \in l} \Lambda_t(j), \qquad
    \Lambda_{t-1}(j) = \Lambda_t(j) + a_t(l_t(j))\, c_t(j),

with :math:`c_t(j) = -w_j (\eta s\, g_j' + \kappa \theta h_j') / H` the derivative of
the leaf's value with respect to the raw prediction of row j. The effect of a row is
:math:`\sum_t a_t(l_t(i)) u_t(i)` and a term of the base, with u the effect of the row
on its own leaf. The recursion is carried out either in the space of rows, with
:math:`\Lambda`, or, for many functionals, in the space of leaves, with a and one
coupling matrix of leaves for all functionals.

**Cost.** Rows: O(n T K) per functional. Leaves: O(n T^2 K^2 / 2) once and
O(n_leaves^2 / 2) per functional. Then O(n T K) per functional for the effects.
"""

import numpy as np
from scipy import sparse

from skinfluence.trees._coupling import base_coupling, coupling

# Number of functionals that are carried through the rows at once, to stay in cache.
ROWS_AT_ONCE = 64


class Adjoint:
    """The derivatives of leaf values, ready for any number of functionals.

    Parameters
    ----------
    trees : BoostedTrees
        The structure.
    run : Replay
        The run with all rows.
    base : ndarray of shape (n, K)
        Effect of each row on the raw prediction before the first tree.
    effects : ndarray of shape (n, T * K)
        Effect u of each row on its own leaves.
    """

    def __init__(self, trees, run, base, effects):
        self.trees, self.run, self.base = trees, run, base
        n, n_columns = effects.shape
        starts = np.arange(0, n * n_columns + 1, n_columns)
        self.effects = sparse.csr_array(
            (effects.ravel(), trees.leaves.ravel(), starts), shape=(n, trees.n_leaves)
        )

    def influence(self, seeds, leaves):
        """Change of functionals of the raw prediction when each row is removed.

        Parameters
        ----------
        seeds : ndarray of shape (m, K)
            Derivative of each functional with respect to a row's raw predictions.
        leaves : ndarray of shape (m, T * K)
            The leaves of these rows.

        Returns
        -------
        influence : ndarray of shape (m, n)
            Functional without the row minus functional with it.
        """
        trees = self.trees
        seed = self._spread(seeds, leaves)
        if 4 * len(seeds) < 3 * trees.leaves.shape[1]:  # faster there, as measured
            parts = [
                self._through_rows(seed[start : start + ROWS_AT_ONCE])
                for start in range(0, len(seed), ROWS_AT_ONCE)
            ]
            adjoint, base = map(np.concatenate, zip(*parts, strict=True))
        else:
            adjoint, base = self._through_leaves(seed)
        out = (self.effects @ adjoint.T).T
        out += (seeds + base) @ self.base.T
        return out

    def own_influence(self, seeds, block):
        """Effect of training row i on a functional of its own, shape (n,).

        ``seeds`` as in `influence`, for the training rows; ``block`` is their number
        at a time.
        """
        leaves = self.trees.leaves
        effects = self.effects.data.reshape(leaves.shape)
        out = np.empty(len(leaves))
        for start in range(0, len(leaves), block):
            rows = slice(start, start + block)
            seed = self._spread(seeds[rows], leaves[rows])
            adjoint, base = self._through_leaves(seed)
            own = np.take_along_axis(adjoint, leaves[rows], axis=1) * effects[rows]
            out[rows] = own.sum(axis=1)
            out[rows] += ((seeds[rows] + base) * self.base[rows]).sum(axis=1)
        return out

    def mean_influence(self, seeds, leaves):
        """Sum of `influence` over the functionals, in one pass, shape (n,)."""
        columns = seeds[:, self._outputs()]
        seed = np.bincount(
            leaves.ravel(), columns.ravel(), minlength=self.trees.n_leaves
        )
        adjoint, base = self._through_rows(seed[None])
        return self.effects @ adjoint[0] + self.base @ (seeds.sum(axis=0) + base[0])

    def _outputs(self):
        """Output of each column of leaves."""
        return np.arange(self.trees.leaves.shape[1]) % self.trees.n_outputs

    def _spread(self, seeds, leaves):
        """Add each functional's derivative to the leaves of its row."""
        seed = np.zeros((len(seeds), self.trees.n_leaves))
        seed[np.arange(len(seeds))[:, None], leaves] = seeds[:, self._outputs()]
        return seed

    def _derivatives(self, t):
        """Derivative of the values of each row's leaves in its raw predictions."""
        trees, run = self.trees, self.run
        leaves = trees.leaves[:, trees.iteration(t)]
        gradient, curvature = trees.objective.slopes(trees.y, run.raw[t])
        top = gradient + trees.as_gradient(curvature, run.values[leaves])
        top *= trees.weight[:, None, None]
        sums, lam = run.curvature_sums[leaves], trees.regularization[leaves]
        columns = [
            trees.row_value(top[..., m], sums, lam) for m in range(trees.n_outputs)
        ]
        return np.stack(columns, axis=-1)

    def _through_leaves(self, seed):
        trees = self.trees
        adjoint = seed
        base = np.zeros((len(seed), trees.n_outputs))
        for t in range(trees.n_trees - 1, -1, -1):
            first, after = trees.span(t)
            derivative = self._derivatives(t)
            now = adjoint[:, first:after]
            adjoint[:, :first] += now @ coupling(trees, t, derivative)
            base += now @ base_coupling(trees, t, derivative)
        return adjoint, base

    def _through_rows(self, seed):
        trees = self.trees
        n = len(trees.leaves)
        adjoint = seed
        carried = np.zeros((n, trees.n_outputs, len(seed)))
        within = np.zeros_like(carried)  # by later Newton steps of the same tree
        for t in range(trees.n_trees - 1, -1, -1):
            derivative = self._derivatives(t)
            leaves = trees.leaves[:, trees.iteration(t)]
            first, after = trees.span(t)
            for k in range(trees.n_outputs):
                members = sparse.csr_array(
                    (np.ones(n), leaves[:, k] - first, np.arange(n + 1)),
                    shape=(n, after - first),
                )
                total = carried[:, k] + within[:, k] / trees.learning_rate
                adjoint[:, first:after] += (members.T @ total).T
            for_rows = adjoint[:, leaves].transpose(1, 2, 0)
            within += np.einsum("jkm,jkf->jmf", derivative, for_rows)
            if trees.block(t) == t:
                carried += within
                within[:] = 0.0
        return adjoint, carried.sum(axis=0).T


def adjoint_of_weights(trees, run, own="derivative"):
    """Return the `Adjoint` in which the effect of a row is that of its removal.

    Parameters
    ----------
    trees, run : BoostedTrees, Replay
        As for `Adjoint`.
    own : {"derivative", "removal"}, default="derivative"
        Effect u of a row on its own leaves: minus the derivative with respect to its
        weight, times its weight, or the change when it is removed from the leaf. The
        first gives the derivative of the whole run, the second is closer to a
        removal.
    """
    if own == "derivative":
        base = -trees.weight[:, None] * trees.base.slope(trees.y, trees.weight)
    else:
        base = trees.base.changes(trees.y, trees.weight)
    effects = np.empty(trees.leaves.shape)
    for t in range(trees.n_trees):
        leaves = trees.leaves[:, trees.iteration(t)]
        g, h = trees.objective.derivatives(trees.y, run.raw[t])
        g, h = (g.T * trees.weight).T, (h.T * trees.weight).T
        lam, curvature = trees.regularization[leaves], run.curvature_sums[leaves]
        if own == "derivative":
            g += trees.as_gradient(h, run.values[leaves])
            effect = -trees.row_value(g, curvature, lam)
        else:
            effect = trees.row_value(
                run.gradient_sums[leaves] - g, curvature - h, lam, curvature
            )
            effect -= run.values[leaves]
        effects[:, trees.iteration(t)] = effect
    return Adjoint(trees, run, base, effects)
