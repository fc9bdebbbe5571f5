"""Fitted tree ensembles as functions of the weights of their training rows."""

from skinfluence.trees._averaged_trees import (
    AveragedTrees,
    averaged_trees,
    is_tree_model,
)
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import is_booster, tree_structure
from skinfluence.trees._removal import AdjointRemovals, AveragedRemovals
