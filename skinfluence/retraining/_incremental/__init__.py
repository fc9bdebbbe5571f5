"""Models that take one row more without being trained again.

One file per family; `prefix_models` finds the one that knows an estimator.
"""

from skinfluence.retraining._incremental import (  # noqa: F401  (they register)
    _counts,
    _gaussian_nb,
    _linear,
    _linear_discriminant,
    _logistic,
    _nearest_centroid,
    _neighbors,
)
from skinfluence.retraining._incremental._prefix_models import (
    PrefixModels,
    prefix_models,
)

__all__ = ["PrefixModels", "prefix_models"]
