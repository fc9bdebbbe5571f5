"""Retraining-based influence: train again without."""

from skinfluence.retraining._leave_one_out import LeaveOneOutInfluence

__all__ = ["LeaveOneOutInfluence"]
