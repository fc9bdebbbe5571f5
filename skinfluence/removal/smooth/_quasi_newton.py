"""Many small minimisations at once, each near a quadratic whose inverse is known.

A loop of its own beside `removal._minimisation`: the gradient at the first point is
known, so that only its Newton step is evaluated, and the last step is a chord step, for
which alone there is a bound, where the others follow the secant pairs.
"""

import numpy as np

from skinfluence.removal.smooth._certificate import radius

# Secant pairs kept per problem; gradients evaluated before giving a problem up.
MEMORY, PASSES = 12, 50


def range_radius(nu, zeta, rho):
    """Bound the range of the error of any row's raw predictions (`radius`).

    Losses of several raw predictions have ``|D^3 l[u, u, v]| <= range(v) D^2 l[u, u]``,
    ``range`` being the largest minus the smallest change of a row's raw predictions:
    in ranges they are what losses of one predictor are for M = 1.

    Parameters
    ----------
    nu : ndarray
        Length of the gradient in the norm of the inverse of B.
    zeta : ndarray
        Largest range, over weighted rows, of the move since the Hessian was B.
    rho : ndarray
        Largest range, over rows, of a move of length one in the norm of B.
    """
    return radius(nu, zeta, 1.0, np.square(rho), 1.0)


class SecantPairs:
    """Limited-memory BFGS around each problem's own inverse Hessian.

    The inverse is applied to each gradient once, by the caller; being linear, it
    is not needed anywhere else in the two-loop recursion (Nocedal 1980). Memory
    ``3 MEMORY m d`` floats for m problems in d unknowns.
    """

    def __init__(self):
        self.pairs = []

    def append(self, move, change, solved, valid):
        """Add moves, changes of the gradient and the inverse times these."""
        curvature = _dot(move, change)
        valid = valid & (curvature > 0)
        scale = np.where(valid, 1 / np.where(valid, curvature, 1.0), 0.0)
        self.pairs.append((move, change, solved, scale))
        del self.pairs[:-MEMORY]

    def keep(self, which):
        """Drop finished problems."""
        self.pairs = [tuple(a[which] for a in pair) for pair in self.pairs]

    def direction(self, gradient, solved):
        """Return minus the quasi-Newton inverse times the gradient."""
        gradient, out = gradient.copy(), solved.copy()
        weights = []
        for move, change, inverse, scale in reversed(self.pairs):
            weight = scale * _dot(move, gradient)
            gradient -= weight[:, None] * change
            out -= weight[:, None] * inverse
            weights.append(weight)
        for pair, weight in zip(self.pairs, reversed(weights), strict=True):
            move, change, _, scale = pair
            out += (weight - scale * _dot(change, out))[:, None] * move
        return -out


def minimise(evaluate, solve, gradient, start, rho, tol, neglect=None):
    """Minimise m convex functions of d unknowns, close to quadratics.

    Chord steps ``x - B^{-1} g(x)``, accelerated by secant pairs, with a line
    search. A problem stops as soon as `range_radius` holds for its point, or
    for a chord step from it: such a step leaves
    ``nu+ <= expm1(zeta + rho nu) nu``, which needs no evaluation.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(x, which)`` returns gradients (m', d), values (m',) relative to
        x = 0, and zeta (m',), of the problems ``which``.
    solve : callable
        ``solve(g, which)`` returns ``B^{-1} g``, B the Hessian at x = 0.
    gradient : ndarray of shape (m, d)
        Gradient at x = 0.
    start : ndarray of shape (m, d)
        Its Newton step, ``-B^{-1} gradient``: the first points.
    rho : ndarray of shape (m,)
        See `range_radius`.
    tol : float
        Largest radius.
    neglect : ndarray of shape (m,), default=None
        Norm of what the Hessian at x = 0 has beyond B, relative to B.

    Returns
    -------
    x : ndarray of shape (m, d)
        The best points found.
    certified : ndarray of shape (m,), bool
        Whether they are within ``tol`` of the minimisers.
    """
    x, certified = np.zeros_like(start), np.zeros(len(start), dtype=bool)
    which = np.arange(len(start))
    at, g, s, step = np.zeros_like(start), gradient, -start, start
    value, length = np.zeros(len(start)), np.ones(len(start))
    slope = _dot(g, step)
    nu = np.sqrt(np.maximum(-slope, 0.0))
    pairs = SecantPairs()
    neglect = np.zeros(len(start)) if neglect is None else neglect
    for _ in range(PASSES):
        point = at + length[:, None] * step
        new_g, new_value, zeta = evaluate(point, which)
        new_s = solve(new_g, which)
        new_nu = np.sqrt(np.maximum(_dot(new_g, new_s), 0.0))

        here = range_radius(new_nu, zeta, rho[which]) <= tol
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = zeta + rho[which] * new_nu
            left = (np.expm1(beyond) + neglect[which]) * new_nu
        after = ~here & (range_radius(left, beyond, rho[which]) <= tol)
        x[which[here]] = point[here]
        x[which[after]] = point[after] - new_s[after]
        certified[which[here | after]] = True

        # Close to the minimiser the value is all rounding; the gradient is not.
        with np.errstate(invalid="ignore"):
            noise = 1e-12 * (1.0 + np.abs(value))
            accept = new_value <= value + 1e-4 * length * slope + noise
        accept |= (new_nu < 0.5 * nu) & (zeta < 1)
        accept &= np.isfinite(new_nu)
        pairs.append(point - at, new_g - g, new_s - s, accept)
        going = np.flatnonzero(~(here | after))
        if not len(going):
            break
        moved = accept[:, None]
        at, g, s = (
            np.where(moved, new, old)[going]
            for new, old in ((point, at), (new_g, g), (new_s, s))
        )
        value = np.where(accept, new_value, value)[going]
        nu = np.where(accept, new_nu, nu)[going]
        which, accept, rejected = which[going], accept[going], step[going]
        pairs.keep(going)
        x[which] = at
        step = pairs.direction(g, s)
        slope_new = _dot(g, step)
        uphill = ~(slope_new < 0)  # rounding has spoilt the pairs: a chord step
        step[uphill], slope_new[uphill] = -s[uphill], -(nu[uphill] ** 2)
        # A rejected point shortens its step and keeps its direction.
        step = np.where(accept[:, None], step, rejected)
        slope = np.where(accept, slope_new, slope[going])
        length = np.where(accept, 1.0, 0.3 * length[going])
    return x, certified


def _dot(a, b):
    return np.einsum("md,md->m", a, b)
