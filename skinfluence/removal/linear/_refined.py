"""Least squares solutions by iterative refinement."""

import numpy as np

EPS = np.finfo(np.float64).eps
STEPS = 4


def refined(factor, X, targets, center):
    """Apply ``factor.solve``, and again to the residual as long as that adds digits.

    Parameters
    ----------
    factor : NormalFactor or OrthogonalFactor
        Of X.
    X : ndarray of shape (n, p)
        Rows.
    targets : ndarray of shape (n, k)
        Targets.
    center : ndarray of shape (p, k)
        Coefficients that the penalty already sees.

    Returns
    -------
    coefficients : ndarray of shape (p, k)
    """
    out, last = factor.solve(targets, center), np.inf
    for _ in range(STEPS):
        step = factor.solve(targets - X @ out, center + out)
        size = np.abs(step).max(initial=0.0)
        if not size < last / 2:
            break
        out += step
        last = size
        if size <= EPS * np.abs(out).max(initial=0.0):
            break
    return out
