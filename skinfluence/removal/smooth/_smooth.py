"""Smooth linear models with one linear predictor, and their removals."""

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.linear._linear import STEP_TOLERANCE, LinearModel
from skinfluence.removal.linear._moved_coefficients import RankOneRemovals
from skinfluence.removal.linear._normal_equations import NormalFactor, cholesky
from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._penalty import Penalty
from skinfluence.removal.smooth._alone import move_without
from skinfluence.removal.smooth._ladder import ROUGH, TRUSTED, Ladder, Whitened
from skinfluence.removal.smooth._newton import hessians, minimise_each, row_chunks


class Smooth(LinearModel):
    r"""Minimiser of ``F = sum_j s_j l(x_j'theta, y_j) + theta' R theta / 2``.

    Without row i each move climbs a ladder and stops where a proven bound on the
    error of the linear predictor (`_certificate`) is below the tolerance. In
    coordinates whitened by the Hessian, with ``z_j`` the rows, ``d, a, c`` the first
    three weighted derivatives of the loss, ``B_i = I - a_i z_i z_i'``:

    1. one Newton step ``u1 = z_i d_i / (1 - a_i h_i)``, O(p);
    2. the third-order (Halley) correction
       ``u2 = u1 - B_i^{-1} (T[u1, u1] - c_i (z_i'u1)^2 z_i) / 2`` with the tensor
       ``T = sum_j c_j z_j z_j z_j``, O(p^3), and, where it spares more passes than it
       costs, the same with a cube, by the tensor of fourth derivatives, O(p^4)
       (`_corrections`);
    3. chord steps ``u <- u1 - B_i^{-1} sum_{j != i} r_j(z_j'u) z_j`` with r the
       Taylor remainder of l', O(n p), in batches;
    4. damped Newton for rows whose chord does not contract, O(n p^2), in batches.

    The inverse Hessian is never updated: every step uses one Cholesky factor and a
    rank-one correction. Cost O(n p^2 + n p^3 + m n p) with m the number of chord
    steps, memory O(n p). It fails where the base has no unique optimum (separable
    classes or dependent columns without penalty): refused.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets as the pointwise loss takes them.
    pointwise : object
        The loss l, see `_pointwise`.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    mass : ndarray of shape (n,), default=None
        Where the loss is a mean, R is proportional to the sum of these and a row
        takes its share of the penalty with it: the weights (GLMs), or one per row.
    """

    def __init__(
        self,
        design,
        y,
        weight,
        pointwise,
        penalty,
        fitted,
        link,
        mass=None,
        labels=None,
    ):
        super().__init__(design, link, labels)
        self.y, self.weight, self.pointwise = y, weight, pointwise
        self.penalty, self.mass = penalty, mass
        self.penalties = Penalty(penalty, weight, mass, design.scales)
        self._set_optimum(self._optimum(penalty, fitted[0])[None], fitted)

    def _optimum(self, penalty, start):
        """Minimise F by Newton steps from ``start``, or from zero.

        Where an unfinished fit predicts its rows with probabilities that are zero to
        rounding, F has no curvature from which a step could be found.
        """
        X = self.design.rows
        for first in (start, np.zeros_like(start)):
            args = X, X @ first, self.y, self.weight[None], self.pointwise, penalty
            # far from the optimum, damped steps are small
            u, converged = minimise_each(*args, penalty * first, max_iter=1000)
            if converged[0]:
                return self._polished(first + u[0], penalty)
        raise UnsupportedEstimator(
            "The training objective has no unique finite optimum: the classes are "
            "separable, the rows of positive sample_weight have one class only, or "
            "columns depend on each other, and no penalty decides. Add a penalty, or "
            "use solver='refit'."
        )

    def _polished(self, theta, penalty):
        """Go on by orthogonal factors where the Hessian has too few digits."""
        X = self.design.rows
        eta = X @ theta
        curvature = self.weight * self.pointwise.derivatives(eta, self.y)[1]
        hessian = hessians(X, curvature[None])[0] + np.diag(penalty)
        if cholesky(hessian)[1] <= TRUSTED:
            return theta
        factor = OrthogonalFactor(X, curvature, penalty)
        root = factor.root_inverse()
        args = factor.whitened(X), eta, self.y, self.weight[None], self.pointwise
        pull = root.T @ (penalty * theta)
        u, converged = minimise_each(*args, factor.penalty, pull)
        return theta + root @ u[0] if converged[0] else theta

    @property
    def penalises_columns(self):
        return bool(np.all(self.penalty[: -1 if self.design.intercept else None] > 0))

    @property
    def follows_scales(self):
        return self.design.scales is not None

    def _without_one(self):
        """Base and its penalty for removals of one row, and what R_i exceeds it by.

        The base of a penalty that depends on rows is that of an average removal, so
        that only a row's difference from the average is left to the steps.
        """
        if self.penalties.constant:
            return self.theta[0], self.penalty, None
        excess = self.penalties.without()
        penalty = excess.mean(axis=0)
        excess -= penalty
        theta = self._optimum(penalty, self.theta[0])
        if np.all(np.abs(excess) <= 1e-14 * penalty):
            excess = None
        return theta, penalty, excess

    def _first_order_rows(self, damping):
        factor, normal, curvature, penalty = self._derivatives(damping)
        lift, rows, drift = normal.lift, None, None
        if not normal.trusted:
            orthogonal = OrthogonalFactor(self.design.rows, curvature, penalty)
            lift, rows = (
                orthogonal.root_inverse(),
                orthogonal.whitened(self.design.rows),
            )
        if self.mass is self.weight:
            # else the penalty does not depend on weights
            share, pull = self.weight / self.weight.sum(), self.penalty * self.theta[0]
            solved = lift @ pull if rows is None else lift @ (lift.T @ pull)
            drift = share, solved[None]
        none = np.empty(0, dtype=np.intp)
        return RankOneRemovals(self, lift, factor[:, None], none, True, drift, rows)

    def _derivatives(self, damping):
        """Weighted first and second derivatives at the optimum, and the Hessian."""
        X = self.design.rows
        first, second, _ = self.pointwise.derivatives(X @ self.theta[0], self.y)
        factor, curvature = self.weight * first, self.weight * second
        penalty, hessian = self.penalty + damping, hessians(X, curvature[None])[0]
        return factor, NormalFactor(X, curvature, penalty, hessian), curvature, penalty

    def _newton_rows(self, damping):
        if self.mass is None:
            factor, normal, _, _ = self._derivatives(damping)
            gap = normal.gaps() if normal.trusted else None
            if gap is not None:
                factor, none = (factor / gap)[:, None], np.empty(0, dtype=np.intp)
                return RankOneRemovals(self, normal.lift, factor, none, False)
        self._check_moves(len(self.y))
        base = Whitened(self, self.theta[0], self.penalty, damping)
        moves = base.to_theta(base.newton_steps(self.penalties.shares()))
        if damping:  # one step, an approximation of what it is
            return self._moved(moves[:, None])
        unresolved = self._alone(moves, base.rough(ROUGH), STEP_TOLERANCE, True)
        return self._moved(moves[:, None], unresolved)

    def _exact_rows(self, tol):
        self._check_moves(len(self.y))
        theta, penalty, excess = self._without_one()
        base = Whitened(self, theta, penalty)
        rough = np.union1d(
            base.rough(ROUGH), np.flatnonzero(self.penalties.collapsed())
        )
        climbing = None
        if len(rough):
            climbing = np.setdiff1d(np.arange(len(self.y)), rough)
        u, unresolved = Ladder(base, excess).climb(tol, climbing)
        moves = base.to_theta(u)
        if not self.penalties.constant:
            moves += theta - self.theta[0]
        if self.penalties.scales is None:
            moves[(self.weight == 0) & (self.mass is None or self.mass == 0)] = 0.0
        failed = self._alone(moves, rough, tol)
        return self._moved(moves[:, None], np.union1d(unresolved, failed))

    def _alone(self, moves, rough, tol, one_step=False, masks=None):
        """Solve again without each row, or set of rows, of ``rough``, in place.

        Returns those that have no accurate solution either.
        """
        unresolved = []
        if masks is None:
            masks = rough[:, None] == np.arange(len(self.y))
        else:
            masks = masks[rough]
        penalties = self.penalties
        if one_step:  # which holds the scaler fixed
            penalties = Penalty(self.penalty, self.weight, self.mass)
        for g, mask in zip(rough, masks, strict=True):
            penalty = penalties.without(mask[None])[0]
            move = move_without(self, mask, penalty, tol, one_step)
            if move is None:
                unresolved.append(g)
            moves[g] = 0.0 if move is None else move
        return np.array(unresolved, dtype=np.intp)

    def _exact_groups(self, masks, tol):
        base = Whitened(self, self.theta[0], self.penalty)
        u = np.zeros((len(masks), base.Z.shape[1]))
        converged = np.ones(len(masks), dtype=bool)
        for chunk in row_chunks(len(masks), 16 * len(self.y)):
            weights = self.weight - masks[chunk] * self.weight
            hessian, pull = base.P[None], base.pull[None]
            if not self.penalties.constant:
                excess = self.penalties.without(masks[chunk]) - self.penalty
                hessian, pull = base.penalty_with(excess)
            args = base.Z, base.eta, self.y, weights, self.pointwise
            u[chunk], converged[chunk] = minimise_each(*args, hessian, pull)
        u[~converged] = 0.0
        collapsed = np.flatnonzero(self.penalties.collapsed(masks))
        moves = base.to_theta(u)
        rough = np.union1d(base.rough_groups(masks, ROUGH), collapsed)
        converged[rough] = True
        converged[self._alone(moves, rough, tol, masks=masks)] = False
        return self._moved(moves[:, None], np.flatnonzero(~converged))

    def _newton_groups(self, masks, damping):
        base = Whitened(self, self.theta[0], self.penalty, damping)
        u = np.zeros((len(masks), base.Z.shape[1]))
        for chunk in row_chunks(len(masks), 16 * len(self.y)):
            weights = self.weight - masks[chunk] * self.weight
            share = self.penalties.shares(masks[chunk])
            u[chunk] = base.group_newton_step(weights, share)
        moves = base.to_theta(u)
        if damping:  # one step, an approximation of what it is
            return self._moved(moves[:, None])
        rough = base.rough_groups(masks, ROUGH)
        unresolved = self._alone(moves, rough, STEP_TOLERANCE, True, masks)
        return self._moved(moves[:, None], unresolved)
