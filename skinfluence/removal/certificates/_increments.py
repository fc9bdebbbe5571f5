"""Changes of a loss's slope by moves of the linear predictor, to all digits.

``l'(eta + t) - l'(eta)`` as a difference would lose what is small against l'; each loss
has a form that loses nothing: its relative error is some units.
"""

import numpy as np
from scipy.special import expit

from skinfluence.removal.smooth._pointwise import Logistic, Squared


def slope_and_terms(pointwise, eta, y):
    """l' to all digits, and the size of its terms, to which its errors are relative."""
    if isinstance(pointwise, Logistic):
        toward = np.where(y > 0, -1.0, 1.0)
        slope = toward * expit(toward * eta)
        return slope, np.abs(slope)
    if isinstance(pointwise, Squared):
        slope = eta - y
        return slope, np.abs(slope)
    up, down = pointwise._parts(eta, y)
    return up - down, np.abs(up) + np.abs(down)


def slope_change(pointwise, eta, y, curvature, t):
    """``l'(eta + t) - l'(eta)``, shape of t (m, n), with ``curvature`` l''(eta)."""
    t = np.minimum(t, 700.0)  # nothing is proven of moves that far
    if isinstance(pointwise, Logistic):
        probability = pointwise.slope(eta, 0.0)
        # of 1 + p (e^t - 1), what is left may be next to nothing: not so of this sum
        rest = pointwise.slope(-eta, 0.0) + probability * np.exp(t)
        return curvature * np.expm1(t) / rest
    if isinstance(pointwise, Squared):
        return t
    up, down = pointwise._parts(eta, y)
    out = up * np.expm1(pointwise.rise * t)
    if pointwise.fall:
        out -= down * np.expm1(pointwise.fall * t)
    return out
