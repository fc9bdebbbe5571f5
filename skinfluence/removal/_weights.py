"""Sample weights as the objectives see them."""

import numpy as np


def row_weights(sample_weight, n):
    """Return float weights of shape (n,): ones for None, a scalar repeated."""
    if sample_weight is None:
        return np.ones(n)
    return np.broadcast_to(np.asarray(sample_weight, dtype=np.float64), n).copy()
