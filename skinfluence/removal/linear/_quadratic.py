"""Squared loss: rows leave in closed form (Cook 1977; Allen's PRESS, 1974)."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal.linear._linear import LinearModel, RankOneRemovals
from skinfluence.removal.linear._penalty import Penalty

# A row whose leverage is this close to one determines a direction on its own:
# what is left of the model there is a convention, not a minimiser.
FULL_LEVERAGE = 1 - 1e-9


class Quadratic(LinearModel):
    r"""Minimiser of ``sum_j s_j |y_j - x_j' theta|^2 + theta' R theta``, per output.

    With ``H = X' S X + R``, ``h_i = x_i' H^{-1} x_i``, leverage ``s_i h_i`` and
    residual ``e_i``, the coefficients without row i move by exactly

    .. math:: \Delta_i = -H^{-1} x_i \, s_i e_i / (1 - s_i h_i)

    and without a set S by ``-H^{-1} X_S' (I - S_S K_SS)^{-1} S_S e_S`` with
    ``K = X_S H^{-1} X_S'``. Cost O(n p^2) once, O(p^2) per row,
    O(|S| p^2 + |S|^3) per set. One Newton step is the exact answer.

    Parameters
    ----------
    design : Design
        Rows and their handling.
    targets : ndarray of shape (n, k)
        One column per output.
    weight : ndarray of shape (n,)
        Sample weights.
    penalty : ndarray of shape (k, p)
        Diagonal of R, for each output.
    fitted : ndarray of shape (k, p)
        Coefficients that scikit-learn returned.
    link : str, default="identity"
        "margin" for ridge classifiers.
    """

    def __init__(self, design, targets, weight, penalty, fitted, link="identity"):
        self.design, self.link, self.weight = design, link, weight
        self.variances = Penalty(np.ones(design.rows.shape[1]), weight)
        X, n_outputs = design.rows, targets.shape[1]
        self.gram = X.T @ (weight[:, None] * X)
        moment = X.T @ (weight[:, None] * targets)
        theta = np.empty((n_outputs, X.shape[1]))
        # Outputs that share a penalty share the factorisation.
        self.penalties, which = np.unique(penalty, axis=0, return_inverse=True)
        self.which = which.ravel()
        for key, diagonal in enumerate(self.penalties):
            outputs = np.flatnonzero(self.which == key)
            inverse = _inverse(self.gram + np.diag(diagonal))
            solution = inverse @ moment[:, outputs]
            # One step of iterative refinement: the normal equations square the
            # condition number, and the residuals are what influence is made of.
            residual = weight[:, None] * (targets[:, outputs] - X @ solution)
            solution += inverse @ (X.T @ residual - diagonal[:, None] * solution)
            theta[outputs] = solution.T
        self._set_optimum(theta, fitted)
        self.residual = targets - X @ theta.T

    def _lifted(self, damping):
        """``X H^{-1}`` for each distinct penalty."""
        X = self.design.rows
        return [
            X @ _inverse(self.gram + np.diag(diagonal + damping))
            for diagonal in self.penalties
        ]

    @property
    def penalises_columns(self):
        """Implement `LinearModel.penalises_columns`."""
        features = slice(-1 if self.design.intercept else None)
        return bool(np.all(self.penalties[:, features] > 0))

    def follow_scales(self, scales):
        """Implement `LinearModel.follow_scales`."""
        if np.any(self.penalties):
            self.variances.follow_scales(scales)
            return True
        # Without penalty, scales matter to the smallest of several solutions only.
        size = np.sqrt(np.diag(self.gram))
        size[size == 0] = 1.0
        values, vectors = np.linalg.eigh(self.gram / np.multiply.outer(size, size))
        null = vectors[:, values < 1e-9 * values[-1]]
        null = null[:, (null**2)[scales.columns].sum(axis=0) > 1e-9]
        return not null.size

    def _rank_one(self, step, damping):
        if len(self.penalties) > 1:  # outputs with inverses of their own
            return None
        if step == "exact" and not self.variances.constant:
            return None
        X = self.design.rows
        damping = 0.0 if step == "exact" else damping
        inverse = _inverse(self.gram + np.diag(self.penalties[0] + damping))
        factor = -self.weight[:, None] * self.residual
        full = np.zeros(len(X), dtype=bool)
        if step != "infinitesimal":
            leverage = self.weight * np.einsum("ij,ij->i", X @ inverse, X)
            full = leverage > FULL_LEVERAGE
            factor /= np.where(full, 1.0, 1.0 - leverage)[:, None]
        first_order = step == "infinitesimal"
        return RankOneRemovals(self, inverse, factor, np.flatnonzero(full), first_order)

    def _displacements(self, step, tol, damping):
        if step == "exact" and not self.variances.constant:
            return self._rescaled_rows()
        X = self.design.rows
        moves = np.empty((len(X), len(self.theta), X.shape[1]))
        unresolved = np.zeros(len(X), dtype=bool)
        for key, lifted in enumerate(self._lifted(0.0 if step == "exact" else damping)):
            scale = self.weight[:, None] * self.residual
            if step != "infinitesimal":
                leverage = self.weight * np.einsum("ij,ij->i", lifted, X)
                full = leverage > FULL_LEVERAGE
                unresolved |= full
                scale /= np.where(full, 1.0, 1.0 - leverage)[:, None]
            for output in np.flatnonzero(self.which == key):
                np.multiply(lifted, -scale[:, [output]], out=moves[:, output])
        return moves, np.flatnonzero(unresolved)

    def _rescaled_rows(self):
        r"""Moves when each removal rescales the penalty, R_i = R + E_i.

        ``(H - s_i x_i x_i' + E_i) \Delta = -s_i e_i x_i - E_i theta``: fixed-point
        steps with the rank-one inverse, which contract by about the leverage of the
        row in its own column; a solve of its own for a row where they do not.
        """
        X, w = self.design.rows, self.weight
        change = self.variances.without_rows() - 1
        moves = np.empty((len(X), len(self.theta), X.shape[1]))
        unresolved = np.zeros(len(X), dtype=bool)
        for output, key in enumerate(self.which):
            hessian = self.gram + np.diag(self.penalties[key])
            inverse = _inverse(hessian)
            solved = X @ inverse
            leverage = w * np.einsum("ij,ij->i", solved, X)
            full = leverage > FULL_LEVERAGE
            unresolved |= full
            ratio = w / np.where(full, 1.0, 1 - leverage)
            excess = self.penalties[key] * change
            force = -(w * self.residual[:, output])[:, None] * X
            force -= excess * self.theta[output]
            move = np.zeros_like(X)
            for _ in range(60):
                new = (force - excess * move) @ inverse
                new += solved * (ratio * np.einsum("ij,ij->i", new, X))[:, None]
                error = np.abs(new - move).max(axis=1)
                move = new
                slow = error > 1e-14 * np.abs(move).max(axis=1)
                if not slow.any():
                    break
            for i in np.flatnonzero(slow & (error > 1e-12 * np.abs(move).max())):
                left = hessian - w[i] * np.outer(X[i], X[i]) + np.diag(excess[i])
                move[i] = np.linalg.solve(left, force[i])
            moves[:, output] = move
        moves[unresolved] = 0.0
        return moves, np.flatnonzero(unresolved)

    def _rescaled_groups(self, masks):
        """Moves without groups when the penalty is rescaled: a solve for each."""
        X, w = self.design.rows, self.weight
        moves = np.zeros((len(masks), len(self.theta), X.shape[1]))
        scales = self.variances.without_groups(masks)
        for g, mask in enumerate(masks):
            kept = X[~mask]
            gram = kept.T @ (w[~mask, None] * kept)
            force = -X[mask].T @ (w[mask, None] * self.residual[mask])
            for output, key in enumerate(self.which):
                excess = self.penalties[key] * (scales[g] - 1)
                left = gram + np.diag(self.penalties[key] + excess)
                pull = force[:, output] - excess * self.theta[output]
                moves[g, output] = _inverse(left) @ pull
        return moves, np.empty(0, dtype=np.intp)

    def _group_displacements(self, masks, step, tol, damping):
        if step == "exact" and not self.variances.constant:
            return self._rescaled_groups(masks)
        X = self.design.rows
        moves = np.empty((len(masks), len(self.theta), X.shape[1]))
        unresolved = []
        for key, lifted in enumerate(self._lifted(0.0 if step == "exact" else damping)):
            outputs = np.flatnonzero(self.which == key)
            for g, mask in enumerate(masks):
                rows = np.flatnonzero(mask & (self.weight > 0))
                root = np.sqrt(self.weight[rows])[:, None]
                scale = root * self.residual[np.ix_(rows, outputs)]
                if step != "infinitesimal" and len(rows):
                    # I - S^1/2 K S^1/2 is symmetric with eigenvalues in [0, 1]
                    kernel = root * (X[rows] @ lifted[rows].T) * root.T
                    values, vectors = np.linalg.eigh(np.eye(len(rows)) - kernel)
                    if values[0] < 1 - FULL_LEVERAGE:
                        unresolved.append(g)
                        values = np.ones_like(values)
                    scale = vectors @ ((vectors.T @ scale) / values[:, None])
                moves[g, outputs] = -(root * scale).T @ lifted[rows]
        return moves, np.unique(np.asarray(unresolved, dtype=np.intp))


def _inverse(hessian):
    """Inverse of H, or its pseudo-inverse where columns depend on each other.

    The pseudo-inverse gives the minimum-norm solution, as LinearRegression does.
    """
    # Columns of different scales are no reason to drop the small ones.
    size = np.sqrt(np.diag(hessian))
    size[size == 0] = 1.0
    try:
        factor = sla.cho_factor(hessian / np.multiply.outer(size, size))
        if np.abs(np.diag(factor[0])).min() > 1e-7:
            inverse = sla.cho_solve(factor, np.eye(len(hessian)))
            return inverse / np.multiply.outer(size, size)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(hessian)
    cutoff = len(hessian) * np.finfo(np.float64).eps * max(values.max(initial=0), 0)
    inverse = np.where(values > cutoff, 1 / np.where(values > cutoff, values, 1), 0.0)
    return (vectors * inverse) @ vectors.T
