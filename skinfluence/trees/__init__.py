"""Fitted tree ensembles as functions of the weights of their training rows."""

from skinfluence.trees._adjoint import Adjoint
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._replay import raw_prediction, replay

__all__ = ["Adjoint", "BoostedTrees", "raw_prediction", "replay", "tree_structure"]
