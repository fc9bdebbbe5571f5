"""Squared loss: rows leave in closed form (Cook 1977; Allen's PRESS, 1974)."""

import numpy as np

from skinfluence.removal.linear._linear import STEP_TOLERANCE, LinearModel
from skinfluence.removal.linear._moved_coefficients import RankOneRemovals
from skinfluence.removal.linear._normal_equations import NormalFactor
from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._penalty import COLLAPSE, Penalty
from skinfluence.removal.linear._refined import refined
from skinfluence.removal.linear._rescaled_squares import moves_without_rows
from skinfluence.removal.linear._solved_without import moves_without

# Rows are solved again without them from so many times the bound of that solution on.
DOUBTFUL = 10
# Multiplications (n p^2 for each) that this may take where the tolerance does not ask
# for it, some seconds.
AFFORDABLE = 5 * 10**9


def _doubt(factor, bound, tol):
    """Bounds of rows or sets that are to be solved again without them, else zeros."""
    if isinstance(factor, NormalFactor):
        return np.zeros_like(bound)
    good = bound <= min(DOUBTFUL * factor.solution_rounding, tol)
    return np.where(good, 0.0, bound)


class Quadratic(LinearModel):
    r"""Minimiser of ``sum_j s_j |y_j - x_j' theta|^2 + theta' R theta``, per output.

    With ``H = X' S X + R``, ``h_i = x_i' H^{-1} x_i``, leverage ``s_i h_i`` and
    residual ``e_i``, the coefficients without row i move by exactly

    .. math:: \Delta_i = -H^{-1} x_i \, s_i e_i / (1 - s_i h_i)

    and without a set S by ``-H^{-1} X_S' (I - S_S K_SS)^{-1} S_S e_S`` with
    ``K = X_S H^{-1} X_S'``. Cost O(n p^2) once, O(p^2) per row,
    O(|S| p^2 + |S|^3) per set. One Newton step is the exact answer.

    All this is done by normal equations where their rounding errors are small, else
    by orthogonal factors (`OrthogonalFactor`). Rows and sets whose bound is still
    larger than that of a solution without them, because one minus their leverage is
    nearly nothing, are solved again without them (`_solved_without`), O(n p^2) each.
    Where that would take more than seconds, only those whose bound exceeds the
    tolerance are. Those that miss the tolerance there too are unresolved.

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
        zeros = np.zeros((X.shape[1], 1))
        # Outputs that share a penalty share the factorisation.
        self.penalties, which = np.unique(penalty, axis=0, return_inverse=True)
        self.which, self._orthogonal = which.ravel(), {}
        self._normal = [self._normal_factor(diagonal) for diagonal in self.penalties]
        for key in range(len(self.penalties)):
            factor, outputs = self._factor(key), self._outputs(key)
            # The residuals are what influence is made of.
            theta[outputs] = refined(factor, X, targets[:, outputs], zeros).T
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
        """Return a factor, jumps c of shape (n, outputs), and doubts, see `_doubt`.

        Row i moves coefficients by ``-factor.lift @ factor.rows[i] c_i``.
        """
        factor = self._factor(key, damping)
        doubt = np.zeros(len(self.weight))
        gaps = factor.gaps()
        if gaps is None:
            factor = self._orthogonal_factor(key, damping)
            gaps = factor.gaps()
        pull = self._pull(key, factor)
        if isinstance(factor, OrthogonalFactor):
            residual = self.residual[:, self._outputs(key)]
            doubt = _doubt(factor, factor.rounding(gaps, pull, residual), tol)
            gaps = np.where(doubt <= tol, gaps, 1.0)
        return factor, pull / gaps[:, None], doubt

    def _first_jumps(self, key, damping):
        """The same to first order: the gradients, all of which are accurate."""
        factor = self._factor(key, damping)
        return factor, self._pull(key, factor), np.zeros(len(self.weight))

    def _rows_by_jumps(self, jumps_of, tol, damping, first_order=False):
        """Removals of single rows, from what ``jumps_of`` finds for each penalty."""
        n = len(self.weight)
        factor, jumps, doubt = jumps_of(0)
        if len(self.penalties) == 1 and not self._affordable(doubt, tol).any():
            none = np.empty(0, dtype=np.intp)
            return RankOneRemovals(
                self, factor.lift, -jumps, none, first_order, rows=factor.rows
            )
        self._check_moves(n)
        moves = np.empty((n, *self.theta.shape))
        for key in range(len(self.penalties)):
            if key > 0:
                factor, jumps, more = jumps_of(key)
                doubt = np.maximum(doubt, more)
            lifted = factor.rows @ factor.lift.T
            for place, output in enumerate(self._outputs(key)):
                np.multiply(lifted, -jumps[:, [place]], out=moves[:, output])
        found = self._resolved(moves, doubt, tol, damping)
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
        scales = self.variances.without()
        # the penalty without these rows is no small change of it
        doubt = np.where((scales < COLLAPSE).any(axis=1), np.inf, 0.0)
        for key, penalty in enumerate(self.penalties):
            outputs = self._outputs(key)
            factor, jumps, more = self._jumps(key, tol, 0.0)
            doubt = np.maximum(doubt, more)
            rest = self.theta[outputs], scales - 1, penalty, ~(doubt <= tol)
            found = moves_without_rows(factor, jumps, *rest)
            if found is None:
                factor = self._orthogonal_factor(key)
                gaps = np.where(more <= tol, factor.gaps(), 1.0)[:, None]
                jumps = self._pull(key, factor) / gaps
                found = moves_without_rows(factor, jumps, *rest)
            moves[:, outputs] = found
        found = self._resolved(moves, doubt, tol, 0.0, scales=scales)
        return self._moved(*found)

    def _affordable(self, doubt, tol):
        """Doubts without those that meet ``tol``, where all would take too long."""
        cost = np.count_nonzero(doubt) * self.design.rows.size * self.theta.shape[1]
        return doubt if cost <= AFFORDABLE else np.where(doubt <= tol, 0.0, doubt)

    def _resolved(self, moves, doubt, tol, damping, masks=None, scales=None):
        """Solve again without the rows, or sets of them, in doubt, in place."""
        rough = np.flatnonzero(~(doubt <= tol))
        if damping:  # one step, an approximation of what it is
            return moves, rough[:0]
        keys = range(len(self.penalties)) if len(rough) else ()
        if any(self._orthogonal_factor(k).solution_rounding > tol for k in keys):
            return moves, rough
        again = np.flatnonzero(self._affordable(doubt, tol))
        everyone = np.arange(len(self.weight))
        gone = again[:, None] == everyone if masks is None else masks[again]
        scales = None if scales is None else scales[again]
        found, unsolved = moves_without(self, gone, tol, scales)
        solved = np.setdiff1d(np.arange(len(again)), unsolved)
        moves[again[solved]] = found[solved]
        return moves, np.intersect1d(again[unsolved], rough)

    def _exact_groups(self, masks, tol):
        if self.variances.constant:
            return self._groups(masks, tol, 0.0)
        scales = self.variances.without(masks)
        return self._moved(*moves_without(self, masks, tol, scales))

    def _newton_groups(self, masks, damping):
        return self._groups(masks, STEP_TOLERANCE, damping)

    def _groups(self, masks, tol, damping):
        """Removals of sets of rows: of a quadratic, one step is the exact answer."""
        moves = np.empty((len(masks), *self.theta.shape))
        doubt = np.zeros(len(masks))
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
                    doubt[g] = np.maximum(doubt[g], _doubt(used, bound, tol))
                moves[g, outputs] = -(used.rows[rows].T @ jumps).T @ used.lift.T
        return self._moved(*self._resolved(moves, doubt, tol, damping, masks))

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
