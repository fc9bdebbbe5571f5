"""A fitted model without some of its rows, exactly and without refitting."""

from skinfluence.removal import _pipeline, _ridge  # noqa: F401  (they register)
from skinfluence.removal._dispatch import UnsupportedEstimator, removal_model
from skinfluence.removal._model import RemovalModel, Removals

__all__ = ["RemovalModel", "Removals", "UnsupportedEstimator", "removal_model"]
