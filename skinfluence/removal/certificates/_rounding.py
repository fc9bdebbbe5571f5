"""Rounding errors: what float64 has done to the rows, and gradients in long double.

Rows are centred, targets coded and weights multiplied in float64, each to half a unit
in the last place. The problem that is solved is therefore one whose numbers differ
from scikit-learn's by a few units, and gradients of the two differ by no more than the
`slack` here. Gradients at a point are summed in long double, so that the errors of
their own sums are next to nothing where long double has more digits than double, and
are bounded all the same where it has not.
"""

import numpy as np

EPS = float(np.finfo(np.float64).eps)
WIDE_EPS = float(np.finfo(np.longdouble).eps)
# Units in the last place that an element of a row, a weight or a slope is off.
UNITS = 8 * EPS
_CHUNK = 2**16  # numbers of the rows that are in long double at a time


def row_errors(design):
    """Largest error of each element of the design's rows, as factors and a floor.

    Returns
    -------
    relative, absolute : float
        An element x is off by at most ``relative |x| + absolute``.
    """
    if design.keeps_columns:
        return UNITS, 0.0
    rows = design.rows
    # Orthogonal factors turn rows with an error relative to the longest of them.
    longest = np.sqrt((rows**2).sum(axis=1).max(initial=0.0))
    return UNITS, UNITS * sum(rows.shape) * longest


def wide_gradient(design, theta, derivatives):
    """Gradient of the losses at theta, and how far rounding may have put it.

    Parameters
    ----------
    design : Design
        Its rows.
    theta : ndarray of longdouble, shape (p,) or (k, p)
        Coefficients.
    derivatives : callable
        Returns, for a slice of rows and their raw predictions in long double, weighted
        first derivatives, the sum of the sizes of their terms, and bounds of the
        weighted second derivatives; each of the shape of the raw predictions.

    Returns
    -------
    gradient : ndarray of longdouble, of the shape of theta
    slack : ndarray of float, of the shape of theta
        Largest error of each component, with that of the rows.
    raw : ndarray of float, shape (n,) or (n, k)
        Raw predictions, correctly rounded.
    off : float
        Largest error of a raw prediction.
    """
    rows = design.rows
    n, p = rows.shape
    relative, absolute = row_errors(design)
    gradient = np.zeros(theta.shape, dtype=np.longdouble)
    slack = np.zeros(theta.shape)
    raw, largest = np.empty((n, *theta.shape[:-1])), 0.0
    size = np.abs(theta).astype(float)
    step = max(1, _CHUNK // p)
    for start in range(0, n, step):
        part = slice(start, start + step)
        X = rows[part].astype(np.longdouble)
        eta = X @ theta.T
        raw[part] = eta.astype(float)
        slope, terms, curvature = derivatives(part, eta)
        gradient += slope.T @ X
        off = np.abs(rows[part])
        reach = off @ size.T  # what a relative error of the row moves its prediction
        error = relative * off + absolute
        moved = relative * reach + absolute * size.sum(axis=-1)
        moved += (p + 4) * WIDE_EPS * reach
        largest = max(largest, float(moved.max(initial=0.0)))
        terms = terms.astype(float)
        slack += terms.T @ (error + (n + 8) * WIDE_EPS * off)
        slack += ((UNITS * terms + curvature.astype(float) * moved).T) @ off
    return gradient, 1.01 * slack, raw, largest
