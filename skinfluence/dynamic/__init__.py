"""Gradient-based, dynamic influence: the whole training run."""

from skinfluence.dynamic._hydra import HyDRA
from skinfluence.dynamic._tracin import TracIn

__all__ = ["HyDRA", "TracIn"]
