"""Quadratics with an L1 penalty: one problem, by steps between sets of signs."""

import numpy as np
import scipy.linalg as sla

# Optimality conditions are met to this multiple of the size of their terms.
ROUNDING = 1e-12
# Relative to the diagonal.
RIDGE = 1e-12
# Numbers in a temporary array of problems that are solved by one call.
TILE = 2**20


def minimise(hessian, pull, l1, free, theta, positive=False):
    r"""Minimise ``theta' H theta / 2 - pull' theta + sum_j l1_j |theta_j|``.

    Feature-sign search: a Newton step on the coefficients that are not zero, signs
    held, ends at the best of its zero crossings or where all that cross are zero;
    then coefficients whose gradient exceeds their penalty enter. The objective
    decreases, so no set of signs returns, and the step on the last one ends at the
    minimiser.

    Parameters
    ----------
    hessian : ndarray of shape (p, p)
        Positive definite on the columns that end up in use.
    pull : ndarray of shape (p,)
        Minus the gradient of the smooth part at zero.
    l1 : ndarray of shape (p,)
        Penalties.
    free : ndarray of bool, shape (p,)
        Coefficients without penalty or bound.
    theta : ndarray of shape (p,)
        Start.
    positive : bool, default=False
        Whether coefficients that are not free must not be negative.

    Returns
    -------
    theta : ndarray of shape (p,)
        The minimiser, zeros exact; None where no unique one was found.

    References
    ----------
    H. Lee, A. Battle, R. Raina, A. Ng, "Efficient sparse coding algorithms",
    NeurIPS 2006.
    """
    if positive:
        theta = np.where(free, theta, np.maximum(theta, 0))
    theta = np.where(independent(hessian, (theta != 0) | free), theta, 0.0)
    root = np.sqrt(np.diag(hessian))
    one_by_one, tolerance, repeats = False, ROUNDING, 0
    for _ in range(1000):
        grad = hessian @ theta - pull
        noise = tolerance * (root * (root @ np.abs(theta)) + np.abs(pull) + l1)
        sign = np.where(free, 0.0, np.sign(theta))
        inside = free | (sign != 0)
        slack = violation(grad, l1, positive)
        enter = ~inside & (slack > noise)
        settled = np.all(np.abs(grad + l1 * sign)[inside] <= noise[inside])
        if settled and not enter.any():
            break
        # Nothing enters before the others are settled, or the search could zigzag. One
        # column then has the right sign and F must decrease; several usually do.
        enter &= settled
        if one_by_one:
            enter &= np.arange(len(theta)) == np.where(enter, slack, 0.0).argmax()
        sign[enter] = -np.sign(grad[enter])
        A = np.flatnonzero(inside | enter)
        H = hessian[np.ix_(A, A)]
        # Where columns depend on each other: a long step along what the Hessian does
        # not see, to a zero crossing. Elsewhere the ridge costs one more step.
        try:
            factor = sla.cho_factor(H + RIDGE * np.diag(np.diag(H)))
        except np.linalg.LinAlgError:
            return None
        slope = (grad + l1 * sign)[A]
        if not np.isfinite(slope).all():  # curvatures have underflown
            return None
        step = -sla.cho_solve(factor, slope)
        new = _search(theta[A], step, slope, H, l1[A], sign[A], positive)
        moves = not np.array_equal(new, theta[A])
        if not moves and not one_by_one and enter.any():
            one_by_one = True
            continue
        # The same set again and again: nothing but rounding is left to gain.
        drops = np.any((new == 0) & (sign[A] != 0))
        repeats = 0 if drops or enter.any() else repeats + 1
        if not moves or repeats > 3:
            if tolerance > ROUNDING:
                return None
            tolerance, repeats = 1e3 * ROUNDING, 0
        theta[A] = new
        one_by_one = False
    else:
        return None
    unique = np.array_equal(independent(hessian, inside), inside)
    return theta if unique else None


def minimise_screened(theta, free, l1, slack_at, noise, solve):
    """Minimise a smooth function with an L1 penalty on the columns that may be in use.

    The gradients of the other columns are checked at the end.

    Parameters
    ----------
    theta : ndarray of shape (p,)
        Start.
    free : ndarray of bool, shape (p,)
        Coefficients that are always in use.
    l1 : ndarray of shape (p,)
        Penalties.
    slack_at : callable
        From coefficients to the `violation` of their gradient, both of shape (p,).
    noise : ndarray of shape (p,)
        Violations that are rounding.
    solve : callable
        Takes columns and their coefficients, returns those of the minimiser or None.

    Returns
    -------
    theta : ndarray of shape (p,) or None
    """
    wide, solved = free.copy(), False
    while True:
        slack = slack_at(theta)
        if solved and not np.any(~wide & ((theta != 0) | (slack > noise))):
            return theta
        solved = True
        wide |= (theta != 0) | (slack > -0.3 * l1)
        part = np.flatnonzero(wide)
        new = solve(part, theta[part])
        if new is None:
            return None
        theta = np.zeros_like(theta)
        theta[part] = new


def padded_batches(count, width):
    """Cut problems, sorted by their number of changes, into slices of similar ones.

    Those of a slice are padded to the same size, so that one call solves them all;
    ``width`` is the length of a change.
    """
    start = 0
    while start < len(count):
        size = min(TILE // ((count[start] + 8) * width + 1) + 1, 64)
        yield slice(start, min(start + size, len(count)))
        start += size


def violation(grad, l1, positive):
    """How far gradients at zero exceed what the penalty can hold."""
    return (-grad if positive else np.abs(grad)) - l1


def independent(hessian, wanted):
    """Columns among ``wanted`` on which the Hessian is positive definite."""
    kept = np.flatnonzero(wanted)
    if not len(kept):
        return wanted
    H = hessian[np.ix_(kept, kept)]
    scale = 1 / np.sqrt(np.maximum(np.diag(H), 1e-300))
    _, pivots, rank, _ = sla.lapack.dpstrf(H * scale * scale[:, None], tol=1e-12)
    out = np.zeros(len(hessian), dtype=bool)
    out[kept[pivots[:rank] - 1]] = True
    return out


def _search(theta, step, slope, H, l1, sign, positive):
    """Best of the zero crossings along a step, its end, and its end clipped at zero.

    ``slope`` is the gradient of F with the signs held; what crosses zero adds to it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(step * sign < 0, -theta / step, np.inf)
    crosses = crossing < 1
    if not crosses.any():
        return theta + step
    lengths = np.unique(np.append(crossing[crosses], 1.0))
    if positive:
        lengths = lengths[:1]  # beyond the first crossing nothing is feasible
    beyond = np.maximum(lengths[:, None] - crossing[crosses], 0.0)
    change = slope @ step * lengths + max(step @ H @ step, 0.0) * lengths**2 / 2
    change += 2 * beyond @ (l1 * np.abs(step))[crosses]
    best = change.argmin()
    clipped = np.where(crosses, 0.0, theta + step)
    move = clipped - theta
    if slope @ move + move @ H @ move / 2 < min(change[best], 0.0):
        return clipped
    if change[best] >= 0:
        return theta
    return np.where(crossing == lengths[best], 0.0, theta + lengths[best] * step)
