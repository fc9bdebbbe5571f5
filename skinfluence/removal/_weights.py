"""Sample weights as the objectives see them."""

import numpy as np
from sklearn.utils import compute_sample_weight

from skinfluence.removal._dispatch import refuse


def row_weights(sample_weight, n):
    """Return float weights of shape (n,): ones for None, a scalar repeated."""
    if sample_weight is None:
        return np.ones(n)
    return np.broadcast_to(np.asarray(sample_weight, dtype=np.float64), n).copy()


def classifier_weights(estimator, y, sample_weight):
    """Return sample weights times class weights that removals do not change."""
    weight = row_weights(sample_weight, len(y))
    if estimator.class_weight is None:
        return weight
    if isinstance(estimator.class_weight, str):
        refuse(estimator, "class_weight", "every row's weight changes with the removed")
    return weight * compute_sample_weight(estimator.class_weight, y)
