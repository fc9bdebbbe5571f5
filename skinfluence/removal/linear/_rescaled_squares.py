"""Least squares whose penalty changes with the removal: a scaler is fitted again."""

import numpy as np

from skinfluence.removal.linear._normal_equations import NormalFactor

MAX_STEPS = 60


def moves_without_rows(factor, jumps, theta, change, penalty, unresolved):
    r"""Moves when each removal rescales the penalty, ``R_i = R (1 + c_i)``.

    Solves ``(H - s_i x_i x_i' + R c_i) move = -s_i e_i x_i - R c_i theta``.

    Parameters
    ----------
    factor : NormalFactor or OrthogonalFactor
        Of all rows and R.
    jumps : ndarray of shape (n, k)
        Factors of the moves by each row under R.
    theta : ndarray of shape (k, p)
        Coefficients.
    change : ndarray of shape (n, p)
        c.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    unresolved : ndarray of bool, shape (n,)
        Rows whose moves do not matter.

    Returns
    -------
    moves : ndarray of shape (n, k, p) or None
        None where normal equations do not do.
    """
    normal = isinstance(factor, NormalFactor)
    solve = _by_normal_equations if normal else _by_orthogonal_factors
    moves = np.zeros((len(jumps), *theta.shape))
    for output in range(len(theta)):
        args = jumps[:, output], theta[output], change, penalty
        found = solve(factor, *args, ~unresolved)
        if found is None:
            return None
        moves[:, output] = found
    return moves


def _by_normal_equations(factor, jumps, theta, change, penalty, used):
    """Fixed-point steps with the rank-one inverse of each row.

    They contract by about the leverage of the row in its own column.
    """
    X, lift = factor.rows, factor.lift
    solved, excess = X @ lift, penalty * change
    ratio = factor.weight / factor.gaps()
    first = -jumps[:, None] * solved
    move = np.zeros_like(X)
    for _ in range(MAX_STEPS):
        new = -(excess * (theta + move)) @ lift
        new += solved * (ratio * np.einsum("ij,ij->i", new, X))[:, None] + first
        error = np.abs(new - move).max(axis=1)
        move = new
        if np.all(error <= 1e-14 * np.abs(move).max(axis=1)):
            return move
    slow = error > 1e-12 * np.abs(move).max()
    return None if slow[used].any() else move


def _by_orthogonal_factors(factor, jumps, theta, change, penalty, used):
    """The same in units of the penalty, where a step contracts by at most ``c_i``.

    A row for which that is too slow gets a solve of its own.
    """
    held, rank = factor.held, factor.V.shape[1]
    change = change[:, held]
    own = (factor.rows[:, :rank] * factor.gain) @ factor.V.T
    gap = np.where(used, factor.gaps(), 1.0)
    at = theta[held] / factor.scale
    first = at - jumps[:, None] * own
    total = np.repeat(at[None], len(jumps), axis=0)
    for _ in range(MAX_STEPS):
        pull = change * total
        along = np.einsum("ij,ij->i", own, pull) / gap
        new = first - factor.damped(pull.T).T - along[:, None] * own
        error = np.abs(new - total).max(axis=1)
        total = new
        slow = error > 1e-15 * np.abs(total).max(axis=1)
        if not slow.any():
            break
    identity = np.eye(len(at))
    response = factor.damped(identity)
    for i in np.flatnonzero(slow & used):
        whole = response + np.outer(own[i], own[i]) / gap[i]
        total[i] = np.linalg.solve(identity + whole * change[i], first[i])
    pull = change * total
    jumps = jumps + np.einsum("ij,ij->i", own, pull) / gap
    moves = -jumps[:, None] * factor.rows @ factor.lift.T
    return moves - factor.damped(pull.T).T @ factor.join.T
