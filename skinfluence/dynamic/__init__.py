"""Gradient-based, dynamic influence: the whole training run."""

from skinfluence.dynamic._tracin import TracIn

__all__ = ["TracIn"]
