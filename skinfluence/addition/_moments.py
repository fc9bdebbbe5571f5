"""Means and squared deviations of the first rows of each class, and distances."""

import numpy as np

# Numbers in an array over (prefix, class, feature).
PARAMETERS = 2**18

# Where a mean is farther from zero than this many squared scales, expanding the
# square of the distance from it would lose digits.
FAR = 1e5


def running_moments(rows):
    """Mean and sum of squared deviations of the first 1, 2, ... rows.

    Welford's increments are all positive: nothing cancels.

    Returns
    -------
    means, squares : ndarray of shape (n, d)
    """
    count = np.arange(1.0, len(rows) + 1)[:, None]
    means = np.cumsum(rows, axis=0)
    means /= count
    squares = np.empty_like(means)
    squares[:1] = 0.0
    np.subtract(rows[1:], means[:-1], out=squares[1:])
    squares[1:] **= 2
    squares[1:] *= 1.0 - 1.0 / count[1:]
    np.cumsum(squares, axis=0, out=squares)
    return means, squares


class ClassMoments:
    """`running_moments` of every class along an order.

    Attributes
    ----------
    counts : ndarray of shape (n_ends, n_classes)
        Rows of each class in each prefix.
    """

    def __init__(self, rows, labels, counts):
        self.counts = counts
        self.start = np.cumsum(np.bincount(labels, minlength=counts.shape[1]))
        self.start -= np.bincount(labels, minlength=counts.shape[1])
        by_class = np.argsort(labels, kind="stable")
        self.means, self.squares = np.empty_like(rows), np.empty_like(rows)
        for c in range(counts.shape[1]):
            mine = by_class[labels[by_class] == c]
            part = slice(self.start[c], self.start[c] + len(mine))
            self.means[part], self.squares[part] = running_moments(rows[mine])

    def at(self, ends):
        """Means and squares of some prefixes, (n_ends, n_classes, d); zero if unseen.

        ``ends`` is a slice of `counts`.
        """
        counts = self.counts[ends]
        seen = counts > 0
        index = np.where(seen, self.start + counts - 1, 0)
        moments = self.means, self.squares
        return (np.where(seen[..., None], v[index], 0.0) for v in moments)


def blocks_of_ends(n_ends, n_classes, d):
    """Cut prefixes so that arrays over (prefix, class, feature) stay small."""
    size = max(1, PARAMETERS // max(1, n_classes * d))
    return [slice(i, min(i + size, n_ends)) for i in range(0, n_ends, size)]


def squared_distances(rows, centers, precision):
    """Weighted squared distances from every centre, (n_samples, n_ends, n_classes).

    By matrix products, except where a centre is so far from zero, in units of its
    scale, that the squares would cancel.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, d)
        Centred.
    centers, precision : ndarray of shape (n_ends, n_classes, d)
    """
    n_ends, n_classes, d = centers.shape
    weighted = centers * precision
    far = weighted * centers > FAR
    near, pull = precision, weighted
    if far.any():
        near, pull = np.where(far, 0.0, precision), np.where(far, 0.0, weighted)
    out = rows**2 @ near.reshape(-1, d).T
    out -= rows @ (2.0 * pull).reshape(-1, d).T
    out += (pull * centers).reshape(-1, d).sum(axis=1)
    out = out.reshape(len(rows), n_ends, n_classes)
    for j in np.flatnonzero(far.any(axis=(0, 1))):
        end, label = np.nonzero(far[..., j])
        distance = rows[:, [j]] - centers[end, label, j]
        distance **= 2
        out[:, end, label] += distance * precision[end, label, j]
    return out
