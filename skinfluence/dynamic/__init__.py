"""Gradient-based, dynamic influence: the whole training run."""

from skinfluence.dynamic._hydra import HyDRA

__all__ = ["HyDRA"]
