"""Addition: models that take one row more without being trained again.

The twin of `skinfluence.removal`, whose models lose a row.

One file per family; `prefix_models` finds the one that knows an estimator.
"""

from skinfluence.addition import (  # they register themselves
    _counts,
    _gaussian_nb,
    _linear,
    _linear_discriminant,
    _logistic,
    _nearest_centroid,
    _neighbors,
)
from skinfluence.addition._prefix_models import PrefixModels, prefix_models
