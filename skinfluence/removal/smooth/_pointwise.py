r"""Smooth losses of one row as functions of its linear predictor.

Each is convex with ``|l'''| <= M l''``, the one constant that every certificate
needs. ``remainder`` is what chord steps sum: ``l'(eta + t) - l'(eta) - l''(eta) t``.
For small t it is a short Taylor series, several times cheaper than exponentials
and free of cancellation; the first derivative that is left out, the seventh, is
bounded by ``1.82 l''`` (logistic; ``M^5 l''`` for the others), so what is dropped is
bounded as well.
"""

import numpy as np
from scipy.special import expit

# |l'(eta+t) - series| <= 1.9 l'' |t|^6 / 720 for |t| < 0.04, which moves l'' as well
SERIES_ERROR = 1.9 / 720


class Logistic:
    """Logistic loss, ``y`` in {0, 1}."""

    M = 1.0
    known_scale = True  # the mean fixes the variance

    def value(self, eta, y):
        """Return l at eta."""
        return np.logaddexp(0, eta) - y * eta

    def derivatives(self, eta, y):
        """Return l', l'' and l''' at eta."""
        p, q = expit(eta), expit(-eta)
        a = p * q
        return np.where(y > 0, -q, p), a, a * (q - p)

    def slope(self, eta, y):
        """Return l' at eta (any shape that broadcasts with y)."""
        # Not expit(eta) - y, which has no digits where a row is surely right.
        side = 1 - 2 * y
        out = expit(side * eta)
        out *= side
        return out

    def curvature(self, eta, y):
        """Return l'' at eta."""
        return expit(eta) * expit(-eta)

    def information(self, eta):
        """Return the mean of l'' over targets of mean p (Fisher)."""
        return expit(eta) * expit(-eta)

    def series(self, eta, y):
        """Coefficients of t^2, ..., t^5 in the remainder, shape (4, n)."""
        p, q = expit(eta), expit(-eta)
        a, skew = p * q, q - p
        return np.stack(
            [
                a * skew / 2,
                a * (1 - 6 * a) / 6,
                a * skew * (1 - 12 * a) / 24,
                a * (1 - 30 * a + 120 * a * a) / 120,
            ]
        )

    def remainder(self, eta, y, a, t):
        """Return l'(eta + t) - l'(eta) - a t, without overflow."""
        # p' - p = p q (e^t - 1) / (q + p e^t): nothing cancels where p is 0 or 1.
        p, q = expit(eta), expit(-eta)
        out = np.minimum(t, np.broadcast_to(700.0, eta.shape))
        np.expm1(out, out=out)
        below = out + 1
        below *= p
        below += q
        out /= below
        out *= p * q
        out -= a * t
        return out


class Tweedie:
    """Half the unit Tweedie deviance with log link, 1 <= power <= 2.

    ``l' = exp((2-power) eta) - y exp((1-power) eta)``: Poisson for power 1, Gamma
    for power 2.
    """

    def __init__(self, power):
        self.rise, self.fall = 2.0 - power, 1.0 - power
        self.M = max(self.rise, -self.fall)
        self.known_scale = power == 1

    def _parts(self, eta, y):
        return np.exp(self.rise * eta), y * np.exp(self.fall * eta)

    def derivatives(self, eta, y):
        """Return l', l'' and l''' at eta."""
        up, down = self._parts(eta, y)
        return (
            up - down,
            self.rise * up - self.fall * down,
            self.rise**2 * up - self.fall**2 * down,
        )

    def slope(self, eta, y):
        """Return l' at eta (any shape that broadcasts with y)."""
        up, down = self._parts(eta, y)
        return up - down

    def curvature(self, eta, y):
        """Return l'' at eta."""
        up, down = self._parts(eta, y)
        return self.rise * up - self.fall * down

    def information(self, eta):
        """Return the mean of l'' over targets of mean exp(eta) (Fisher)."""
        return np.exp(self.rise * eta)

    def series(self, eta, y):
        """Coefficients of t^2, ..., t^5 in the remainder, shape (4, n)."""
        up, down = self._parts(eta, y)
        factorial = (2, 6, 24, 120)
        return np.stack(
            [
                (self.rise**k * up - self.fall**k * down) / f
                for k, f in zip(range(2, 6), factorial, strict=True)
            ]
        )

    def remainder(self, eta, y, a, t):
        """Return l'(eta + t) - l'(eta) - a t."""
        up, down = self._parts(eta, y)
        out = up * np.expm1(self.rise * t)
        if self.fall:
            out -= down * np.expm1(self.fall * t)
        out -= a * t
        return out


class Squared:
    """Half the squared error: a parabola, nothing beyond its second derivative."""

    M = 0.0
    known_scale = False

    def derivatives(self, eta, y):
        """Return l', l'' and l''' at eta."""
        return eta - y, np.ones_like(eta), np.zeros_like(eta)

    def slope(self, eta, y):
        """Return l' at eta (any shape that broadcasts with y)."""
        return eta - y

    def curvature(self, eta, y):
        """Return l'' at eta."""
        return np.ones_like(eta)

    def information(self, eta):
        """Return the mean of l'' over targets."""
        return np.ones_like(eta)

    def series(self, eta, y):
        """Coefficients of t^2, ..., t^5 in the remainder, shape (4, n)."""
        return np.zeros((4, len(eta)))

    def remainder(self, eta, y, a, t):
        """Return l'(eta + t) - l'(eta) - a t."""
        return np.zeros_like(t)
