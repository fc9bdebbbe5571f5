r"""Predictions of trees as weighted sums of the training targets.

A regression forest averages leaf means, and a booster of squared loss is linear in its
targets as long as its splits are fixed: :math:`f(x) = \sum_i v_i(x) y_i`. For boosters
the weights are the derivatives of the prediction with respect to the targets, by the
adjoint of `_adjoint` with the target in the place of the weight of a row.

References
----------
P. Geertsema, H. Lu, "Instance-based Explanations for Gradient Boosting Machine
Predictions with AXIL Weights", 2023.
"""

import numpy as np

from skinfluence.trees._adjoint import Adjoint
from skinfluence.trees._replay import replay


def booster_row_weights(trees):
    """Return a function of rows that gives their weights, shape (m, n).

    Parameters
    ----------
    trees : BoostedTrees
        Of squared loss, the first prediction being the mean of the targets.
    """
    run = replay(trees)
    shares = trees.weight / trees.weight.sum()
    # A unit of a target lowers the gradient of its row by one.
    bottom = trees.curvature_scale * run.curvature_sums + trees.regularization
    effects = trees.learning_rate * trees.gradient_scale * trees.weight[:, None]
    adjoint = Adjoint(trees, run, shares[:, None], effects / bottom[trees.leaves])

    def weights(X):
        leaves = trees.leaves_of(X)
        return adjoint.influence(np.ones((len(leaves), 1)), leaves)

    return weights


def forest_row_weights(trees):
    """Return a function of rows that gives their weights, shape (m, n).

    Parameters
    ----------
    trees : AveragedTrees
        A tree or a forest.
    """
    shares = trees.weights / np.maximum(trees.totals[trees.leaves], 1e-300)
    spread = trees.indicators(trees.leaves, shares / len(trees.members)).T
    return lambda X: (trees.reached(X) @ spread).toarray()
