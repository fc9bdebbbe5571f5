"""Retraining-based influence: train again without some rows."""

from skinfluence.retraining._datamodels import datamodels
from skinfluence.retraining._downsampling import DownsamplingInfluence
from skinfluence.retraining._knn_shapley import KNNShapley
from skinfluence.retraining._leave_one_out import LeaveOneOutInfluence
from skinfluence.retraining._out_of_bag import OutOfBagInfluence, draws_rows
from skinfluence.retraining._shapley import ShapleyInfluence
from skinfluence.retraining._tree_influence import TreeInfluence

__all__ = [
    "DownsamplingInfluence",
    "KNNShapley",
    "LeaveOneOutInfluence",
    "OutOfBagInfluence",
    "ShapleyInfluence",
    "TreeInfluence",
    "datamodels",
]
