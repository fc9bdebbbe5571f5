"""Leaf numbers of HistGradientBoosting models, for which there is no public method.

In a copy of the model the value of each leaf is its number, so that scikit-learn's own
code for categories, missing values and data frames finds the leaf of a row.
"""

from copy import deepcopy

import numpy as np


def hist_leaf_model(model):
    """Return a copy of a model whose trees predict the numbers of their leaves."""
    copy = deepcopy(model)
    copy._baseline_prediction = np.zeros_like(copy._baseline_prediction)
    for iteration in copy._predictors:
        for tree in iteration:
            tree.nodes["value"] = np.arange(len(tree.nodes))
    return copy


def hist_leaf_ids(leaf_model, X):
    """Return the leaf of every row in every tree, shape (n, T, K)."""
    sums = np.stack(list(leaf_model._staged_raw_predict(X)), axis=1)
    return np.diff(sums, axis=1, prepend=0.0).astype(np.int64)
