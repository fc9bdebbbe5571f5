"""Gradient-based, static influence: the final parameters only."""

from skinfluence.static._influence_functions import InfluenceFunctions

__all__ = ["InfluenceFunctions"]
