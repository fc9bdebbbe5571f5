"""Many models without rows at their own minimisers, in double precision.

As `_points.at_point`, whose gradients are summed in long double one model at a time.
Here they are products of matrices, whose longer rounding errors are bounded as well,
which is enough for most models and several times as fast.
"""

import numpy as np

from skinfluence.removal.certificates._increments import slope_and_terms
from skinfluence.removal.certificates._points import distances, metric_of
from skinfluence.removal.certificates._rounding import EPS, UNITS, row_errors
from skinfluence.removal.smooth._newton import hessians

_TILE = 64  # rows of a sum: errors of sums grow with the longest of them


def at_points(problem, base, moves, gone, penalty):
    """Return the metric, distance and reach of models without rows.

    Parameters
    ----------
    problem : Problem
        Whose rows have no absolute errors.
    base : Point
        Of all rows.
    moves : ndarray of shape (m, p)
        From its coefficients to those of the models.
    gone : ndarray of bool of shape (m, n)
        The rows that each model is without.
    penalty : ndarray of shape (p,) or (m, p)
        Diagonal of R without them.

    Returns
    -------
    list of (Metric, float, float)
        The metric of the Hessian at each model, the minimiser's distance in it,
        infinite where nothing is known, and the length of the longest row that stays.
    """
    X, y, pointwise = problem.design.rows, problem.y, problem.pointwise
    (n, p), M, size = X.shape, pointwise.M, np.abs(X)
    relative, _ = row_errors(problem.design)
    used = ~gone & (problem.weight > 0)
    weight = np.where(used, problem.weight, 0.0)
    theta = problem.theta + moves
    reach = np.abs(problem.theta) + np.abs(moves)  # of what is summed to predictions
    units = 2 * (relative + (p + 8) * EPS)
    off = units * (reach @ size.T).max(axis=1, initial=0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        eta = base.raw + moves @ X.T
        slope, terms = slope_and_terms(pointwise, eta, y)
        slope, terms = (np.where(used, weight * v, 0.0) for v in (slope, terms))
        curvature = np.where(used, weight * pointwise.curvature(eta, y), 0.0)
        gradient, sums = penalty * theta, np.zeros(theta.shape)
        for start in range(0, n, _TILE):
            tile = slice(start, start + _TILE)
            gradient += slope[:, tile] @ X[tile]
            sums += terms[:, tile] @ size[tile]
        hessian = hessians(X, curvature)
    np.einsum("kii->ki", hessian)[...] += penalty
    # sums of products, slopes and rows; theta is rounded, and so is the penalty
    terms_of_sums = _TILE + n / _TILE + 32
    error = 1.03 * (terms_of_sums * EPS + 2 * UNITS) * sums
    error += (problem.penalty_error + 4 * EPS) * penalty * reach
    out = []
    for i, far in enumerate(M * off):
        metric = metric_of(problem.design, hessian[i], curvature[i], far)
        if not (metric.trusted and far < 0.01):
            out.append((metric, np.inf, np.inf))
            continue
        lengths = metric.row_norms(X, row_errors(problem.design))
        longest = float(lengths[used[i]].max(initial=0.0))
        nu = metric.norms(gradient[i : i + 1])[0] + metric.box(error[i])
        # curvatures times errors of predictions, whose length is bounded as a move's
        nu += 1.03 * units * (reach[i] @ metric.size)
        distance = distances(nu, 0.0, metric.kappa, longest**2, M)
        out.append((metric, float(distance), longest))
    return out
