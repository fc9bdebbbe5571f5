r"""Leaf values without some rows, with fixed splits, in the space of leaves.

Without the rows of a set the value of leaf l in tree t moves by

.. math::

    d_t(l) = -\eta s \frac{G_l + S_l - \sum_{i \in l} w_i (g_i + g_i' o_i)}
        {H_l + S'_l - \kappa \sum_{i \in l} w_i (h_i + h_i' o_i)} - \theta_l,

with sums over the removed rows, where :math:`o_i` is the change of the raw
prediction of row i by earlier trees and :math:`S_l` (:math:`S'_l`) that of the leaf's
sum of gradients (curvatures) by the changes of all rows, a product of `coupling` with
the earlier d. For the squared loss this is exact. For other losses the rows themselves
are removed exactly, and the changes of the other rows enter to first order.

**Cost.** O(n T^2 K^2) for the couplings, then O(n_leaves^2 / 2) multiplications by BLAS
per set, and ``8 n_leaves`` bytes.
"""

from functools import partial

import numpy as np

from skinfluence.trees._coupling import base_coupling, coupling
from skinfluence.trees._replay import replay


def leaf_changes(trees, run, masks=None):
    """Changes of all leaf values and of the base when rows are left out.

    Parameters
    ----------
    trees : BoostedTrees
        The structure.
    run : Replay
        The run with all rows.
    masks : ndarray of shape (n_sets, n), default=None
        True for the rows that are left out together; None: every single row.

    Returns
    -------
    changes : ndarray of shape (n_leaves, n_sets)
        Values without the rows minus values with them.
    base_changes : ndarray of shape (n_sets, K)
        Changes of the raw prediction before the first tree.
    """
    weight, y = trees.weight, trees.y
    if masks is None:
        rows = sets = np.arange(len(weight))
        base = trees.base.changes(y, weight)
    else:
        sets, rows = np.nonzero(masks)
        base = np.stack([trees.base.value(y, weight * ~mask) for mask in masks])
        base -= run.base
    changes = np.zeros((trees.n_leaves, len(base)))
    # Changes of the raw prediction of each removed row, for the set it is removed with:
    # by earlier trees, and by earlier Newton steps of the same tree.
    before, within = base[sets], np.zeros((len(sets), trees.n_outputs))
    for t in range(trees.n_trees):
        first, after = trees.span(t)
        raw = run.raw[t]
        if trees.block(t) == t:
            before, within = before + within, np.zeros_like(within)
        own = before + within / trees.learning_rate
        slopes = trees.objective.slopes(y, raw)
        derivatives = trees.objective.derivatives(y, raw)
        leaves = trees.leaves[rows, trees.iteration(t)] - first
        left = partial(
            _left, trees, t, (rows, sets, leaves), own, changes[:first], base
        )
        whole = run.curvature_sums[first:after]
        gradient = left(run.gradient_sums[first:after], derivatives[0], slopes[0])
        if trees.objective.joint:
            columns = [
                left(whole[:, m], derivatives[1][..., m], slopes[1][:, :, m])
                for m in range(trees.n_outputs)
            ]
            curvature = np.stack(columns, axis=1)
        else:
            moves = not trees.objective.quadratic
            curvature = left(whole, derivatives[1], slopes[1], moves)
        values = trees.leaf_value(
            gradient,
            curvature,
            trees.regularization[first:after, None],
            whole[..., None],
        )
        changes[first:after] = values - run.values[first:after, None]
        for k in range(trees.n_outputs):
            within[:, k] += changes[leaves[:, k] + first, sets]
    return changes, base


def _left(trees, t, gone, own, changes, base, total, derivative, slope, moves=True):
    """Sums of leaves of iteration t without the rows that leave, (n_leaves, n_sets).

    Parameters
    ----------
    gone : tuple of ndarray
        The rows that leave, the set of each, and its leaves, counted from the first.
    own : ndarray of shape (n_gone, K)
        How far their raw predictions have moved.
    changes, base : ndarray
        Changes of the leaves of earlier iterations and of the base, of all sets.
    total : ndarray of shape (n_leaves,)
        Sums with all rows.
    derivative, slope : ndarray of shapes (n, K) and (n, K, K)
        Terms of each row, and their derivatives with respect to raw predictions.
    moves : bool, default=True
        Whether the slope is not zero.
    """
    rows, sets, leaves = gone
    slope = trees.weight[:, None, None] * slope
    part = np.repeat(total[:, None], len(base), axis=1)
    if moves:
        part += coupling(trees, t, slope) @ changes
        part += base_coupling(trees, t, slope) @ base.T
    out = (trees.weight[:, None] * derivative)[rows]
    out += np.einsum("ikm,im->ik", slope[rows], own)
    for k in range(trees.n_outputs):
        np.subtract.at(part, (leaves[:, k], sets), out[:, k])
    return part


def replayed_leaf_changes(trees, run, masks):
    """Exact changes of all leaf values, by a replay without each set: O(n T K) each.

    Parameters and returns as `leaf_changes`.
    """
    runs = (replay(trees, np.where(mask, 0.0, trees.weight)) for mask in masks)
    changes, base = zip(
        *((other.values - run.values, other.base - run.base) for other in runs),
        strict=True,
    )
    return np.stack(changes, axis=1), np.stack(base)
