"""Diagnostics of single rows from the moves of the coefficients without them."""

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch


def ratio(numerator, denominator):
    """Divide; nothing over nothing is zero, as in a model that fits perfectly."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.divide(numerator, denominator)
    return np.where(np.asarray(numerator) == 0, 0.0, out)


def moved_coefficients(design, base, moves, alone):
    """Moves of ``coef_`` and ``intercept_``; the predictors and Cook's distances' sum.

    Parameters
    ----------
    design : Design
        Rows.
    base : WorkingRows
        The model at its optimum.
    moves : ndarray of shape (m, p)
        Of the coefficients in the coordinates of the design.
    alone : ndarray of int
        Removals without which one class is left: the intercept goes to infinity.

    Returns
    -------
    coef_moves : ndarray of shape (m, n_coefficients)
        Without minus with.
    distance : ndarray of shape (m,)
        Weighted sum of squares of the moves of all linear predictors.
    """
    distance = ((moves @ base.gram_root.T) ** 2).sum(axis=1)
    distance[alone] = np.inf
    return design.to_coef(moves), distance


def jackknife_errors(coef_moves, n):
    """Jackknife standard errors from moves without each of n units."""
    with np.errstate(invalid="ignore"):
        return np.sqrt((n - 1) / n * (coef_moves**2).sum(axis=0))


def coefficient_errors(design, base):
    """Roots of the diagonal of the inverse Hessian, of ``coef_`` and ``intercept_``."""
    return np.sqrt((design.to_coef(base.root.T) ** 2).sum(axis=0))


def row_diagnostics(design, base, moves, alone):
    """Return the Bunch of one linear predictor.

    Parameters as `moved_coefficients`, removal i being that of row i.
    """
    deviation = np.sqrt(base.scale_without)
    residual = base.direction * base.residual
    standardised = np.where(base.full, 0.0, residual) / np.sqrt(base.gap)
    coef_moves, distance = moved_coefficients(design, base, moves, alone)
    own = -np.einsum("ij,ij->i", design.rows, moves)
    own[alone] = np.inf * np.sign(base.residual[alone])
    if design.intercept:
        coef_moves[alone, -1] = -own[alone]
    errors = coefficient_errors(design, base)
    own_errors = np.sqrt(np.einsum("ij,ij->i", base.Z, base.Z))
    out = ShownBunch(
        leverage=base.leverage,
        resid_studentized_internal=ratio(standardised, np.sqrt(base.scale)),
        resid_studentized_external=ratio(standardised, deviation),
        cooks_distance=ratio(distance, base.n_parameters * base.scale),
        dffits=ratio(own, deviation * own_errors),
        dfbeta=-coef_moves,
        dfbetas=ratio(-coef_moves, deviation[:, None] * errors),
    )
    if base.squared:
        variance = ratio(base.scale_without, base.scale) ** base.root.shape[1]
        out.cov_ratio = np.where(base.full, np.inf, variance / base.gap)
    out.std_errors = np.sqrt(base.scale) * errors
    out.jackknife_std_errors = jackknife_errors(coef_moves, base.present.sum())
    out.scale, out.n_parameters = float(base.scale), float(base.n_parameters)
    return out
