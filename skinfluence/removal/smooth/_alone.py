"""Smooth models solved again without some rows: where shared factors lose digits."""

from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._recentred import recentred
from skinfluence.removal.smooth._newton import minimise_each


def move_without(model, gone, penalty, tol, one_step=False):
    """Move of the coefficients of a `Smooth` without some rows, or None.

    In coordinates of what is left: orthogonal factors of the rows that stay, their
    columns centred anew. Cost O(n p^2) for each Newton step.

    Parameters
    ----------
    model : Smooth
        At its optimum.
    gone : ndarray of bool, shape (n,)
        The rows to be left out.
    penalty : ndarray of shape (p,)
        Diagonal of R without them.
    tol : float
        Largest relative rounding error.
    one_step : bool, default=False
        Whether to take one Newton step towards the minimiser, not all.
    """
    kept, theta = ~gone, model.theta[0]
    weight, y = model.weight[kept], model.y[kept]
    eta = model.design.rows[kept] @ theta
    X, mean = recentred(model.design.rows[kept], weight, model.free_intercept)
    first, second, _ = model.pointwise.derivatives(eta, y)
    curvature = weight * second
    if not curvature.any():
        return None
    factor = OrthogonalFactor(X, curvature, penalty)
    if factor.dependent or not factor.solution_rounding <= tol:
        return None
    root = factor.root_inverse()
    Z, pull = factor.whitened(X), root.T @ (penalty * theta)
    if one_step:
        move = -((weight * first) @ Z + pull)
    else:
        args = Z, eta, y, weight[None], model.pointwise
        found, converged = minimise_each(*args, factor.penalty, pull)
        if not converged[0]:
            return None
        move = found[0]
    move = root @ move
    if model.free_intercept:
        move[-1] -= move @ mean
    return move
