"""Numbers in long double with a proven bound of how far rounding has put them."""

import numpy as np

from skinfluence.removal.certificates._rounding import EPS, WIDE_EPS

# More than what is lost where a number is too small for a double.
_TINY = float(np.finfo(np.float64).tiny)
# Radii are sums and products of positive doubles, whose errors this factor covers.
_OUTWARD = 1 + 32 * EPS


class Ball:
    """An array of centres in long double, and the largest distance from each.

    Every operation returns a ball that contains what the exact operation makes of any
    numbers in its operands, its own rounding included. An infinite radius says that
    nothing is known.

    Parameters
    ----------
    mid : array-like
        Centres.
    rad : array-like of float, default=0.0
        Distances, not negative.
    """

    def __init__(self, mid, rad=0.0):
        self.mid = np.asarray(mid, dtype=np.longdouble)
        self.rad = np.broadcast_to(np.asarray(rad, dtype=float), self.mid.shape)

    def __getitem__(self, key):
        return Ball(self.mid[key], self.rad[key])

    @property
    def size(self):
        """Absolute values of the centres, as doubles."""
        return np.abs(self.mid).astype(float)

    def __neg__(self):
        return Ball(-self.mid, self.rad)

    def __add__(self, other):
        other = as_ball(other)
        return rounded(self.mid + other.mid, self.rad + other.rad)

    def __sub__(self, other):
        return self + -as_ball(other)

    def __mul__(self, other):
        other = as_ball(other)
        rad = _product(self.size, other.rad) + _product(self.rad, other.size)
        return rounded(self.mid * other.mid, rad + _product(self.rad, other.rad))

    def __truediv__(self, other):
        other = as_ball(other)
        mid = self.mid / other.mid
        # what is left of the divisor, rounded downwards
        least = other.size * (1 - 8 * EPS) - other.rad
        rad = self.rad + _product(np.abs(mid).astype(float) * _OUTWARD, other.rad)
        return rounded(mid, np.where(least > 0, rad / least, np.inf))

    def log(self):
        """Natural logarithms; nothing is known where the number may not be positive."""
        mid = np.log(self.mid)
        share = self.rad / (self.size * (1 - 8 * EPS))
        rad = np.where((self.mid > 0) & (share < 0.5), share / (1 - share), np.inf)
        return rounded(mid, rad, 4)

    def sum(self, axis):
        """Sums along an axis."""
        terms = self.mid.shape[axis]
        noise = (terms + 2) * WIDE_EPS * self.size.sum(axis=axis)
        rad = self.rad.sum(axis=axis) * (1 + terms * EPS)
        return rounded(self.mid.sum(axis=axis), rad + noise)

    def max(self, axis):
        """Maxima along an axis."""
        return Ball(self.mid.max(axis=axis), self.rad.max(axis=axis))

    def times_rows(self, rows, rad=None):
        """Products of rows (t, d) with each row of this ball (m, d), shape (t, m).

        Parameters
        ----------
        rows : ndarray or csr_array of longdouble, shape (t, d)
            Centres of the rows.
        rad : ndarray of float, shape (t, d), default=None
            Their radii, for dense rows; None if they are exact.
        """
        size, terms = abs(rows).astype(float), rows.shape[1]
        # nothing times what is not known is nothing
        unknown = ~np.isfinite(self.rad) | ~np.isfinite(self.size)
        known = np.where(unknown, 0.0, self.rad)
        mid = np.where(unknown, 0.0, self.mid)
        reach = np.abs(mid).astype(float)
        out = size @ (known + (terms + 2) * WIDE_EPS * reach).T
        if rad is not None:
            out = out + rad @ (reach + known).T
        out = out * (1 + 4 * terms * EPS) + terms * _TINY
        if unknown.any():
            used = (size != 0).astype(float)
            used = used if rad is None else used + (rad > 0)
            out[used @ unknown.T.astype(float) > 0] = np.inf
        return rounded(rows @ mid.T, out)


def as_ball(value):
    """Return a ball; numbers are exact."""
    return value if isinstance(value, Ball) else Ball(value)


def rounded(mid, rad, units=1):
    """Return the ball of what was computed, off by some units of its last place."""
    noise = units * WIDE_EPS * np.abs(mid).astype(float)
    rad = (rad + noise) * _OUTWARD + _TINY
    return Ball(mid, np.where(np.isnan(rad) | np.isnan(mid), np.inf, rad))


def stacked(balls):
    """Stack balls along a new last axis."""
    mid = np.stack([ball.mid for ball in balls], axis=-1)
    return Ball(mid, np.stack([ball.rad for ball in balls], axis=-1))


def _product(a, b):
    """Products of positive numbers; zero times infinity is not known."""
    product = a * b
    return np.where(np.isnan(product), np.inf, product)
