r"""Smooth convex losses of linear predictors: many problems that share their rows.

Problem k is ``sum_j w_kj l(eta_j + z_j'u) + penalty_k(u)``. All losses satisfy
``|l'''| <= M l''``, so that what is left after a Newton step is bounded by its length:
predictors that move by at most ``zeta / M`` leave a decrement of
``(exp(zeta) - 1 - zeta) / zeta`` times the one before (`_certificate`).
"""

import numpy as np

from skinfluence.removal._minimisation import Problems, minimise, newton_steps
from skinfluence.removal.smooth._certificate import psi2

_CHUNK = 2**21  # doubles in a temporary of products of columns


def pair_products(Z):
    """Products z_a z_b, a <= b, of every row, shape (n, p (p + 1) / 2)."""
    n, p = Z.shape
    out = np.empty((n, p * (p + 1) // 2))
    start = 0
    for a in range(p):
        np.multiply(Z[:, a : a + 1], Z[:, a:], out=out[:, start : start + p - a])
        start += p - a
    return out


def row_chunks(n, width):
    """Slices of rows such that a chunk of ``width`` columns stays small."""
    size = max(16, _CHUNK // max(width, 1))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def hessians(Z, A, products=None):
    """``sum_j A[k, j] z_j z_j'`` for every problem k, shape (k, p, p).

    ``products`` are the `pair_products` of Z, where they are kept between calls.
    """
    k, p = A.shape[0], Z.shape[1]
    if k < 8:  # building the products would cost more than it saves
        out = np.zeros((k, p, p))
        for rows in row_chunks(len(Z), p):
            for i, a in enumerate(A[:, rows]):
                # a matrix times its own transpose costs half
                scaled = Z[rows] * np.sqrt(a)[:, None]
                out[i] += scaled.T @ scaled
        return out
    if products is not None:
        pairs = A @ products
    else:
        pairs = np.zeros((k, p * (p + 1) // 2))
        for rows in row_chunks(len(Z), pairs.shape[1]):
            pairs += A[:, rows] @ pair_products(Z[rows])
    upper = np.triu_indices(p)
    out = np.empty((k, p, p))
    out[:, upper[0], upper[1]] = pairs
    out[:, upper[1], upper[0]] = pairs
    return out


class SmoothProblems(Problems):
    """The problems of `minimise_each`."""

    def __init__(self, Z, eta, y, weights, pointwise, penalty, pull):
        self.Z, self.eta, self.y, self.pointwise = Z, eta, y, pointwise
        self.weights, self.penalty = weights, penalty
        k, p = len(weights), Z.shape[1]
        self.pull = np.broadcast_to(pull, (k, p))
        small = k >= 8 and len(Z) * p * (p + 1) // 2 <= _CHUNK
        self.products = pair_products(Z) if small else None

    def _of(self, which, array):
        """Rows of an array, which is not copied if these are all."""
        if len(array) == 1 or len(which) == len(array):
            return array
        return array[which]

    def evaluate(self, which, x):
        eta = x @ self.Z.T
        eta += self.eta
        with np.errstate(over="ignore", invalid="ignore"):
            slope = self.pointwise.slope(eta, self.y)
            slope *= self._of(which, self.weights)
            gradient = slope @ self.Z
        gradient += self._penalty_times(which, x)
        gradient += self._of(which, self.pull)
        return gradient, eta

    def _penalty_times(self, which, x):
        if self.penalty.ndim == 1:
            return self.penalty * x
        if len(self.penalty) == 1:
            return x @ self.penalty[0]
        return np.einsum("kab,kb->ka", self._of(which, self.penalty), x)

    def hessian(self, which, eta):
        """Hessians at linear predictors (m, n), shape (m, p, p)."""
        with np.errstate(over="ignore", invalid="ignore"):
            curvature = self.pointwise.curvature(eta, self.y)
            curvature *= self._of(which, self.weights)
        out = hessians(self.Z, curvature, self.products)
        if self.penalty.ndim == 1:
            np.einsum("kii->ki", out)[...] += self.penalty
        else:
            out += self._of(which, self.penalty)
        return out

    def step(self, which, x, state):
        return newton_steps(self.hessian(which, state[1]), state[0])

    def left(self, which, x, state, step, decrement):
        # Towards an infimum at infinity decrements vanish as well, but not steps.
        left = np.full(len(which), np.inf)
        short = np.flatnonzero(decrement < 1e-5)
        if len(short):
            reach = np.abs(step[short] @ self.Z.T).max(axis=1, initial=0.0)
            zeta = self.pointwise.M * reach
            # Where curvatures are tiny, predictors move by more than decrements.
            rest = psi2(np.minimum(zeta, 1.0)) * np.maximum(decrement[short], zeta)
            left[short] = np.where(zeta < 0.1, rest, np.inf)
        return left


def minimise_each(
    Z, eta, y, weights, pointwise, penalty, pull, u=None, tol=1e-13, max_iter=100
):
    """Minimise k problems.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
        Rows.
    eta, y : ndarray of shape (n,)
        Linear predictor at u = 0, targets.
    weights : ndarray of shape (k, n)
        Weights of the rows in each problem.
    pointwise : object
        Loss, see `_pointwise`.
    penalty : ndarray of shape (k, p, p) or (p,)
        Hessian of each penalty (leading axis 1 if shared), or its diagonal.
    pull : ndarray of shape (p,) or (k, p)
        Gradient of the penalty, or of each, at u = 0.
    u : ndarray of shape (k, p), default=None
        Starting points; None: zeros.
    tol : float, default=1e-13
        Newton decrement that may be left.
    max_iter : int, default=100
        Steps after which a problem is given up.

    Returns
    -------
    u : ndarray of shape (k, p)
        Minimisers.
    converged : ndarray of bool, shape (k,)
        False where there is no finite minimiser, or none was reached.
    """
    problems = SmoothProblems(Z, eta, y, weights, pointwise, penalty, pull)
    u = np.zeros((len(weights), Z.shape[1])) if u is None else u
    u, left = minimise(problems, u, tol, max_iter)
    return u, left < np.inf
