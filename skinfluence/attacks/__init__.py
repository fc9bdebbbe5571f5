"""Training-set attacks: detection of target rows and of the planted rows."""

from skinfluence.attacks._target_detector import TargetDetector

__all__ = ["TargetDetector"]
