"""Gradient-based, static influence: the final parameters only."""

from skinfluence.static._influence_functions import InfluenceFunctions
from skinfluence.static._representer_points import RepresenterPoints

__all__ = ["InfluenceFunctions", "RepresenterPoints"]
