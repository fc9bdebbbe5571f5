"""Sets of rows that leave, and how much of the Hessian they take with them."""

import numpy as np

from skinfluence.removal.certificates._rounding import EPS

# Sum of leverages up to which it is good enough as the largest eigenvalue of a set.
_ENOUGH = 0.3


class Removed:
    """Sets of rows as index arrays, single rows among them.

    Attributes
    ----------
    member, row : ndarray of int
        Pairs of a set and a row in it.
    """

    def __init__(self, n, masks=None):
        self.masks, self.n = masks, n
        self.n_removals = n if masks is None else len(masks)
        if masks is None:
            self.member = self.row = np.arange(n)
        else:
            self.member, self.row = np.nonzero(masks)

    def sums(self, values):
        """Sums of ``values`` of the pairs, (n_pairs, ...), over each set."""
        if self.masks is None:
            return values
        out = np.zeros((self.n_removals, *values.shape[1:]))
        np.add.at(out, self.member, values)
        return out

    def pairs(self, start, stop):
        """Sets, counted from ``start``, and rows of the sets of a range."""
        a, b = np.searchsorted(self.member, [start, stop])
        return self.member[a:b] - start, self.row[a:b]

    def mask(self, i):
        """Return the rows of one set as a boolean array."""
        out = np.zeros(self.n, dtype=bool)
        out[self.row[slice(*np.searchsorted(self.member, [i, i + 1]))]] = True
        return out


def leverages(metric, rows, weight, removed, errors):
    """Upper bounds of the largest eigenvalue of what each set adds to the Hessian.

    In the metric's coordinates; ``weight`` are the rows' curvatures.
    """
    lengths = metric.row_norms(rows, errors)
    own = weight * lengths**2
    sums = removed.sums(own[removed.row])
    if removed.masks is None:
        return sums
    p = rows.shape[1]
    slip = np.maximum(lengths - metric.norms(rows) / (1 + metric.turn), 0.0)
    slip = np.sqrt(removed.sums((weight * slip**2)[removed.row]))
    for i in np.flatnonzero(sums > _ENOUGH):
        _, chosen = removed.pairs(i, i + 1)
        chosen = chosen[weight[chosen] > 0]
        if len(chosen) < 2 or not np.isfinite(sums[i]):
            continue
        Z = (np.sqrt(weight[chosen])[:, None] * rows[chosen]) / metric.size
        Z = Z @ metric.inverse.T
        gram = Z @ Z.T if len(Z) < p else Z.T @ Z
        top = np.linalg.eigvalsh(gram)[-1] * (1 + (p + len(Z)) * 16 * EPS)
        # what the inverse itself is off, relative to all of a row
        slip[i] += metric.turn * np.sqrt(sums[i])
        sums[i] = min(sums[i], (np.sqrt(max(top, 0.0)) + slip[i]) ** 2)
    return sums
