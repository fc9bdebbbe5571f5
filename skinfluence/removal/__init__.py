"""A fitted model without some of its rows, exactly and without refitting."""

from skinfluence.removal import (  # noqa: F401  (they register themselves)
    _bernoulli_nb,
    _categorical_nb,
    _gaussian_nb,
    _gaussian_process,
    _glm,
    _huber,
    _k_neighbors,
    _kernel_ridge,
    _lasso,
    _linear_discriminant,
    _linear_svc,
    _linear_svr,
    _logistic,
    _multinomial_nb,
    _nearest_centroid,
    _pipeline,
    _quadratic_discriminant,
    _radius_neighbors,
    _ridge,
    _sgd,
    _support_vectors,
)
from skinfluence.removal._dispatch import UnsupportedEstimator, removal_model
from skinfluence.removal._model import RemovalModel, Removals

__all__ = ["RemovalModel", "Removals", "UnsupportedEstimator", "removal_model"]
