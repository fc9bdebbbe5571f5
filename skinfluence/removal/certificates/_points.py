"""An objective at one point: its gradient, its Hessian, how far its minimiser is."""

from dataclasses import dataclass

import numpy as np

from skinfluence.removal.certificates._increments import slope_and_terms
from skinfluence.removal.certificates._metric import Metric
from skinfluence.removal.certificates._rounding import (
    UNITS,
    row_errors,
    wide_gradient,
)
from skinfluence.removal.smooth._certificate import radius
from skinfluence.removal.smooth._newton import hessians


@dataclass(frozen=True)
class Point:
    """The objective of some rows at some coefficients, and how far its minimiser is.

    Attributes
    ----------
    metric : Metric
        That of its Hessian there.
    gradient : ndarray of longdouble, shape (p,)
        Its gradient.
    slack : ndarray of shape (p,)
        The gradient's error, that of the rows included.
    raw : ndarray of shape (n,)
        Raw predictions.
    off : float
        Their largest error.
    reach : float
        Length of the longest row in the metric.
    distance : float
        Of the minimiser, in the metric; infinite where nothing is known.
    """

    metric: Metric
    gradient: np.ndarray
    slack: np.ndarray
    raw: np.ndarray
    off: float
    reach: float
    distance: float


def at_point(problem, theta, weight, penalty):
    """Return the `Point` of weights and a penalty at ``theta``, in long double."""
    pointwise, y, X = problem.pointwise, problem.y, problem.design.rows
    wide_y, used = y.astype(np.longdouble), weight > 0

    def weighted(part, values):
        return np.where(used[part], weight[part] * values, 0.0)

    def derivatives(part, eta):
        slope, terms = slope_and_terms(pointwise, eta, wide_y[part])
        curvature = pointwise.curvature(eta.astype(float), y[part])
        return tuple(weighted(part, v) for v in (slope, terms, curvature))

    with np.errstate(over="ignore", invalid="ignore"):
        gradient, slack, raw, off = wide_gradient(problem.design, theta, derivatives)
        gradient = gradient + penalty * theta
        uncertain = problem.penalty_error * penalty
        slack = slack + uncertain * np.abs(theta).astype(float)
        a = weighted(slice(None), pointwise.curvature(raw, y))
    finite = np.isfinite(a).all() and np.isfinite(slack).all()
    if not finite:
        nothing = Metric(np.full((len(theta), len(theta)), np.nan), 1)
        return Point(nothing, gradient, slack, raw, off, np.inf, np.inf)
    # By up to e^(M off) slopes and curvatures differ within the error of a prediction:
    # where that is not within the 1% of `wide_gradient`, the metric is not trusted.
    hessian = hessians(X, a[None])[0]
    hessian[np.diag_indices_from(hessian)] += penalty
    metric = metric_of(problem.design, hessian, a, pointwise.M * off)
    if not metric.trusted:
        return Point(metric, gradient, slack, raw, off, np.inf, np.inf)
    nu = metric.norms(gradient[None].astype(float))[0] + metric.box(slack)
    kappa = metric.kappa
    lengths = metric.row_norms(X[used], row_errors(problem.design))
    reach = float(lengths.max(initial=0.0))
    distance = float(distances(nu, 0.0, kappa, reach**2, pointwise.M))
    return Point(metric, gradient, slack, raw, off, reach, distance)


def metric_of(design, hessian, curvature, off):
    """Return the `Metric` of a Hessian whose curvatures are off by a factor."""
    n = len(curvature)
    _, absolute = row_errors(design)
    relative = 4 * (UNITS + off)  # rows, twice, weights and curvatures
    if absolute:
        size = np.sqrt(np.maximum(np.diag(hessian), 0.0)).min()
        relative += 2 * absolute * np.sqrt(curvature.sum()) / max(size, 1e-300)
    return Metric(hessian, n, relative)


def distances(nu, zeta, kappa, h_max, M):
    """Distance of minimisers per length of a row; `radius`, of rows of any leverage.

    ``nu`` is measured in the metric of the whole Hessian.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        kappa = np.asarray(kappa, dtype=float)
        alive = kappa > 1e-8
        kappa = np.where(alive, kappa, 1.0)
        scale = max(h_max, np.finfo(float).tiny)
        out = radius(nu / np.sqrt(kappa), zeta, kappa, scale, M) / np.sqrt(scale)
    return np.where(alive & ~np.isnan(out), out * (1 + 1e-10), np.inf)
