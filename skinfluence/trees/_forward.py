r"""Leaf values without each single row, splits held, in the space of leaves.

Without row i the value of leaf l in tree t moves by

.. math::

    d_t(l) = -\eta s \frac{G_l + S_l - [i \in l]\, w_i (g_i + g_i' o_i)}
        {H_l + S'_l - [i \in l]\, \kappa w_i (h_i + h_i' o_i)} - \theta_l,

where :math:`o_i` is the row's own change of its raw prediction by earlier trees and
:math:`S_l` (:math:`S'_l`) the change of the leaf's sum of gradients (curvatures) by the
changes of all rows, a product of `coupling` with the earlier d. For the squared loss
this is exact. For other losses the changes of the other rows enter to first order, and
row i leaves exactly.

**Cost.** O(n T^2 K^2) for the couplings, O(n n_leaves^2 / 2) multiplications by BLAS,
memory ``8 n n_leaves`` bytes.
"""

import numpy as np

from skinfluence.trees._coupling import base_coupling, coupling

BLOCK = 1024  # removed rows at once: their changes and products stay in cache


def leaf_changes_without_rows(trees, run):
    """Changes of all leaf values and of the base when a single row is left out.

    Parameters
    ----------
    trees : BoostedTrees
        The structure.
    run : Replay
        The run with all rows.

    Returns
    -------
    changes : ndarray of shape (n_leaves, n)
        Values without row i minus values with it.
    base_changes : ndarray of shape (n, K)
        The same of the raw prediction before the first tree.
    """
    weight, n_outputs = trees.weight, trees.n_outputs
    n = len(weight)
    base = trees.base.changes(trees.y, weight)
    changes = np.zeros((trees.n_leaves, n))
    own = base.copy()
    rows = np.arange(n)
    for t in range(trees.n_trees):
        first, after = trees.span(t)
        raw = run.raw[t]
        slopes = [weight[:, None, None] * s for s in trees.objective.slopes(trees.y, raw)]
        derivatives = trees.objective.derivatives(trees.y, raw)
        leaves = trees.leaves[:, trees.iteration(t)]
        moved = []
        sums = run.gradient_sums[first:after], run.curvature_sums[first:after]
        for total, slope, derivative in zip(sums, slopes, derivatives, strict=True):
            if trees.objective.quadratic and derivative is derivatives[1]:
                part = np.repeat(total[:, None], n, axis=1)  # curvatures do not move
            else:
                part = coupling(trees, t, slope) @ changes[:first]
                part += base_coupling(trees, t, slope) @ base.T
                part += total[:, None]
            own_part = weight[:, None] * derivative
            own_part = own_part + np.einsum("ikm,im->ik", slope, own)
            for k in range(n_outputs):
                part[leaves[:, k] - first, rows] -= own_part[:, k]
            moved.append(part)
        values = trees.leaf_value(
            *moved, trees.regularization[first:after, None], sums[1][:, None]
        )
        changes[first:after] = values - run.values[first:after, None]
        for k in range(n_outputs):
            own[:, k] += changes[leaves[:, k], rows]
    return changes, base


def leaf_changes_without_groups(trees, run, masks, replay):
    """Changes of all leaf values and of the base without sets of rows: exact.

    One replay with zero weights for each set, O(n T K).

    Parameters
    ----------
    trees : BoostedTrees
        The structure.
    run : Replay
        The run with all rows.
    masks : iterable of ndarray of shape (n,)
        True for the rows that are left out.
    replay : callable
        ``(trees, weight) -> Replay``.

    Returns
    -------
    changes : ndarray of shape (n_leaves, n_sets)
        Values without the set minus values with it.
    base_changes : ndarray of shape (n_sets, K)
        The same of the raw prediction before the first tree.
    """
    runs = [replay(trees, np.where(mask, 0.0, trees.weight)) for mask in masks]
    changes = np.stack([other.values - run.values for other in runs], axis=1)
    return changes, np.stack([other.base - run.base for other in runs])
