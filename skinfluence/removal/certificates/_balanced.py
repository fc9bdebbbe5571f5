"""Balanced class weights: what remains has weights, and a base, of its own."""

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._sources import EXACT
from skinfluence.removal.linear._class_weight import Balanced


@certificate.register
def _(model: Balanced, source, masks=None):
    if source.kind != EXACT:
        raise UnsupportedEstimator(
            "class_weight='balanced' has no certificate around a single step, which "
            "holds the weights of other rows fixed where a refit changes them. Use "
            "LeaveOneOutInfluence, or give class_weight as a dict."
        )
    n = len(model.labels)
    whole = certificate(model.full, source, np.zeros((1, n), dtype=bool))
    found = []
    for removals, base in model.parts(masks):
        if base is None:
            found.append((removals, whole.unknown(len(removals))))
            continue
        rows = np.arange(n) == removals[:, None] if masks is None else masks[removals]
        part = certificate(base, source, rows)
        shift = base.theta - model.theta
        found.append((removals, whole.of_other_base(part, shift)))
    n_removals = n if masks is None else len(masks)
    return Parts(n_removals, found)


class Parts:
    """Certificates of parts of the removals.

    Parameters
    ----------
    n_removals : int
    parts : list of (ndarray of int, Certificate)
        Which removals each is of.
    """

    def __init__(self, n_removals, parts):
        self.n_removals, self.parts = n_removals, parts

    def bounds(self, X, y, loss):
        """As `Certificate.bounds`."""
        low, high = np.empty((2, len(y), self.n_removals))
        for removals, part in self.parts:
            low[:, removals], high[:, removals] = part.bounds(X, y, loss)
        return low, high
