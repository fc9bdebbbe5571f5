"""Smooth losses with an L1 penalty: removal with the active set fixed, then corrected.

The proximal Newton steps of single problems are a loop of their own beside
`removal._minimisation`: a step ends at the minimum of a quadratic with the L1 penalty,
not of a quadratic, and its length is found from values, as slopes jump where signs
change.
"""

from types import SimpleNamespace

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.kinked._l1 import minimise, minimise_screened, violation
from skinfluence.removal.linear._linear import LinearModel
from skinfluence.removal.smooth._certificate import psi2
from skinfluence.removal.smooth._ladder import Ladder, Whitened
from skinfluence.removal.smooth._newton import hessians, minimise_each

# Removed rows whose gradients are checked together.
BATCH = 256
# Rounds between sets of signs before a row is minimised by itself.
ROUNDS = 10
# Rows with the same signs that are worth a base of their own.
SHARED = 4
# A gradient may exceed its penalty by this multiple of the size of its terms.
ROUNDING = 1e-12


class L1Smooth(LinearModel):
    r"""Minimiser of ``sum_j s_j l(x_j'theta, y_j) + sum_k l1_k |theta_k| + l2_k
    theta_k^2 / 2``.

    While the coefficients in use keep their signs and no other gradient exceeds its
    penalty, the objective is smooth: rows leave it by the certified steps of `Smooth`,
    with a linear term for the penalty. Whether other gradients stay below their
    penalties is read off their linear change and a bound on the rest

    .. math::
        \Big| \sum_j r_j(t_j) x_{jk} \Big| \le \psi(\max_j |t_j|) \, \|x_k\|_a \,
        \|t\|_a, \quad \psi(z) = (e^z - 1 - z) / z,

    for moves t of the linear predictor and curvatures a, else computed. Rows for
    which the signs change are gathered by their new signs and minimised together,
    until the signs hold; what still changes after 10 rounds is minimised by itself
    (proximal Newton steps). `newton` and `first_order` are single steps on the signs
    of the optimum.

    Cost as `Smooth` on the coefficients in use, plus O(n p) per row that needs its
    gradients computed and O(n p^2) per row whose signs change. Memory O(n p). It fails
    where minimisers are not unique (columns in use that depend on each other).

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets as the pointwise loss takes them.
    pointwise : object
        The loss l, see `_pointwise`.
    l1, l2 : ndarray of shape (p,)
        Penalties; coefficients without l1 are always in use.

    References
    ----------
    .. [1] J. Lee, Y. Sun, M. Saunders, "Proximal Newton-type methods for minimizing
       composite functions", SIAM J. Optim. 24(3), 2014.
    """

    def __init__(self, design, y, weight, pointwise, l1, l2, fitted, link, labels=None):
        super().__init__(design, link, labels)
        self.y, self.weight, self.pointwise = y, weight, pointwise
        self.l1, self.l2, self.free = l1, l2, l1 == 0
        theta = self.minimise(weight, fitted[0])
        if theta is None:
            raise UnsupportedEstimator(
                "The training objective has no unique finite optimum: columns in use "
                "depend on each other, or the classes are separable by what has no "
                "penalty. Drop duplicates, or use solver='refit'."
            )
        self._set_optimum(theta[None], fitted)

    def minimise(self, weight, theta):
        """Minimise one problem; None where that fails."""
        X = self.design.rows

        def slack_at(theta):
            slope = weight * self.pointwise.slope(X @ theta, self.y)
            return violation(slope @ X, self.l1, False)

        def solve(part, theta):
            return self._minimise(part, weight, theta)

        noise = 1e-11 * (np.abs(X).T @ weight + self.l1)
        args = self.free, self.l1, slack_at, noise, solve
        found = minimise_screened(theta, *args)
        if found is None:  # unfinished fits may end where curvatures have underflown
            found = minimise_screened(np.zeros_like(theta), *args)
        return found

    def _minimise(self, part, weight, theta):
        """Proximal Newton steps on some columns."""
        X, l1, l2 = self.design.rows[:, part], self.l1[part], self.l2[part]
        eta = X @ theta

        def value(eta, theta):
            penalty = l1 @ np.abs(theta) + l2 @ theta**2 / 2
            return weight @ self.pointwise.value(eta, self.y) + penalty

        for _ in range(100):
            slope = weight * self.pointwise.slope(eta, self.y)
            curvature = weight * self.pointwise.curvature(eta, self.y)
            hessian = hessians(X, curvature[None])[0] + np.diag(l2)
            grad = slope @ X + l2 * theta
            pull = hessian @ theta - grad
            new = minimise(hessian, pull, l1, self.free[part], theta.copy())
            if new is None:
                return None
            step, reach = new - theta, X @ (new - theta)
            size = self.pointwise.M * np.abs(reach).max()
            if size < 1e-8:  # the next step would have the square of this size
                return new
            length, before = 1.0, value(eta, theta)
            gain = grad @ step + l1 @ (np.abs(new) - np.abs(theta))
            while size > 0.1 and length > 1e-8:
                trial = value(eta + length * reach, theta + length * step)
                if trial <= before + 1e-4 * length * gain:
                    break
                length /= 2
            theta = new if length == 1 else theta + length * step
            eta = X @ theta
        return None

    def _base(self, theta, damping=0.0):
        """Derivatives on the coefficients in use, and which these are."""
        A = np.flatnonzero((theta != 0) | self.free)
        tilt = self.l1[A] * np.sign(theta[A])
        return Whitened(self._restricted(A), theta[A], self.l2[A], damping, tilt), A

    def _restricted(self, A):
        """The parts of a model that `Whitened` needs, on some columns."""
        return SimpleNamespace(
            design=SimpleNamespace(rows=self.design.rows[:, A]),
            y=self.y,
            weight=self.weight,
            pointwise=self.pointwise,
        )

    def _exact_rows(self, tol):
        n, theta = len(self.y), self.theta[0]
        base, A = self._base(theta)
        u, lost = np.zeros((n, 0)), np.empty(0, dtype=np.intp)
        if len(A):
            u, lost = Ladder(base, None).climb(tol)
        moves = self._spread(n, A, base.to_theta(u.copy()))
        moves, lost = self._follow_signs(moves, u, base, A, lost, tol)
        return self._moved(moves[:, None], lost)

    def _newton_rows(self, damping):
        base, A = self._base(self.theta[0], damping)
        u = base.newton_steps(np.ones(len(self.y)))
        return self._moved(self._spread(len(u), A, base.to_theta(u))[:, None])

    def _first_order_rows(self, damping):
        base, A = self._base(self.theta[0], damping)
        moves = self._spread(len(self.y), A, base.to_theta(base.d[:, None] * base.Z))
        return self._moved(moves[:, None], first_order=True)

    def _spread(self, n_removals, A, moves):
        """Moves of all coefficients from those of the ones in use."""
        self._check_moves(n_removals)
        out = np.zeros((n_removals, self.theta.shape[1]))
        out[:, A] = moves
        return out

    def _follow_signs(self, moves, u, base, A, lost, tol):
        """Minimise the rows whose signs change; return all moves, unresolved rows."""
        theta = self.theta[0]
        doubtful = ~self._certified(moves, u, base, A)
        doubtful[lost] = False  # they have no move to start from
        todo = np.flatnonzero(doubtful & (self.weight > 0))
        new = theta + moves[todo]
        signs = np.repeat(np.where(self.free, 0, np.sign(theta))[None], len(todo), 0)
        alone = list(lost)
        for _ in range(ROUNDS):
            after, fine = self._next(todo, new, signs)
            moves[todo[fine]] = new[fine] - theta
            todo, new, signs = todo[~fine], new[~fine], after[~fine]
            if not len(todo):
                break
            kept = np.ones(len(todo), dtype=bool)
            patterns, which = np.unique(signs, axis=0, return_inverse=True)
            for number, pattern in enumerate(patterns):
                rows = np.flatnonzero(which.ravel() == number)
                new[rows], converged = self._on_signs(todo[rows], pattern, tol)
                kept[rows[~converged]] = False
            alone.extend(todo[~kept])
            todo, new, signs = todo[kept], new[kept], signs[kept]
        unresolved = []
        for row in np.concatenate([alone, todo]).astype(np.intp):
            weight = self.weight.copy()
            weight[row] = 0.0
            end = self.minimise(weight, theta)
            if end is None:
                unresolved.append(row)
            moves[row] = 0.0 if end is None else end - theta
        return moves, np.asarray(unresolved, dtype=np.intp)

    def _certified(self, moves, u, base, A):
        """Rows whose signs hold, by linear changes and the bound on the rest."""
        X, theta = self.design.rows, self.theta[0]
        off = np.setdiff1d(np.arange(len(theta)), A)
        signed = np.flatnonzero(~self.free[A])
        hold = np.ones(len(moves), dtype=bool)
        length = np.linalg.norm(u, axis=1)
        spread = np.sqrt((base.a[:, None] * X[:, off] ** 2).sum(axis=0))
        cross = X[:, A].T @ (base.a[:, None] * X[:, off])
        slope = base.d @ X[:, off]
        zeta = self.pointwise.M * length * np.sqrt(base.h.max(initial=0.0))
        rest = np.where(zeta < 1, psi2(np.minimum(zeta, 1.0)), np.inf) * length
        for start in range(0, len(moves), BATCH):
            part = slice(start, start + BATCH)
            after = theta[A] + moves[part, A]
            hold[part] = (after * theta[A] > 0)[:, signed].all(axis=1)
            moved = base.eta[part] + np.einsum("ij,ij->i", X[part, A], moves[part, A])
            own = self.weight[part] * self.pointwise.slope(moved, self.y[part])
            grad = moves[part, A] @ cross + slope - own[:, None] * X[part, off]
            bound = np.multiply.outer(rest[part], spread)
            with np.errstate(invalid="ignore"):
                hold[part] &= (np.abs(grad) + bound <= self.l1[off]).all(axis=1)
        return hold

    def _next(self, rows, theta, signs):
        """Signs that the optimality conditions ask for, and where they hold."""
        X, out, fine = self.design.rows, np.empty_like(signs), []
        size = np.abs(X).T @ self.weight + self.l1
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            slope = self.pointwise.slope(theta[part] @ X.T, self.y) * self.weight
            slope[np.arange(len(slope)), rows[part]] = 0.0
            grad = slope @ X
            sign = signs[part]
            inside = (sign != 0) | self.free
            leave = sign * theta[part] < 0
            slack = violation(grad, self.l1, False)
            enter = ~inside & (slack > ROUNDING * size)
            out[part] = np.where(leave, 0, np.where(enter, -np.sign(grad), sign))
            fine.append((out[part] == sign).all(axis=1))
        return out, np.concatenate(fine) if fine else np.empty(0, dtype=bool)

    def _on_signs(self, rows, pattern, tol):
        """Minimise without each of ``rows``, signs held, and which rows converged."""
        A = np.flatnonzero((pattern != 0) | self.free)
        new, converged = np.zeros((len(rows), len(pattern))), np.ones(len(rows), bool)
        if not len(A):
            return new, converged
        # A few rows are minimised as they are, many from an optimum they share.
        shared = len(rows) >= SHARED
        weights = np.repeat(self.weight[None], 1 if shared else len(rows), axis=0)
        if not shared:
            weights[np.arange(len(rows)), rows] = 0.0
        tilt = self.l1[A] * pattern[A]
        args = self.design.rows[:, A], np.zeros(len(self.y)), self.y, weights
        start = np.repeat(self.theta[:, A], len(weights), axis=0)
        end, done = minimise_each(*args, self.pointwise, self.l2[A], tilt, start)
        if not shared or not done[0]:
            new[:, A] = end
            return new, converged & done
        base = Whitened(self._restricted(A), end[0], self.l2[A], 0.0, tilt)
        u, lost = Ladder(base, None).climb(tol, rows)
        new[:, A] = end + base.to_theta(u[rows])
        return new, ~np.isin(rows, lost)

    def _exact_groups(self, masks, tol):
        def move(g, rows):
            weight = np.where(masks[g], 0.0, self.weight)
            end = self.minimise(weight, self.theta[0])
            return None if end is None else end - self.theta

        return self._each_group(masks, move)

    def _newton_groups(self, masks, damping):
        base, A = self._base(self.theta[0], damping)
        weights = np.where(masks, 0.0, self.weight)
        moves = base.to_theta(base.group_newton_step(weights, np.ones(len(masks))))
        return self._moved(self._spread(len(masks), A, moves)[:, None])
