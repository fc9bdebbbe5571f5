r"""How far the exact minimiser can be: proven bounds, no problem constants.

Notation, in coordinates whitened by the base Hessian H = L L': rows ``z_j``,
``h_j = |z_j|^2``, moves ``u``, and for removed row i the Hessian
``B_i = I - a_i z_i z_i'`` with ``kappa = 1 - a_i h_i`` its smallest eigenvalue.
All losses satisfy ``|l'''| <= M l''`` (Bach 2010, arXiv:0910.4627).

*Residual to distance.* With gradient norm ``nu`` and ``rho = M max_j |x_j|`` in the
metric of the inverse Hessian at a point, ``rho nu < 1`` implies that the minimiser
exists within ``-log(1 - rho nu) / rho`` of it.

*Change of metric.* Moving all linear predictors by at most zeta changes Hessians by
a factor of at most ``exp(M zeta)``.

The bounds hold up to floating-point rounding.
"""

import numpy as np


def psi3(z):
    """(exp(z) - 1 - z - z^2/2) / z, without cancellation for small z."""
    series = z**2 / 6 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        closed = (np.expm1(z) - z - z**2 / 2) / z
    return np.where(z < 1e-2, series, closed)


def psi4(z):
    """(exp(z) - 1 - z - z^2/2 - z^3/6) / z, without cancellation for small z."""
    series = z**3 / 24 * (1 + z / 5 * (1 + z / 6 * (1 + z / 7)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        closed = (np.expm1(z) - z - z**2 / 2 - z**3 / 6) / z
    return np.where(z < 0.1, series, closed)


def psi2(z):
    """(exp(z) - 1 - z) / z, without cancellation for small z."""
    series = z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        closed = (np.expm1(z) - z) / z
    return np.where(z < 1e-2, series, closed)


def radius(nu, zeta, kappa, h_max, M):
    """Bound the error of the linear predictor, per removed row.

    Parameters
    ----------
    nu : ndarray
        Norm of the gradient in the metric of ``B_i^{-1}``.
    zeta : ndarray
        Largest move of a remaining row's linear predictor.
    kappa : ndarray
        Smallest eigenvalue of ``B_i``.
    h_max : float
        Largest ``|z|^2`` of the rows asked about.
    M : float
        Constant of the loss.

    Returns
    -------
    radius : ndarray
        For rows with ``|z|^2 <= h_max``; inf where nothing can be said.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stretch = np.exp(M * zeta / 2)
        size = stretch * np.sqrt(h_max / kappa)
        rho = M * size
        product = rho * stretch * nu
        distance = np.where(
            product < 1e-8,
            stretch * nu * (1 + product),
            -np.log1p(-np.minimum(product, 1.0)) / np.where(rho > 0, rho, 1.0),
        )
        return np.where(product < 1, size * distance, np.inf)


def newton_residual(u_norm, weighted_slope, h_max, M):
    """Gradient norm after one Newton step: second-order Taylor remainder.

    ``weighted_slope`` is ``|d_i| sqrt(h_i / kappa)``, the length of the step in the
    metric of ``B_i``; ``u_norm`` its Euclidean length.
    """
    return psi2(M * u_norm * np.sqrt(h_max)) * weighted_slope


def correction_residual(first_norm, second_norm, difference_norm, h_max, M, order):
    """Gradient norm after a step by the square (order 2), or by the cube too (3).

    By the remainder of the series, and changes of its terms along the step. Losses obey
    ``|l| <= M^2 l`` and ``|l'| <= M^3 l''``.
    """
    root = np.sqrt(h_max)
    zeta1, zeta2 = first_norm * root, second_norm * root
    rest = psi3 if order == 2 else psi4
    change = M * (zeta1 + zeta2) / 2
    if order == 3:
        change = change + M**2 * (zeta1**2 + zeta1 * zeta2 + zeta2**2) / 6
    return rest(M * zeta2) * second_norm + change * difference_norm


def chord_residual(nu, zeta, kappa, h_max, M):
    """Gradient norm after one more chord step, without evaluating it.

    A chord step of length ``nu`` from a point where predictors have moved by at
    most ``zeta`` contracts by ``expm1(M (zeta + nu sqrt(h_max / kappa)))``.
    """
    with np.errstate(over="ignore"):
        reach = zeta + nu * np.sqrt(h_max / kappa)
        return np.expm1(np.minimum(M * reach, 50.0)) * nu, reach
