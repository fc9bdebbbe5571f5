"""Computations of a pass over the table for multinomial regression: pure functions."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from skinfluence.out_of_core._row_ladders import centred
from skinfluence.removal.smooth._corrections import tensor as square
from skinfluence.removal.smooth._newton import pair_products, row_chunks
from skinfluence.removal.smooth._softmax import apply, downdates, outer
from skinfluence.removal.smooth._softmax_objective import SoftmaxLosses, ranges

_BATCH = 64  # removed rows whose logits are computed at once
_ROUNDS = 60


@dataclass(frozen=True)
class SoftmaxStart:
    """The start of rows that need more than one step along ``lift``.

    Attributes
    ----------
    excess : Rescaled or None
        Penalty without each row minus that of the base.
    tensors : tuple of ndarray
        Sums over the table for rows that are corrected, see `tensor`.
    """

    excess: object = None
    tensors: tuple = ()


def losses_of(block, problem, mean, rows=slice(None)):
    """Return the `SoftmaxLosses` of rows of a block, and their weights."""
    X = centred(block.X[rows], mean, problem.intercept)
    labels = problem.codes.labels(block.y[rows])
    return (
        SoftmaxLosses(X, labels, len(problem.codes.classes)),
        problem.weights(block)[rows],
    )


def squares(block, mean, intercept):
    """Return sums of the squares of columns, weighted, (p,)."""
    return (block.weight @ centred(block.X, mean, intercept) ** 2,)


def derivatives(block, span, problem, mean, theta, removed):
    """Return gradients (m, C p) and Hessians of m objectives, no penalties.

    Parameters as of `_passes.derivatives`; ``theta`` has shape (m, C p).
    """
    losses, every = losses_of(block, problem, mean)
    m, size = theta.shape
    gradient, hessian = np.empty((m, size)), np.empty((m, size, size))
    for i, rows in enumerate(removed):
        weight = every
        own = rows[(rows >= span.start) & (rows < span.stop)] - span.start
        if len(own):
            weight = weight.copy()
            weight[own] = 0.0
        P = softmax(losses.rows @ theta[i].reshape(losses.n_classes, -1).T, axis=1)
        gradient[i] = (losses.pull(P, weight).T @ losses.rows).ravel()
        hessian[i] = losses.hessian(P, weight)
    return gradient, hessian


def row_moves(block, problem, mean, theta, root, *, gap):
    """Return results for single rows at the optimum.

    Returns
    -------
    v : ndarray of shape (n, C)
        Rows move the coefficients by ``lift (v_i x x_i)``; by one Newton step with
        ``gap``, else to the first order.
    along : ndarray of shape (n,)
        Squares of the lengths of these moves in the norm of the Hessian.
    own : ndarray of shape (n,)
        The same in the norm of the Hessian without the row.
    leverage : ndarray of shape (n,)
        Largest.
    ranges : ndarray of shape (n,)
        Largest range of the logits of the row by moves of length one.
    """
    losses, weight = losses_of(block, problem, mean)
    P = softmax(losses.rows @ theta.T, axis=1)
    pull = losses.pull(P, weight)
    v = pull.copy()
    along, own, leverage, reach = np.zeros((4, len(v)))
    for r, K in losses.kernels(root.T @ root):
        reach[r] = ranges(K)
        if gap:
            M, leverage[r] = downdates(K, P[r], weight[r])
            v[r] += apply(M, apply(K, pull[r]))
        moved = apply(K, v[r])
        along[r], own[r] = (np.einsum("ic,ic->i", a[r], moved) for a in (v, pull))
    return v, along, own, leverage, reach


def moved(block, span, problem, mean, theta, rows, moves):
    """Return `SoftmaxLosses.moved_losses` of moves without single rows of the table."""
    losses, weight = losses_of(block, problem, mean)
    state, parts = losses.start_state(theta), []
    for first in range(0, len(rows), _BATCH):
        part = slice(first, first + _BATCH)
        own = rows[part] - span.start
        parts.append(losses.moved_losses(moves[part], state, weight, own))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def merged_moved(one, other):
    """Merge the results of `moved` of two blocks."""
    return one[0] + other[0], one[1] + other[1], np.maximum(one[2], other[2])


def lifted(X, v, lift):
    """Return ``lift (v_i x x_i)`` of rows, shape (m, C, p)."""
    return (outer(v, X) @ lift).reshape(len(v), v.shape[1], -1)


def tensor(block, problem, mean, theta):
    r"""Return what sums of squares of moves give gradients by, see `corrected`.

    Third derivatives of a row's loss along a move t of its logits are
    :math:`\sum_c p_c (t_c - \bar t)^2 (e_c - p)`: those of C rows of one output.
    """
    losses, weight = losses_of(block, problem, mean)
    C, p = losses.n_classes, losses.rows.shape[1]
    width, total = C * p, 0.0
    for part in row_chunks(len(weight), C * width * (width + 1) // 2):
        X = losses.rows[part]
        P = softmax(X @ theta.T, axis=1)
        apart = (np.eye(C) - P[:, None]).reshape(-1, C)
        rows = outer(apart, np.repeat(X, C, axis=0))
        total = total + square(rows, (0.5 * weight[part, None] * P).ravel(), 0)
    return (total,)


def rescaled_sizes(block, base, penalty):
    """Return sizes of Newton steps where rows change the penalty, each (n,).

    ``along``, ``own``, ``leverage`` and ``ranges`` as of `row_moves`, and lower bounds
    of the Hessians without the row, relative to those with the penalty of the base.
    """
    found = []
    for part in row_chunks(len(block.X), base.theta.size):
        rows = OwnRows(block.rows(part), base)
        relative = rows.excess / np.where(penalty > 0, penalty, np.inf)
        floor = 1 + np.minimum(relative.min(axis=1), 0.0)
        found.append((*rows.step_sizes(), rows.leverage, rows.reach, floor))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def corrected(block, base, v, level):
    """Return moves of the coefficients by the rows of a block, (m, C, p).

    Newton steps, and above level 1 corrected by Halley's method:
    ``- B_i^{-1} sum_{j != i} D^3 l_j[move, move] / 2`` is added.
    """
    own = OwnRows(block, base)
    if base.start.excess is None:
        step = lifted(own.X, v, base.lift)
    else:
        step = own.newton_step().reshape(len(own.X), *base.theta.shape)
    if level == 1:
        return step
    logits = np.einsum("icp,ip->ic", step, own.X)
    apart = logits - (own.P * logits).sum(axis=1, keepdims=True)
    squares = own.P * apart**2
    squares -= own.P * squares.sum(axis=1, keepdims=True)
    flat = step.reshape(len(step), -1)
    (total,) = base.start.tensors
    total = pair_products(flat) @ total
    total -= outer(0.5 * own.weight[:, None] * squares, own.X)
    return (flat - own.solve(total, slice(None))).reshape(step.shape)


class OwnRows:
    """Some rows, and the inverses of the Hessians without each of them.

    Parameters
    ----------
    block : Block
        The rows.
    base : Base
        Has a `SoftmaxStart`.
    """

    def __init__(self, block, base):
        self.base = base
        losses, self.weight = losses_of(block, base.problem, base.mean)
        self.X = losses.rows
        self.theta = base.theta if base.drift is None else base.theta + base.drift
        self.P = P = softmax(self.X @ self.theta.T, axis=1)
        self.pull = losses.pull(P, self.weight)
        self.M = np.empty((*P.shape, P.shape[1]))
        self.leverage, self.reach = np.empty((2, len(P)))
        for r, K in losses.kernels(base.lift):
            self.M[r], self.leverage[r] = downdates(K, P[r], self.weight[r])
            self.reach[r] = ranges(K)
        self.excess, excess = None, base.start.excess
        if excess is not None:
            self.excess = excess.of_rows(self.X, self.weight)

    def penalised(self, x, which):
        """Multiply by the penalties without some rows minus that of the base."""
        each = x.reshape(len(x), *self.theta.shape) * self.excess[which][:, None]
        return each.reshape(len(x), -1)

    def gradient(self):
        """Return gradients without each row, (m, C p)."""
        gradient, every = -outer(self.pull, self.X), slice(None)
        if self.excess is None:
            return gradient
        theta = np.broadcast_to(self.theta, (len(gradient), *self.theta.shape))
        return gradient + self.penalised(theta, every)

    def newton_step(self):
        """Return Newton steps without each row, (m, C p)."""
        return -self.solve(self.gradient(), slice(None))

    def step_sizes(self):
        """Return squared lengths of the Newton steps, two arrays of shape (m,).

        Their norms are those of the Hessians with all rows, and without the row.
        """
        step = self.newton_step()
        own = -np.einsum("ma,ma->m", self.gradient(), step)
        each = step.reshape(len(step), *self.theta.shape)
        logits = np.einsum("icp,ip->ic", each, self.X)
        apart = logits - (self.P * logits).sum(axis=1, keepdims=True)
        spread = self.weight * (self.P * apart**2).sum(axis=1)
        pull = self.penalised(step, slice(None))
        return own + spread - np.einsum("ma,ma->m", pull, step), own

    def solve(self, g, which):
        """Apply the inverse of the Hessian without the row.

        Changes of the penalty are solved for by fixed-point steps, which contract by
        about excess over penalty, or by a factorisation for the row where these are
        slow.
        """
        first = self._downdated(g, which)
        if self.excess is None:
            return first
        rows, u = np.arange(len(self.X))[which], first.copy()
        todo = np.arange(len(u))
        for _ in range(_ROUNDS):
            old, own = u[todo], rows[todo]
            new = first[todo] - self._downdated(self.penalised(old, own), own)
            error = np.abs(new - old).max(axis=1, initial=0.0)
            u[todo] = new
            todo = todo[error > 1e-14 * np.abs(new).max(axis=1, initial=0.0)]
            if not len(todo):
                return u
        unit = np.eye(u.shape[1])
        for i in todo:
            own = np.full(len(unit), rows[i])
            relative = self.penalised(self._downdated(unit, own), own)
            u[i] = np.linalg.solve(unit + relative, first[i])
        return u

    def _downdated(self, g, which):
        """Apply it with the penalty of the base, by Woodbury's formula."""
        X, q = self.X[which], g @ self.base.lift
        inner = np.einsum("mcp,mp->mc", q.reshape(len(q), -1, X.shape[1]), X)
        return q + outer(apply(self.M[which], inner), X) @ self.base.lift
