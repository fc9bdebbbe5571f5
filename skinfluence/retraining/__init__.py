"""Retraining-based influence: train again without some rows."""

from skinfluence.retraining._knn_shapley import KNNShapley
from skinfluence.retraining._leave_one_out import LeaveOneOutInfluence

__all__ = ["KNNShapley", "LeaveOneOutInfluence"]
