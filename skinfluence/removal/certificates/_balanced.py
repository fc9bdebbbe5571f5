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
    if masks is None:
        alone = np.arange(n)
        groups = [
            (alone[model.pair_of_row == pair], c, size)
            for pair, (c, size) in enumerate(model.pairs)
        ]
        parts = []
        for rows, c, size in groups:
            sizes = model.sizes.copy()
            sizes[int(c)] -= size
            parts.append((rows, sizes))
        masks = np.eye(n, dtype=bool)
    else:
        classes = np.eye(len(model.sizes))[model.labels] * model.row_sizes[:, None]
        left = ~masks @ classes
        parts = [(np.array([g]), left[g]) for g in range(len(masks))]
    whole = certificate(model.full, source, np.zeros((1, n), dtype=bool))
    found = []
    for removals, sizes in parts:
        if not (sizes > 1e-12 * model.sizes).all():
            found.append((removals, whole.unknown(len(removals))))
            continue
        base = model._base(sizes)
        base.labels = model.labels
        part = certificate(base, source, masks[removals])
        shift = base.theta - model.theta
        found.append((removals, whole.of_other_base(part, shift)))
    return Parts(len(masks), found)


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
