"""Gradient-based, dynamic influence: the whole training run."""

from skinfluence.dynamic._hydra import HyDRA
from skinfluence.dynamic._source import SOURCE
from skinfluence.dynamic._tracin import TracIn
from skinfluence.dynamic._trak import TRAK

__all__ = ["SOURCE", "TRAK", "HyDRA", "TracIn"]
