"""Squares beyond a kink: rows leave by finitely many steps between active sets."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal._minimisation import BEYOND, Problems, minimise, newton_steps
from skinfluence.removal.kinked._l1 import padded_batches
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.linear._normal_equations import cholesky
from skinfluence.removal.smooth._newton import row_chunks

# Removed rows whose margins are checked together.
BATCH = 128
# Steps between active sets before a row is given to the solver with line search.
STEPS = 20
# Lengths of a step that are tried until one is next to the minimum along it.
LENGTHS = 20
# Relative rounding error of one minus leverage from which on a row is solved alone.
ROUGH = 1e-7


class Hinge:
    """``max(0, 1 - c raw)^2`` for codes c of +1 and -1."""

    def __init__(self, code):
        self.code, self.short = code, code.astype(np.int8)

    def side(self, raw):
        """Which parabola each row is on: its code, or 0 for none."""
        return (self.code * raw < 1) * self.short

    def center(self, side, rows=slice(None)):
        """Minimum of a parabola, as a raw prediction."""
        return side


class Tube:
    """``max(0, |y - raw| - epsilon)^2``."""

    def __init__(self, y, epsilon):
        self.y, self.epsilon = y, epsilon

    def side(self, raw):
        """Which parabola each row is on: +1 above the tube, -1 below, 0 for none."""
        residual = self.y - raw
        above, below = residual > self.epsilon, residual < -self.epsilon
        return above.view(np.int8) - below.view(np.int8)

    def center(self, side, rows=slice(None)):
        """Minimum of a parabola, as a raw prediction."""
        return self.y[rows] - self.epsilon * side


class KinkedSquares(LinearModel):
    r"""Minimiser of ``F = sum_j a_j l_j(x_j'theta) + theta' R theta / 2``.

    Each l is zero or a parabola ``(raw - center)^2`` (`Hinge`, `Tube`), so F is
    quadratic wherever the active set A of rows on a parabola is fixed. With ``H =
    2 X_A' a_A X_A + R`` and ``d_j = 2 a_j (x_j'theta - center_j)``, the minimiser
    without row i of A, on the piece where the rows F have left (sign -1) or entered
    (sign +1) A, is

    .. math::
        \Delta = -H^{-1} U' (I + \Sigma U H^{-1} U')^{-1} \sigma d, \quad
        U = X_{\{i\} \cup F}, \; \sigma = \pm 1, \; \Sigma = 2 a \sigma

    (rows that change parabolas add a constant to the gradient only). The first step
    has F empty (`newton`; `first_order` is ``H^{-1} x_i d_i``).
    Then F is what has changed at the new point, until nothing changes: the exact
    minimiser, since its own piece has it (Mangasarian 2002, Optimization Methods
    and Software 17(5), 913-929). Rows outside A move nothing, exactly. The tolerance
    is not used. A row still changing after 20 steps gets a line search.

    Cost: O(n p^2) once and, per active row and step, ``2 n p`` flops to check the
    margins and O(f^2 p + f^3) for the solution. Memory O(n p K). R must be
    positive: then nothing is ever unresolved.

    Parameters
    ----------
    losses : list of K losses
        One for each independent problem.
    cost : ndarray of shape (n, K)
        Weights a of the losses.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    """

    def __init__(
        self, design, losses, cost, penalty, fitted, link="identity", labels=None
    ):
        super().__init__(design, link, labels)
        self.losses = losses
        self.cost, self.penalty = cost, penalty
        theta = [
            minimise_squares(design.rows, loss, cost[None, :, k], penalty, fitted[[k]])
            for k, loss in enumerate(losses)
        ]
        self._set_optimum(np.concatenate(theta), fitted)

    @property
    def penalises_columns(self):
        return True

    def _exact_rows(self, tol):
        def follow(piece, rows):
            moves = piece.newton_step(rows)
            for start in range(0, len(rows), BATCH):
                batch = slice(start, start + BATCH)
                moves[batch] = piece.refine(rows[batch], moves[batch])
            return moves

        return self._moved(self._each_row(0.0, follow))

    def _newton_rows(self, damping):
        return self._moved(self._each_row(damping, _Piece.newton_step))

    def _first_order_rows(self, damping):
        moves = self._each_row(damping, _Piece.first_order_step)
        return self._moved(moves, first_order=True)

    def _each_row(self, damping, move):
        """Moves without single rows; those on no parabola move nothing."""
        n = self.design.rows.shape[0]
        self._check_moves(n)
        moves = np.zeros((n, *self.theta.shape))
        for k in range(len(self.theta)):
            piece = _Piece(self, k, damping)
            moves[piece.active, k] = move(piece, piece.active)
        return moves

    def _exact_groups(self, masks, tol):
        moves = np.zeros((len(masks), *self.theta.shape))
        for k in range(len(self.theta)):
            piece = _Piece(self, k, 0.0)
            groups = np.flatnonzero(masks[:, piece.active].any(axis=1))
            for part in row_chunks(len(groups), 8 * len(piece.X)):
                which = groups[part]
                moves[which, k] = piece.minimise_without(masks[which], moves[which, k])
        return self._moved(moves)

    def _newton_groups(self, masks, damping):
        moves = np.zeros((len(masks), *self.theta.shape))
        for k in range(len(self.theta)):
            piece = _Piece(self, k, damping)
            for g, mask in enumerate(masks):
                rows = piece.active[mask[piece.active]]
                if len(rows):
                    gone = _gram(piece.X[rows], 2 * piece.cost[rows])
                    pull = piece.slope[rows] @ piece.X[rows]
                    moves[g, k] = sla.solve(piece.hessian - gone, pull, assume_a="pos")
        return self._moved(moves)


class _Piece:
    """One problem at its optimum, and the quadratic that it is there."""

    def __init__(self, model, k, damping):
        self.X, self.penalty, self.theta = (
            model.design.rows,
            model.penalty,
            model.theta[k],
        )
        self.loss, self.cost = model.losses[k], model.cost[:, k]
        self.raw = self.X @ self.theta
        self.side = self.loss.side(self.raw) * (self.cost > 0)
        self.active = np.flatnonzero(self.side)
        self.slope = self._slope(self.side)
        self.hessian = np.diag(self.penalty + damping)
        self.hessian += _gram(self.X[self.active], 2 * self.cost[self.active])
        lower, error = cholesky(self.hessian)
        self.lifted = sla.cho_solve((lower, True), self.X.T).T
        leverage = 2 * self.cost * np.einsum("ij,ij->i", self.lifted, self.X)
        self.left = np.maximum(1 - leverage, np.finfo(np.float64).eps)
        self.rough = ~(error <= ROUGH * self.left)

    def _slope(self, side, rows=slice(None)):
        """Derivative of ``rows``' terms at the optimum, continued from a side."""
        gap = self.raw[rows] - self.loss.center(side, rows)
        return np.where(side != 0, 2 * self.cost[rows] * gap, 0.0)

    def newton_step(self, rows):
        """Moves to the minimisers on this piece without each row."""
        scale = self.slope[rows] / self.left[rows]
        return scale[:, None] * self.lifted[rows]

    def first_order_step(self, rows):
        """Moves without each row to first order."""
        return self.slope[rows][:, None] * self.lifted[rows]

    def minimise_without(self, masks, moves):
        """Moves to the minimisers without sets of rows, from ``moves``."""
        cost, start = np.where(masks, 0.0, self.cost), self.theta + moves
        end = minimise_squares(self.X, self.loss, cost, self.penalty, start)
        return end - self.theta

    def refine(self, rows, moves):
        """Follow the active sets from ``moves``, each without one of ``rows``."""
        moves = moves.copy()
        high = self.rough[rows]
        lost = list(np.flatnonzero(high))
        # Positions in rows that are not done, and the sides they account for.
        todo = np.flatnonzero(~high)
        known = np.repeat(self.side[None], len(todo), axis=0)
        for _ in range(STEPS):
            raw = moves[todo] @ self.X.T
            raw += self.raw
            side = self.loss.side(raw) * (self.cost > 0)
            own = np.arange(len(todo)), rows[todo]
            side[own] = self.side[own[1]]
            moving = np.flatnonzero((side != known).any(axis=1))
            todo, known = todo[moving], side[moving]
            if not len(todo):
                break
            count = ((known != 0) != (self.side != 0)).sum(axis=1)
            large = count > max(64, self.X.shape[1])
            lost.extend(todo[large])
            todo, known, count = todo[~large], known[~large], count[~large]
            order = np.argsort(count, kind="stable")
            todo, known, count = todo[order], known[order], count[order]
            for s in padded_batches(count, self.X.shape[1]):
                args = rows[todo[s]], known[s], count[s].max()
                moves[todo[s]] = self._on_pieces(*args)
        lost.extend(todo)
        if lost:
            gone = rows[lost][:, None] == np.arange(len(self.X))
            near = np.where(high[lost], 0.0, moves[lost].T).T
            moves[lost] = self.minimise_without(gone, near)
        return moves

    def _on_pieces(self, rows, side, size):
        """Minimise without each of ``rows``, others on the parabolas of ``side``."""
        m = len(rows)
        which = np.repeat(rows[:, None], size + 1, axis=1)
        curvature, pull = np.zeros((m, size + 1)), np.zeros((m, size + 1))
        curvature[:, 0], pull[:, 0] = -2 * self.cost[rows], -self.slope[rows]
        jumps = (side != self.side) & (side != 0) & (self.side != 0)
        k, j = np.nonzero((side != 0) != (self.side != 0))
        position = np.arange(len(k)) - np.searchsorted(k, k) + 1
        which[k, position] = j
        sign = np.where(side[k, j] != 0, 1.0, -1.0)
        curvature[k, position] = 2 * sign * self.cost[j]
        pull[k, position] = sign * np.where(
            sign > 0, self._slope(side[k, j], j), self.slope[j]
        )
        U, lifted = self.X[which], self.lifted[which]
        kernel = np.matmul(U, lifted.transpose(0, 2, 1))
        kernel *= curvature[:, :, None]
        kernel += np.eye(size + 1)
        constant = np.zeros((m, self.X.shape[1]))
        if jumps.any():
            shift = np.where(jumps, self._slope(side) - self.slope, 0.0)
            constant = shift @ self.lifted
            pull -= curvature * np.matmul(U, constant[:, :, None])[:, :, 0]
        coefficient = np.linalg.solve(kernel, pull[:, :, None])
        return -np.matmul(coefficient.transpose(0, 2, 1), lifted)[:, 0] - constant


