"""From distances between minimisers to intervals of the change of a loss."""

import numpy as np

from skinfluence.removal.certificates._rounding import EPS, row_errors
from skinfluence.removal.certificates._spreads import change_with_error, spread

# Elements of a tile of the (test row, removal, output) array.
TILE = 2**16
UNDERFLOW = 1e-300


class Certificate:
    r"""Proven intervals of what the exact removals do to losses.

    The raw prediction of test row t by the model that was computed for removal i is
    at most ``|x_t| distance[i]`` from that of the exact minimiser, ``|x_t|`` the length
    of the row in the metric of an inverse Hessian; the same holds for the model of all
    rows and ``base``. What a loss can become within these distances is its `spread`.

    Parameters
    ----------
    model : LinearModel
        Model of all rows.
    moves : ndarray of shape (m, k, p)
        Moves of its coefficients.
    metrics : list of k metrics
        The metric of each output.
    base : ndarray of shape (k,)
        Distance of the model of all rows from its minimiser.
    distance : ndarray of shape (m, k)
        Distances of the models without rows; infinite where nothing is known, which
        leaves what the loss can be at all.
    own : dict of (int, int) to (metric, float), default={}
        Removals and outputs that are measured in a metric of their own.
    unchanged : ndarray of bool of shape (m,), default=None
        Removals of nothing: they change nothing, exactly.
    """

    def __init__(self, model, moves, metrics, base, distance, own=None, unchanged=None):
        self.model, self.moves, self.metrics = model, moves, metrics
        self.base, self.distance, self.own = base, distance, own or {}
        self.unchanged, self.base_metrics = unchanged, metrics

    def forget(self, removals):
        """Give some removals the widest interval: all values that the loss can have."""
        self.distance[removals], self.moves[removals] = np.inf, 0.0
        gone = np.isin(np.arange(len(self.distance)), removals)
        self.own = {key: own for key, own in self.own.items() if not gone[key[0]]}
        if self.unchanged is not None:
            self.unchanged = self.unchanged & ~gone

    def unknown(self, n_removals):
        """Return a certificate that knows nothing, of other removals."""
        moves = np.zeros((n_removals, *self.moves.shape[1:]))
        distance = np.full((n_removals, len(self.base)), np.inf)
        return Certificate(self.model, moves, self.metrics, self.base, distance)

    def of_other_base(self, part, shift):
        """Return the certificate of removals that start from another base.

        Parameters
        ----------
        part : Certificate
            Of that base.
        shift : ndarray of shape (k, p)
            Its coefficients minus those of this one's.
        """
        distance = part.distance
        if part.unchanged is not None:
            # where nothing is removed the other base itself is the minimiser
            distance = np.where(part.unchanged[:, None], part.base, distance)
        args = self.model, part.moves + shift, part.metrics, self.base, distance
        out = Certificate(*args, part.own)
        out.base_metrics = self.base_metrics
        return out

    def _lengths(self, rows, metrics):
        """Lengths of rows in the metric of each output, shape (n, k)."""
        errors = row_errors(self.model.design)
        lengths = {id(m): m.row_norms(rows, errors) for m in metrics}
        return np.stack([lengths[id(m)] for m in metrics], axis=1)

    def _alone(self, part):
        """Removals of a slice that have a metric of their own."""
        return [key for key in self.own if part.start <= key[0] < part.stop]

    def _coordinates(self, rows, theta):
        """Largest rounding errors of ``rows @ theta``, theta of shape (m, k, p)."""
        relative, absolute = row_errors(self.model.design)
        units = relative + 4 * (rows.shape[1] + 8) * EPS
        size = np.abs(theta).max(axis=(0, 1), initial=0.0)
        size = np.where(size > 0, size, 1.0)
        length = np.linalg.norm(rows * size, axis=1)
        out = units * np.multiply.outer(length, np.linalg.norm(theta / size, axis=2))
        return out + absolute * np.abs(theta).sum(axis=2)

    def bounds(self, X, y, loss):
        """Smallest and largest change of the loss of test rows, (n_test, m) each."""
        model = self.model
        rows = model.design(X)
        theta = model.theta
        raw = rows @ theta.T
        n, m = len(rows), len(self.moves)
        errors = row_errors(model.design)
        lengths = self._lengths(rows, self.metrics)
        fixed = self._coordinates(rows, theta[None])[:, 0]
        before = _times(self._lengths(rows, self.base_metrics), self.base) + fixed
        low, high = np.empty((2, n, m))
        size = max(1, TILE // max(1, n * theta.shape[0]))
        down_before, up_before = spread(
            loss, y, raw[:, None], before[:, None], model.link
        )
        for start in range(0, m, size):
            part = slice(start, min(start + size, m))
            moves = self.moves[part]
            flat = moves.reshape(-1, moves.shape[2])
            delta = (rows @ flat.T).reshape(n, len(moves), -1)
            radius = _times(lengths[:, None], self.distance[part])
            for i, k in self._alone(part):
                metric, distance = self.own[i, k]
                alone = distance * metric.row_norms(rows, errors)
                radius[:, i - start, k] = np.minimum(radius[:, i - start, k], alone)
            radius = radius + fixed[:, None] + self._coordinates(rows, moves)
            center, error = change_with_error(loss, y, raw, delta, model.link)
            down, up = spread(loss, y, raw[:, None] + delta, radius, model.link)
            low[:, part] = center + down - up_before - error
            high[:, part] = center + up - down_before + error
        # outwards, by more than the numbers that are too small for a double
        low -= 8 * EPS * np.abs(low) + UNDERFLOW
        high += 8 * EPS * np.abs(high) + UNDERFLOW
        if self.unchanged is not None:
            low[:, self.unchanged] = high[:, self.unchanged] = 0.0
        return low, high


def _times(lengths, distance):
    """Products of lengths and distances, infinite where a distance is."""
    with np.errstate(invalid="ignore"):
        product = lengths * distance
    return np.where(np.isinf(distance), np.inf, product)
