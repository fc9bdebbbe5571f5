"""Nearest neighbours: predictions without rows are exact but for the last digits.

What scikit-learn calls the neighbours is what a refit finds again; of them votes are
counted and targets averaged. Every sum is of terms of one sign, or of targets that are
at most the largest, so that the errors are some units for each neighbour.
"""

import numpy as np

from skinfluence._losses import LARGEST_LOG_LOSS, UserLoss
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._rounding import EPS
from skinfluence.removal.certificates._spreads import refuse_loss
from skinfluence.removal.neighbors._neighbors import NeighborsModel


@certificate.register
def _(model: NeighborsModel, source, masks=None):
    return NeighborCertificate(model, source.removals(model, masks))


class NeighborCertificate:
    """Closed forms, and their rounding.

    Parameters
    ----------
    model : NeighborsModel
    removals : Removals
        Its exact ones.
    """

    def __init__(self, model, removals):
        self.model, self.removals = model, removals
        self.unresolved = removals.unresolved

    def forget(self, removals):
        """Give some removals the widest interval: all values that the loss can have."""
        self.unresolved = np.union1d(self.unresolved, removals).astype(np.intp)

    def bounds(self, X, y, loss):
        """As `Certificate.bounds`; what has no neighbours left may be anything."""
        if isinstance(loss, UserLoss):
            refuse_loss(loss)
        value = self.removals.influence(X, y, loss)
        units = 64 * (len(self.model.targets) + 8) * EPS
        if self.model.n_classes is not None:
            size, largest = LARGEST_LOG_LOSS, LARGEST_LOG_LOSS
        else:
            size = np.abs(self.model.targets).max(initial=0.0) + np.abs(y).max(
                initial=0.0
            )
            size, largest = size + size**2, np.inf
        error = np.where(value == 0, 0.0, units * size)
        lost = np.isnan(value)
        lost[:, self.unresolved] = True
        low = np.where(lost, -largest, value - error)
        high = np.where(lost, largest, value + error)
        return low, high
