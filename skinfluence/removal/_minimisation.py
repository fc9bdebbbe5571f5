"""Newton's method for many convex problems at once: one loop, one line search.

A family supplies the mathematics of its problems as `Problems`: derivatives, steps, and
how far from the minimum a step ends. `minimise` decides on the lengths of the steps,
drops problems as they are solved, and gives up those that cannot be.
"""

from abc import ABC, abstractmethod

import numpy as np
import scipy.linalg as sla

# A step is too long if the slope at its end is positive and larger than this share
# of the slope at its start. It is shortened by these factors, so many times at most.
BEYOND, SHORTEST, LONGEST, SEARCHES = 0.1, 0.3, 0.9, 40
# Decrements that do not halve any more, with less than this left, are rounding errors.
ROUNDING = 1e-9


class Problems(ABC):
    """k convex problems of p unknowns each.

    Methods are asked about m of them at a time: ``which`` has their numbers.
    """

    @abstractmethod
    def evaluate(self, which, x):
        """Return the state at points x (m, p): arrays of first axis m, gradients first.

        Later calls are given the state back.
        """

    @abstractmethod
    def step(self, which, x, state):
        """Return steps (m, p) and which of the problems have one, bool (m,)."""

    def slope(self, x, state, step):
        """Return the derivatives along steps, at points that they start or end at."""
        return np.einsum("kp,kp->k", state[0], step)

    def left(self, which, x, state, step, decrement):
        """Bound or estimate the distance from the minimum after a whole step.

        In the unit of the tolerance of `minimise`; infinite where nothing can be said.
        The decrement is the root of minus the slope, in a Newton step twice what the
        objective would fall by if it were its quadratic model, squared.
        """
        return decrement

    def longest(self, which, x, step):
        """Return the length to try first, as a multiple of the step."""
        return np.ones(len(x))


def minimise(problems, x, tol=1e-13, max_iter=100):
    """Minimise k problems.

    Parameters
    ----------
    problems : Problems
        The problems.
    x : ndarray of shape (k, p)
        Starting points.
    tol : float, default=1e-13
        Value of `Problems.left` up to which a step is the last one.
    max_iter : int, default=100
        Steps after which a problem is given up.

    Returns
    -------
    x : ndarray of shape (k, p)
        Minimisers, and for problems that were given up the points reached.
    left : ndarray of shape (k,)
        Distance from the minimum; infinite where a problem was given up: it has no
        minimiser, or none was reached.
    """
    x, left = x.copy(), np.full(len(x), np.inf)
    active, best = np.arange(len(x)), np.full(len(x), np.inf)
    state = problems.evaluate(active, x)
    for _ in range(max_iter):
        at = x[active]
        step, usable = problems.step(active, at, state)
        slope = problems.slope(at, state, step)
        decrement = np.sqrt(np.maximum(-slope, 0.0))
        ahead = problems.left(active, at, state, step, decrement)
        halved = decrement < best[active] / 2
        best[active] = np.minimum(best[active], decrement)
        # Where there are no more digits is the minimum too.
        done = usable & ((ahead <= tol) | (~halved & (ahead < ROUNDING)))
        left[active[done]] = ahead[done]
        x[active[done]] += step[done]
        keep = usable & ~done & (slope < 0)
        if not keep.any():
            break
        if not keep.all():
            active, at, step, slope = active[keep], at[keep], step[keep], slope[keep]
        x[active], state = _search(problems, active, at, step, slope)
    return x, left


def _search(problems, which, x, step, slope):
    """Take steps, shortened to where they do not lead beyond the minimum along them."""
    length = problems.longest(which, x, step)
    new = x + length[:, None] * step
    state = problems.evaluate(which, new)
    todo, end = np.arange(len(x)), problems.slope(new, state, step)
    for _ in range(SEARCHES):
        beyond = ~(end <= -BEYOND * slope[todo])
        todo, end = todo[beyond], end[beyond]
        if not len(todo):
            break
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            share = slope[todo] / (slope[todo] - end)  # where a line would be zero
        share[~np.isfinite(share)] = SHORTEST
        length[todo] *= np.clip(share, SHORTEST, LONGEST)
        new[todo] = x[todo] + length[todo, None] * step[todo]
        part = problems.evaluate(which[todo], new[todo])
        for whole, piece in zip(state, part, strict=True):
            whole[todo] = piece
        end = problems.slope(new[todo], part, step[todo])
    return new, state


def newton_steps(hessian, gradient, least=0.0):
    """Return ``-H^{-1} gradient`` for each problem, and which H are positive definite.

    Pivots, with the diagonal made about one, have to be above ``least``.
    """
    diagonal = np.einsum("kii->ki", hessian)
    with np.errstate(over="ignore", invalid="ignore"):
        # powers of two, which round nothing
        scale = np.exp2(np.round(-0.5 * np.log2(np.maximum(diagonal, 1e-300))))
        scaled = hessian * scale[:, :, None] * scale[:, None]
        right = scale * gradient
    usable = np.isfinite(scaled).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
    step = np.zeros_like(gradient)
    step[usable] = -scale[usable] * _solve(scaled[usable], right[usable], least)
    usable &= np.isfinite(step).all(axis=1)
    return step, usable


def _solve(matrices, vectors, least):
    """Solve stacked systems; NaN where a matrix is not positive definite."""
    if len(vectors) < 8:
        out = np.full_like(vectors, np.nan)
        for k, (matrix, vector) in enumerate(zip(matrices, vectors, strict=True)):
            lower, solution, info = sla.lapack.dposv(matrix, vector, lower=1)
            if info == 0 and np.diag(lower).min(initial=np.inf) ** 2 > least:
                out[k] = solution
        return out
    try:
        pivots = np.einsum("kii->ki", np.linalg.cholesky(matrices))
        out = np.linalg.solve(matrices, vectors[..., None])[..., 0]
    except np.linalg.LinAlgError:  # numpy does not say which
        half = len(vectors) // 2
        parts = slice(half), slice(half, None)
        return np.concatenate([_solve(matrices[s], vectors[s], least) for s in parts])
    out[(pivots**2 <= least).any(axis=1)] = np.nan
    return out
