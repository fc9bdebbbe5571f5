"""Diagnostics of models that have no hat matrix: what rows do to coefficients."""

import numpy as np

from skinfluence._display._shown_bunch import ShownBunch
from skinfluence.inspection._row_diagnostics import jackknife_errors, ratio
from skinfluence.removal.discriminants._linear_discriminant import LinearDiscriminant
from skinfluence.removal.smooth._softmax import Softmax


def coefficient_diagnostics(fitted, moves, alone, removals):
    """Return the Bunch of all linear predictors.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    moves : ndarray of shape (m, k, p)
        Of the coefficients in the coordinates of the design.
    alone : ndarray of int
        Removals without which a class is missing: the intercept goes to infinity.
    removals : SingleRows or Clusters
        The rows or clusters that leave.
    """
    full = fitted.full
    coef_moves = full.design.to_coef(moves)
    if isinstance(full, LinearDiscriminant) and len(full.theta) > 1:
        # Predictions know differences between classes only.
        coef_moves = coef_moves - coef_moves.mean(axis=1, keepdims=True)
    if len(full.theta) == 1:
        coef_moves = coef_moves[:, 0]
        if full.design.intercept and len(alone):
            # The class that stays is that of the infinite intercept.
            stays = [fitted.model.labels[removals.kept(k)[0]] for k in alone]
            coef_moves[alone, -1] = np.where(np.array(stays) > 0, np.inf, -np.inf)
    n_units = removals.n_removals
    out = ShownBunch(dfbeta=-coef_moves)
    jackknife = jackknife_errors(coef_moves, n_units)
    errors = jackknife
    if isinstance(full, Softmax):
        errors = out.std_errors = _softmax_errors(full)
    out.dfbetas = ratio(-coef_moves, errors)
    out.jackknife_std_errors = jackknife
    return out


def _softmax_errors(full):
    """Roots of the diagonal of the inverse Hessian, shape (C, n_coefficients).

    Coefficients sum to zero over the classes, of which predictions know differences
    only: what a penalty says about the sums does not count.
    """
    values, vectors = np.linalg.eigh(full.hessian)
    roots = (vectors / np.sqrt(values)).T.reshape(-1, *full.theta.shape)
    roots = full.design.to_coef(roots - roots.mean(axis=1, keepdims=True))
    return np.sqrt((roots**2).sum(axis=0))
