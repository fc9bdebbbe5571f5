"""How leaf values depend on the leaf values of earlier iterations."""

import numpy as np


def coupling(trees, t, row_weight):
    """Sum one value per row over the intersections of leaves.

    Parameters
    ----------
    trees : BoostedTrees
        The structure.
    t : int
        An iteration.
    row_weight : ndarray of shape (n, K, K)
        Entry (j, k, m): the contribution of a unit of the raw prediction m of row j to
        the leaf of output k in iteration t.

    Returns
    -------
    sums : ndarray of shape (n_leaves of iteration t, n_leaves before it)
        Row l, column l': the sum over the rows in both leaves, m being the output of
        the earlier leaf l'. Cost O(n t K^2).
    """
    first, after = trees.span(t)
    n, n_outputs = len(trees.leaves), trees.n_outputs
    sums = np.zeros((after - first, first))
    if t == 0:
        return sums
    earlier = trees.leaves[:, : t * n_outputs]
    for k in range(n_outputs):
        start, stop = trees.offsets[t * n_outputs + k : t * n_outputs + k + 2]
        own = trees.leaves[:, t * n_outputs + k].astype(np.int64) - start
        # The weight of a column is that of its output, m = column modulo K.
        part = np.broadcast_to(row_weight[:, k, None, :], (n, t, n_outputs))
        index = earlier + (own * first)[:, None]
        sums[start - first : stop - first] = np.bincount(
            index.ravel(), part.reshape(-1), minlength=(stop - start) * first
        ).reshape(stop - start, first)
    # Within a tree Newton steps are taken at full length.
    sums[:, trees.span(trees.block(t))[0] :] /= trees.learning_rate
    return sums


def base_coupling(trees, t, row_weight):
    """The coupling to the raw prediction before the first tree, shape (n_leaves, K).

    It changes by the same amount for every row.
    """
    first, after = trees.span(t)
    sums = np.zeros((after - first, trees.n_outputs))
    leaves = trees.leaves[:, trees.iteration(t)] - first
    for k in range(trees.n_outputs):
        for m in range(trees.n_outputs):
            sums[:, m] += np.bincount(
                leaves[:, k], row_weight[:, k, m], minlength=after - first
            )
    return sums