class SquaresProblems(Problems):
    """Squares beyond a kink with weights of each problem's own.

    Newton steps between active sets: the step on the last one ends at the minimiser.
    """

    def __init__(self, X, loss, cost, penalty):
        self.X, self.loss, self.cost, self.penalty = X, loss, cost, penalty

    def evaluate(self, which, x):
        raw = x @ self.X.T
        side = self.loss.side(raw)
        gap = np.where(side != 0, raw - self.loss.center(side), 0.0)
        gradient = (2 * self.cost[which] * gap) @ self.X + self.penalty * x
        return gradient, gap

    def step(self, which, x, state):
        gradient, gap = state
        hessian = np.empty((*x.shape, x.shape[1]))
        for k, cost in enumerate(self.cost[which]):
            active = np.flatnonzero((gap[k] != 0) & (cost > 0))
            hessian[k] = _gram(self.X[active], 2 * cost[active])
        np.einsum("kii->ki", hessian)[...] += self.penalty
        return newton_steps(hessian, gradient)

    def longest(self, which, x, step):
        """Go to the minimum along each step that as a whole leads beyond it.

        The slope along a step rises in straight lines: Newton's method for its root,
        and halves of the interval that has the root where that leaves it.
        """
        raw, reach = x @ self.X.T, step @ self.X.T
        pull, bend = (x * step) @ self.penalty, step**2 @ self.penalty
        weight = 2 * self.cost[which] * reach

        def slope_and_curvature(length):
            at = raw + length[:, None] * reach
            side = self.loss.side(at)
            active = weight * (side != 0)
            slope = np.einsum("kn,kn->k", active, at - self.loss.center(side))
            curvature = np.einsum("kn,kn->k", active, reach)
            return slope + pull + length * bend, curvature + bend

        low, high, length = np.zeros(len(x)), np.ones(len(x)), np.ones(len(x))
        enough = -BEYOND * slope_and_curvature(low)[0]
        slope, curvature = slope_and_curvature(length)
        todo = slope > enough
        for _ in range(LENGTHS):
            if not todo.any():
                break
            beyond = slope > 0
            high, low = np.where(beyond, length, high), np.where(beyond, low, length)
            root = length - slope / curvature
            inside = (root > low) & (root < high)
            root = np.where(inside, root, (low + high) / 2)
            length = np.where(todo, root, length)
            slope, curvature = slope_and_curvature(length)
            todo &= np.abs(slope) > enough
        return length

    def left(self, which, x, state, step, decrement):
        gap = state[1]
        value = np.einsum("kn,kn->k", self.cost[which] * gap, gap)
        value += 0.5 * x**2 @ self.penalty
        return decrement / np.sqrt(np.where(value > 0, value, 1.0))


def minimise_squares(X, loss, cost, penalty, theta):
    """Minimise problems of costs (k, n), from starts (k, p)."""
    return minimise(SquaresProblems(X, loss, cost, penalty), theta, max_iter=1000)[0]


def _gram(X, weight):
    return X.T @ (weight[:, None] * X)
