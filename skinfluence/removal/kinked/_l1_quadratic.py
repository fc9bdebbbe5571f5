"""Squared loss with an L1 penalty: rows leave by steps between sets of signs."""

from functools import partial

import numpy as np
import scipy.linalg as sla

from skinfluence.removal._dispatch import UnsupportedEstimator, refuse
from skinfluence.removal.kinked._l1 import minimise, minimise_screened, violation
from skinfluence.removal.kinked._l1_piece import Piece
from skinfluence.removal.linear._linear import LinearModel

# Removed rows whose gradients are checked together.
BATCH = 512
# Rounding of a gradient, relative to its terms, and the share of them that a penalty
# has to be for its conditions to be told from rounding.
NOISE, WEAK = 1e-11, 5e-11


class L1Quadratic(LinearModel):
    r"""Minimiser of ``sum_j s_j (y_j - x_j'theta)^2 / 2 + P(theta)``, per output, with
    ``P = sum_j l1_j |theta_j| + l2_j theta_j^2 / 2``, proportional to ``sum_j s_j``.

    A row takes its share of the penalty with it: ``share_i = 1 - s_i / sum_j s_j`` is
    left. The base is solved once at the share of an average removal. While the set A
    of coefficients in use keeps its signs, the objective without row i is quadratic,
    and the minimiser moves by

    .. math::
        \Delta_A = -(H_A - s_i x_i x_i')^{-1} (s_i e_i x_i
        + (share_i - share) \nabla P)_A, \quad H_A = X_A' S X_A + share_i\, l2_A

    with residual e. Where a sign flips, or a gradient outside A exceeds its penalty,
    coefficients leave or enter A and the step is taken again: the changes border
    ``H_A``, whose eigenvectors serve every row. All rows of a batch share matrix
    products. A move is accepted when the optimality conditions hold, so it is exact;
    rows that still change after 30 steps are minimised one by one
    (feature-sign search). `newton` is the first step, from the full optimum,
    `first_order` the same without the rank-one term. The tolerance is not used.

    Cost O(n p^2 + p^3) once and per row and step O(p^2 + q^2 a + q^3) with a
    coefficients in use and q changes. Memory O(n p + p^2). Unresolved are rows
    without a unique minimiser (fewer rows than coefficients in use).

    Parameters
    ----------
    targets : ndarray of shape (n, k)
        One column per output.
    l1, l2 : ndarray of shape (p,)
        Penalties with all rows; zero for the intercept.
    positive : bool, default=False
        Whether coefficients (but the intercept) must not be negative.

    References
    ----------
    .. [1] M. Osborne, B. Presnell, B. Turlach, "A new approach to variable selection
       in least squares problems", IMA Journal of Numerical Analysis 20(3), 2000.
    """

    def __init__(self, design, targets, weight, l1, l2, fitted, positive=False):
        super().__init__(design)
        self.weight, self.targets = weight, targets
        self.l1, self.l2, self.positive = l1, l2, positive
        p = design.rows.shape[1]
        self.free = (l1 == 0) & (not positive)
        if design.intercept:
            self.free[-1] = True
        self.gram = design.rows.T @ (weight[:, None] * design.rows)
        self.moment = (weight[:, None] * targets).T @ design.rows
        weak = (l1 > 0) & (l1 < WEAK * np.abs(self.moment).max(axis=0, initial=0.0))
        if weak.any():
            refuse(
                design.estimator,
                "alpha",
                "rounding decides which coefficients so weak a penalty leaves out",
            )
        theta = np.empty((targets.shape[1], p))
        for k, start in enumerate(fitted):
            optimum = self.minimise(k, np.empty(0, dtype=np.intp), 1.0, start)
            if optimum is None:
                raise UnsupportedEstimator(
                    "The training objective has no unique optimum: columns in use "
                    "depend on each other. Drop duplicates, add an L2 penalty, or use "
                    "solver='refit'."
                )
            theta[k] = optimum
        self._set_optimum(theta, fitted)

    def minimise(self, k, rows, share, start):
        """Minimise one problem without some rows; None if that is not unique."""
        X, s = self.design.rows[rows], self.weight[rows]
        moment = self.moment[k] - (s * self.targets[rows, k]) @ X
        l1, noise = share * self.l1, NOISE * (share * self.l1 + np.abs(moment))

        def slack_at(theta):
            part = np.flatnonzero(theta)
            grad = self.gram[:, part] @ theta[part] - moment
            grad -= (s * (X[:, part] @ theta[part])) @ X
            return violation(grad, l1, self.positive)

        def solve(part, theta):
            some = X[:, part]
            hessian = self.gram[np.ix_(part, part)] - some.T @ (s[:, None] * some)
            hessian[np.diag_indices_from(hessian)] += share * self.l2[part]
            args = hessian, moment[part], l1[part], self.free[part], theta
            return minimise(*args, self.positive)

        return minimise_screened(start, self.free, l1, slack_at, noise, solve)

    def _exact_rows(self, tol):
        moves = self._zeros(len(self.weight))
        rows = np.flatnonzero(self.weight > 0)
        share, lost = 1.0, []
        if len(rows) > 1:
            share = 1 - self.weight[rows].mean() / self.weight.sum()
        for k in range(len(self.theta)):
            piece = Piece(self, k, share, 0.0)
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                first = piece.newton_step(batch, refuse_dependent=True)
                new, failed = piece.refine(batch, first)
                moves[batch, k] = (piece.theta + new) - self.theta[k]
                moves[batch[failed], k] = 0.0
                lost.append(batch[failed])
        lost = np.unique(np.concatenate(lost)) if lost else rows[:0]
        return self._moved(moves, lost)

    def _newton_rows(self, damping):
        return self._moved(self._steps(damping, Piece.newton_step))

    def _first_order_rows(self, damping):
        return self._moved(
            self._steps(damping, Piece.first_order_step), first_order=True
        )

    def _zeros(self, n_removals):
        self._check_moves(n_removals)
        return np.zeros((n_removals, *self.theta.shape))

    def _steps(self, damping, step):
        """Moves without single rows, signs held."""
        moves, rows = self._zeros(len(self.weight)), np.flatnonzero(self.weight > 0)
        for k in range(len(self.theta)):
            piece = Piece(self, k, 1.0, damping)
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                moves[batch, k] = step(piece, batch)
        return moves

    def _exact_groups(self, masks, tol):
        return self._ends_of_groups(masks, self.minimise)

    def _newton_groups(self, masks, damping):
        return self._ends_of_groups(masks, partial(self._group_step, damping=damping))

    def _ends_of_groups(self, masks, end):
        def move(g, rows):
            share = np.delete(self.weight, rows).sum() / self.weight.sum()
            ends = [end(k, rows, share, theta) for k, theta in enumerate(self.theta)]
            lost = any(theta is None for theta in ends)
            return None if lost else np.array(ends) - self.theta

        return self._each_group(masks, move)

    def _group_step(self, k, rows, share, theta, damping):
        """End of one Newton step, signs held."""
        A = np.flatnonzero((theta != 0) | self.free)
        X, s = self.design.rows[np.ix_(rows, A)], self.weight[rows]
        hessian = self.gram[np.ix_(A, A)] - X.T @ (s[:, None] * X)
        gradient = hessian @ theta[A] - self.moment[k, A]
        gradient += (s * self.targets[rows, k]) @ X
        gradient += share * (self.l2 * theta + self.l1 * np.sign(theta))[A]
        hessian += np.diag(share * self.l2[A] + damping)
        end = theta.copy()
        try:
            end[A] -= sla.solve(hessian, gradient, assume_a="pos")
        except np.linalg.LinAlgError:
            return None
        return end
