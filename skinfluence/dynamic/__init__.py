"""Gradient-based, dynamic influence: the whole training run."""

from skinfluence.dynamic._tracin import TracIn
from skinfluence.dynamic._trak import TRAK

__all__ = ["TRAK", "TracIn"]
