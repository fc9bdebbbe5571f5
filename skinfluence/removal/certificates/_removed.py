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

    def totals(self, values):
        """Sums over each set of values of all rows, (n, ...)."""
        return values if self.masks is None else self.masks.astype(float) @ values

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
    sums = removed.totals(own)
    if removed.masks is None:
        return sums
    p = rows.shape[1]
    slip = np.maximum(lengths - metric.norms(rows) / (1 + metric.turn), 0.0)
    slip = np.sqrt(removed.totals(weight * slip**2))
    large = np.flatnonzero((sums > _ENOUGH) & np.isfinite(sums))
    if not len(large):
        return sums
    Z = (np.sqrt(weight)[:, None] * rows / metric.size) @ metric.inverse.T
    for i in large:
        chosen = np.flatnonzero(removed.masks[i] & (weight > 0))
        if len(chosen) < 2:
            continue
        own = Z[chosen]
        gram = own @ own.T if len(own) < p else own.T @ own
        units = 16 * (p + len(own)) + len(gram) * (len(gram) + 2)
        top = _largest_eigenvalue(gram) * (1 + units * EPS)
        # what the inverse itself is off, relative to all of a row
        off = slip[i] + metric.turn * np.sqrt(sums[i])
        sums[i] = min(sums[i], (np.sqrt(max(top, 0.0)) + off) ** 2)
    return sums


def _largest_eigenvalue(gram):
    """Upper bound, within 2% of its distance from 1, where a factor can prove it."""
    power = gram
    for _ in range(4):
        power = power @ power
    v = power[:, np.argmax(np.diag(gram))]
    bound = v @ gram @ v / max(v @ v, 1e-300)
    bound += 0.02 * abs(1 - bound)
    shifted = -gram
    shifted[np.diag_indices_from(gram)] += bound
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return np.linalg.eigvalsh(gram)[-1]
    return bound
