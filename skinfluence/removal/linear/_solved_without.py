"""Least squares solved again without some rows: where closed forms lose digits."""

import numpy as np

from skinfluence.removal.linear._normal_equations import NormalFactor
from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._recentred import recentred
from skinfluence.removal.linear._refined import refined


def move_without(model, gone, tol, scale=1.0):
    """Move of the coefficients of a `Quadratic` without some rows.

    Columns are centred anew, so that those that are constant in what is left are
    nothing but zeros. Cost O(n p^2).

    Parameters
    ----------
    model : Quadratic
        The model of all rows.
    gone : ndarray of bool, shape (n,)
        The rows to be left out.
    tol : float
        Largest relative error of the solution.
    scale : ndarray of shape (p,) or float, default=1.0
        Factor of the penalty.

    Returns
    -------
    move : ndarray of shape (k, p) or None
        None where rounding errors are larger than ``tol``, or what is left is a
        convention.
    """
    kept = ~gone
    weight = model.weight[kept]
    if not weight.any():
        return None
    X, mean = recentred(model.design.rows[kept], weight, model.free_intercept)
    move = np.empty_like(model.theta)
    for key, diagonal in enumerate(model.penalties):
        outputs, penalty = np.flatnonzero(model.which == key), diagonal * scale
        factor = NormalFactor(X, weight, penalty)
        if not factor.trusted:
            factor = OrthogonalFactor(X, weight, penalty, model.free_intercept)
            if factor.dependent or not factor.solution_rounding <= tol:
                return None
        residual = model.residual[np.ix_(kept, outputs)]
        move[outputs] = refined(factor, X, residual, model.theta[outputs].T).T
    if model.free_intercept:
        move[:, -1] -= move @ mean
    return move


def moves_without(model, masks, tol, scales=None):
    """`move_without` of several sets, and which of them have no accurate solution."""
    moves = np.zeros((len(masks), *model.theta.shape))
    unresolved = []
    for g, mask in enumerate(masks):
        scale = 1.0 if scales is None else scales[g]
        move = move_without(model, mask, tol, scale)
        if move is None:
            unresolved.append(g)
        else:
            moves[g] = move
    return moves, np.array(unresolved, dtype=np.intp)
