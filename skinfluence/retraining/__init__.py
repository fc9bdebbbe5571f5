"""Retraining-based influence: train again without."""

from skinfluence.retraining._leave_one_out import LeaveOneOutInfluence
from skinfluence.retraining._shapley import ShapleyInfluence

__all__ = ["LeaveOneOutInfluence", "ShapleyInfluence"]
