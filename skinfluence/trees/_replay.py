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
        Curvatures of a joint objective have shape (n_leaves, K).
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
    gradients = np.zeros(trees.n_leaves)
    curvatures = np.zeros((trees.n_leaves, *trees.curvature_shape))
    history = np.empty((trees.n_trees, *raw.shape))
    moved = np.zeros_like(raw)  # by earlier Newton steps of the same tree
    for t in range(trees.n_trees):
        if trees.block(t) == t:
            raw, moved = raw + moved, np.zeros_like(raw)
        history[t] = raw + moved / trees.learning_rate
        gradient, curvature = trees.objective.derivatives(trees.y, history[t])
        gradient = weight[:, None] * gradient
        curvature = (curvature.T * weight).T
        if single_precision:
            gradient = gradient.astype(np.float32).astype(np.float64)
            curvature = curvature.astype(np.float32).astype(np.float64)
        leaves = slice(*trees.span(t))
        gradients[leaves] = trees.leaf_sums(t, gradient)
        curvatures[leaves] = trees.leaf_sums(t, curvature)
        values[leaves] = trees.leaf_value(
            gradients[leaves], curvatures[leaves], trees.regularization[leaves]
        )
        moved = moved + values[trees.leaves[:, trees.iteration(t)]]
    return Replay(base, values, history, gradients, curvatures)


def raw_prediction(trees, run, leaves):
    """Raw predictions of rows in given leaves, shape (m, K)."""
    raw = np.tile(run.base, (len(leaves), 1))
    for t in range(trees.n_trees):
        raw += run.values[leaves[:, trees.iteration(t)]]
    return raw
