"""Replay of a boosting run with other row weights and fixed splits, exact, O(n T K)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Replay:
    """The results of one run through the iterations.

    Attributes
    ----------
    base : ndarray of shape (K,)
        Raw prediction before the first tree.
    values : ndarray of shape (n_leaves,)
        Values of the leaves.
    raw : ndarray of shape (T, n, K)
        Raw predictions of the training rows before each iteration.
    gradient_sums, curvature_sums : ndarray of shape (n_leaves,)
        Weighted sums over the rows of each leaf, without scales and regularisation.
    """

    base: np.ndarray
    values: np.ndarray
    raw: np.ndarray
    gradient_sums: np.ndarray
    curvature_sums: np.ndarray


def replay(trees, weight=None, single_precision=False):
    """Compute all leaf values for given row weights.

    Parameters
    ----------
    trees : BoostedTrees
        Structure, targets and settings.
    weight : ndarray of shape (n,), default=None
        Row weights, zero for rows that are left out; None: those of the fit.
    single_precision : bool, default=False
        Round gradients and curvatures to float32, as some libraries do.

    Returns
    -------
    run : Replay
    """
    weight = trees.weight if weight is None else weight
    base = trees.base.value(trees.y, weight)
    raw = np.tile(base, (len(weight), 1))
    values = np.zeros(trees.n_leaves)
    sums = np.zeros((2, trees.n_leaves))
    history = np.empty((trees.n_trees, *raw.shape))
    moved = np.zeros_like(raw)  # by earlier Newton steps of the same tree
    for t in range(trees.n_trees):
        if trees.block(t) == t:
            raw, moved = raw + moved, np.zeros_like(raw)
        history[t] = raw + moved / trees.learning_rate
        gradient, curvature = trees.objective.derivatives(trees.y, history[t])
        gradient, curvature = weight[:, None] * gradient, weight[:, None] * curvature
        if single_precision:
            gradient = gradient.astype(np.float32).astype(np.float64)
            curvature = curvature.astype(np.float32).astype(np.float64)
        first, after = trees.span(t)
        leaves = trees.leaves[:, trees.iteration(t)]
        for total, part in zip(sums, (gradient, curvature), strict=True):
            total[first:after] = np.bincount(
                (leaves - first).ravel(), part.ravel(), minlength=after - first
            )
        values[first:after] = trees.leaf_value(
            *sums[:, first:after], trees.regularization[first:after]
        )
        moved = moved + values[leaves]
    return Replay(base, values, history, *sums)


def raw_prediction(trees, run, leaves):
    """Raw predictions of rows in given leaves, shape (m, K)."""
    raw = np.tile(run.base, (len(leaves), 1))
    for t in range(trees.n_trees):
        raw += run.values[leaves[:, trees.iteration(t)]]
    return raw
