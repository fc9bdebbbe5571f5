"""Training-set attacks: who is the target, and which rows make the attack."""

from skinfluence.attacks._target_detector import TargetDetector

__all__ = ["TargetDetector"]
