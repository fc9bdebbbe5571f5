"""Squared loss: rows leave in closed form (Cook 1977; Allen's PRESS, 1974)."""

import numpy as np

from skinfluence.removal.linear._linear import (
    STEP_TOLERANCE,
    LinearModel,
    RankOneRemovals,
)
from skinfluence.removal.linear._normal_equations import NormalFactor
from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._penalty import COLLAPSE, Penalty
from skinfluence.removal.linear._rescaled_squares import moves_without_rows
from skinfluence.removal.linear._solved_without import moves_without


class Quadratic(LinearModel):
    r"""Minimiser of ``sum_j s_j |y_j - x_j' theta|^2 + theta' R theta``, per output.

    With ``H = X' S X + R``, ``h_i = x_i' H^{-1} x_i``, leverage ``s_i h_i`` and
    residual ``e_i``, the coefficients without row i move by exactly

    .. math:: \Delta_i = -H^{-1} x_i \, s_i e_i / (1 - s_i h_i)

    and without a set S by ``-H^{-1} X_S' (I - S_S K_SS)^{-1} S_S e_S`` with
    ``K = X_S H^{-1} X_S'``. Cost O(n p^2) once, O(p^2) per row,
    O(|S| p^2 + |S|^3) per set. One Newton step is the exact answer.

    All this is done by normal equations where their rounding errors are small, else
    by orthogonal factors (`OrthogonalFactor`). Rows and sets whose bound still exceeds
    the tolerance, because one minus their leverage is nearly nothing, are solved again
    without them (`_solved_without`), O(n p^2) each; those that have no accurate
    solution there either are unresolved.

    Parameters
    ----------
    targets : ndarray of shape (n, k)
        One column per output.
    penalty : ndarray of shape (k, p)
        Diagonal of R, for each output.
    link : str, default="identity"
        "margin" for ridge classifiers.
    """

    def __init__(
        self, design, targets, weight, penalty, fitted, link="identity", labels=None
    ):
        super().__init__(design, link, labels)
        self.weight, self.targets = weight, targets
        # Without penalty there is nothing to multiply.
        scales = design.scales if np.any(penalty) else None
        self.variances = Penalty(np.ones(design.rows.shape[1]), weight, scales=scales)
        X = design.rows
        self.gram = X.T @ (weight[:, None] * X)
        theta = np.zeros((targets.shape[1], X.shape[1]))
        # Outputs that share a penalty share the factorisation.
        self.penalties, which = np.unique(penalty, axis=0, return_inverse=True)
        self.which, self._orthogonal = which.ravel(), {}
        self._normal = [self._normal_factor(diagonal) for diagonal in self.penalties]
        for key in range(len(self.penalties)):
            factor, outputs = self._factor(key), self._outputs(key)
            # The second time is a step of iterative refinement: the residuals are
            # what influence is made of.
            for _ in range(2):
                residual = targets[:, outputs] - X @ theta[outputs].T
                theta[outputs] += factor.solve(residual, theta[outputs].T).T
        self._set_optimum(theta, fitted)
        self.residual = targets - X @ theta.T

    def _outputs(self, key):
        return np.flatnonzero(self.which == key)

    def _normal_factor(self, diagonal):
        return NormalFactor(self.design.rows, self.weight, diagonal, self.gram)

    def _orthogonal_factor(self, key, damping=0.0):
        """The factor that always is accurate, made when it is first needed."""
        diagonal = self.penalties[key] + damping
        args = self.design.rows, self.weight, diagonal, self.free_intercept
        if damping:
            return OrthogonalFactor(*args)
        if key not in self._orthogonal:
            self._orthogonal[key] = OrthogonalFactor(*args)
        return self._orthogonal[key]

    def _factor(self, key, damping=0.0):
        """The cheapest factor whose solutions are accurate."""
        normal = self._normal[key]
        if damping:
            normal = self._normal_factor(self.penalties[key] + damping)
        return normal if normal.trusted else self._orthogonal_factor(key, damping)

    def _pull(self, key, factor):
        """Gradients of all rows over their coordinates in ``factor``."""
        outputs = self._outputs(key)
        if isinstance(factor, OrthogonalFactor):
            factor = self._orthogonal_factor(key)  # what is left at the optimum
        return factor.pull(self.targets[:, outputs], self.residual[:, outputs])

    @property
    def penalises_columns(self):
        features = slice(-1 if self.design.intercept else None)
        return bool(np.all(self.penalties[:, features] > 0))

    @property
    def follows_scales(self):
        if self.design.scales is None or np.any(self.penalties):
            return self.design.scales is not None
        # Without penalty, scales matter to the smallest of several solutions only.
        size = np.sqrt(np.diag(self.gram))
        size[size == 0] = 1.0
        values, vectors = np.linalg.eigh(self.gram / np.multiply.outer(size, size))
        null = vectors[:, values < 1e-9 * values[-1]]
        null = null[:, (null**2)[self.design.scales.columns].sum(axis=0) > 1e-9]
        return not null.size

    def _jumps(self, key, tol, damping):
        """Return a factor, jumps c of shape (n, outputs), and rows that miss ``tol``.

        Row i moves coefficients by ``-factor.lift @ factor.rows[i] c_i``.
        """
        factor = self._factor(key, damping)
        rough = np.zeros(len(self.weight), dtype=bool)
        gaps = factor.gaps()
        if gaps is None:
            factor = self._orthogonal_factor(key, damping)
            gaps = factor.gaps()
        pull = self._pull(key, factor)
        if isinstance(factor, OrthogonalFactor):
            residual = self.residual[:, self._outputs(key)]
            rough = ~(factor.rounding(gaps, pull, residual) <= tol)
            gaps = np.where(rough, 1.0, gaps)
        return factor, pull / gaps[:, None], rough

    def _first_jumps(self, key, damping):
        """The same to first order: the gradients, all of which are accurate."""
        factor = self._factor(key, damping)
        rough = np.zeros(len(self.weight), dtype=bool)
        return factor, self._pull(key, factor), rough

    def _rows_by_jumps(self, jumps_of, tol, damping, first_order=False):
        """Removals of single rows, from what ``jumps_of`` finds for each penalty."""
        n = len(self.weight)
        factor, jumps, rough = jumps_of(0)
        if len(self.penalties) == 1 and not rough.any():
            none = np.empty(0, dtype=np.intp)
            return RankOneRemovals(
                self, factor.lift, -jumps, none, first_order, rows=factor.rows
            )
        self._check_moves(n)
        moves = np.empty((n, *self.theta.shape))
        for key in range(len(self.penalties)):
            if key > 0:
                factor, jumps, some = jumps_of(key)
                rough |= some
            lifted = factor.rows @ factor.lift.T
            for place, output in enumerate(self._outputs(key)):
                np.multiply(lifted, -jumps[:, [place]], out=moves[:, output])
        rough = np.flatnonzero(rough)
        masks = rough[:, None] == np.arange(n)
        found = self._resolved(moves, rough, masks, tol, damping)
        return self._moved(*found, first_order)

    def _exact_rows(self, tol):
        if not self.variances.constant:
            return self._rescaled_rows(tol)
        return self._rows_by_jumps(lambda key: self._jumps(key, tol, 0.0), tol, 0.0)

    def _newton_rows(self, damping):
        tol = STEP_TOLERANCE
        return self._rows_by_jumps(
            lambda key: self._jumps(key, tol, damping), tol, damping
        )

    def _first_order_rows(self, damping):
        return self._rows_by_jumps(
            lambda key: self._first_jumps(key, damping), STEP_TOLERANCE, damping, True
        )

    def _rescaled_rows(self, tol):
        """Exact removals of single rows that change the penalty."""
        n = len(self.weight)
        self._check_moves(n)
        moves = np.empty((n, *self.theta.shape))
        scales = self.variances.without_rows()
        # what is left of the penalty is no small change of it
        rough = (scales < COLLAPSE).any(axis=1)
        for key, penalty in enumerate(self.penalties):
            outputs = self._outputs(key)
            factor, jumps, some = self._jumps(key, tol, 0.0)
            rough |= some
            rest = self.theta[outputs], scales - 1, penalty, rough
            found = moves_without_rows(factor, jumps, *rest)
            if found is None:
                factor = self._orthogonal_factor(key)
                gaps = np.where(some, 1.0, factor.gaps())[:, None]
                jumps = self._pull(key, factor) / gaps
                found = moves_without_rows(factor, jumps, *rest)
            moves[:, outputs] = found
        rough = np.flatnonzero(rough)
        masks = rough[:, None] == np.arange(n)
        return self._moved(
            *self._resolved(moves, rough, masks, tol, 0.0, scales[rough])
        )

    def _resolved(self, moves, rough, masks, tol, damping, scales=None):
        """Solve again without the sets that missed ``tol``, in place."""
        if damping:  # one step, an approximation of what it is
            return moves, np.empty(0, dtype=np.intp)
        keys = range(len(self.penalties)) if len(rough) else ()
        if any(self._orthogonal_factor(k).solution_rounding > tol for k in keys):
            return moves, rough
        moves[rough], unresolved = moves_without(self, masks, tol, scales)
        return moves, rough[unresolved]

    def _exact_groups(self, masks, tol):
        if self.variances.constant:
            return self._groups(masks, tol, 0.0)
        scales = self.variances.without_groups(masks)
        return self._moved(*moves_without(self, masks, tol, scales))

    def _newton_groups(self, masks, damping):
        return self._groups(masks, STEP_TOLERANCE, damping)

    def _groups(self, masks, tol, damping):
        """Removals of sets of rows: of a quadratic, one step is the exact answer."""
        moves = np.empty((len(masks), *self.theta.shape))
        rough = np.zeros(len(masks), dtype=bool)
        for key in range(len(self.penalties)):
            factor, outputs = self._factor(key, damping), self._outputs(key)
            pull = self._pull(key, factor)
            for g, mask in enumerate(masks):
                rows = np.flatnonzero(mask & (self.weight > 0))
                used, jumps = factor, pull[rows]
                if len(rows):
                    used, jumps, bound = self._group_jumps(
                        key, factor, rows, jumps, damping
                    )
                    rough[g] |= not bound <= tol
                moves[g, outputs] = -(used.rows[rows].T @ jumps).T @ used.lift.T
        rough = np.flatnonzero(rough)
        return self._moved(*self._resolved(moves, rough, masks[rough], tol, damping))

    def _first_order_groups(self, masks, damping):
        moves = np.empty((len(masks), *self.theta.shape))
        for key in range(len(self.penalties)):
            factor, pull, _ = self._first_jumps(key, damping)
            for g, mask in enumerate(masks):
                rows = np.flatnonzero(mask & (self.weight > 0))
                jumps = factor.rows[rows].T @ pull[rows]
                moves[g, self._outputs(key)] = -jumps.T @ factor.lift.T
        return self._moved(moves, first_order=True)

    def _group_jumps(self, key, factor, rows, pull, damping):
        """Return the factor that was good enough, the jumps and their error bound."""
        if isinstance(factor, NormalFactor):
            jumps = factor.without(rows, pull)
            if jumps is not None:
                return factor, jumps, 0.0
            factor = self._orthogonal_factor(key, damping)
        outputs = self._outputs(key)
        if damping:
            pull = self._pull(key, factor)[rows]
            return factor, *factor.step_without(rows, pull)
        outputs = self.targets[:, outputs], self.residual[:, outputs]
        return factor, *factor.without(rows, *outputs)
