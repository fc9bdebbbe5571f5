"""A fitted model without some of its rows, exactly and without refitting."""

from skinfluence.removal import (  # noqa: F401  (they register themselves)
    _gaussian_process,
    _glm,
    _huber,
    _k_neighbors,
    _kernel_ridge,
    _lasso,
    _linear_svc,
    _logistic,
    _pipeline,
    _radius_neighbors,
    _ridge,
    _support_vectors,
)
from skinfluence.removal._dispatch import UnsupportedEstimator, removal_model
from skinfluence.removal._model import RemovalModel, Removals

__all__ = ["RemovalModel", "Removals", "UnsupportedEstimator", "removal_model"]
