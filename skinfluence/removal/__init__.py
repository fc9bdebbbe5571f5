"""A fitted model without some of its rows, exactly and without refitting."""

from skinfluence.removal import _pipeline  # it registers itself
from skinfluence.removal._dispatch import (
    NothingLeft,
    UnsupportedEstimator,
    refuse_samplers,
    removal_model,
)
from skinfluence.removal._model import RemovalModel, Removals
from skinfluence.removal.counting import (
    _bernoulli_nb,
    _categorical_nb,
    _gaussian_nb,
    _multinomial_nb,
    _nearest_centroid,
)
from skinfluence.removal.discriminants import (
    _linear_discriminant,
    _quadratic_discriminant,
)
from skinfluence.removal.families import (
    _bayesian_ridge,
    _glm,
    _huber,
    _lasso,
    _linear_svc,
    _linear_svr,
    _logistic,
    _ridge,
    _sgd,
)
from skinfluence.removal.kernels import (
    _gaussian_process,
    _kernel_ridge,
    _support_vectors,
)
from skinfluence.removal.neighbors import _k_neighbors, _radius_neighbors
