"""A model with a linear predictor as the least squares it is at its optimum."""

from dataclasses import replace

import numpy as np

from skinfluence.inspection._glm_deletion import GlmModel
from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._quadratic import Quadratic
from skinfluence.removal.smooth._smooth import Smooth

# Share of a sum of squares below which it is not the difference of two sums.
LITTLE = 1e-3
# Relative rounding error of one minus leverage from which on it counts as zero.
ACCURACY = 1e-8


def has_working_model(model):
    """Tell whether a model is of squared errors, or smooth with one predictor."""
    return isinstance(model, Quadratic | Smooth | GlmModel)


class WorkingRows:
    """Rows of a working model, and what steps without each of them do.

    Attributes
    ----------
    rows : ndarray of shape (n, p)
        Rows of the design.
    w : ndarray of shape (n,)
        Weights.
    Z : ndarray of shape (n, rank)
        Rows in coordinates u.
    residual : ndarray of shape (n,)
        Pearson residuals ``w_j^{1/2} (z_j - x_j' theta)``, of the linear predictor.
    direction : float or ndarray of shape (n,)
        1, or -1 where the mean falls as the linear predictor rises.
    leverage : ndarray of shape (n,)
        Diagonal of ``W^{1/2} X H^{-1} X' W^{1/2}``.
    gap : ndarray of shape (n,)
        One minus leverage; 1 where `full`.
    P : ndarray of shape (rank,)
        Diagonal of R in coordinates u.
    full : ndarray of bool, shape (n,)
        Rows of leverage one, to rounding. What is left is a convention.
    n_parameters : float
        Sum of the leverages.
    present : ndarray of bool, shape (n,)
        Rows of positive weight.
    counts : ndarray of shape (n,)
        Observations that the rows stand for.
    scale : float
        Variance of the residuals: estimated, fixed by the mean, or given.
    scale_without : ndarray of shape (n,)
        The same for the working model without each row.
    gram_root : ndarray of shape (r, p)
        A root of ``X' W X``, in the coordinates of the design.
    """

    def _squares_without(self, whole):
        """Sums of squares of the residuals without each row; ``whole`` is with all.

        Without row i the objective falls by the row's PRESS term; the part of it that
        is penalty is taken off again.
        """
        u = self._least_squares_steps()
        rest = whole - self.residual**2 / self.gap
        return rest - (2 * u @ self.pull + u**2 @ self.P)

    def _set_scales(self, n, whole, rest):
        """Set variances from sums of squares over degrees of freedom."""
        released = self.w * (self.Z**2 @ self.P) / self.gap
        freedom = n - self.counts - (self.n_parameters - self.full - released)
        self._check_freedom(n, freedom, "two rows more than there are parameters")
        self.scale = whole / (n - self.n_parameters)
        self.scale_without = np.maximum(rest, 0.0) / freedom

    def _check_freedom(self, n, freedom, needed):
        if freedom.min() < 1e-9 * n:
            raise ValueError(
                f"Diagnostics in units of the residual variance need {needed}. Got "
                f"{n:g} rows (of positive weight) and {self.n_parameters:.6g} "
                "effective parameters: use more rows, fewer columns or a stronger "
                "penalty."
            )

    def _least_squares_steps(self):
        """Moves of u to the working model without each row, (n, rank)."""
        return self.Z * (self.slope / self.gap)[:, None]

    def one_steps(self):
        """Moves of theta by a Fisher scoring step without each row, (n, p).

        Exact for squared errors. A row takes its share e_i of a penalty on a mean
        with it: ``(H - w_i x_i x_i' - e_i R)^{-1} (s_i l'_i x_i + e_i R theta)``.
        """
        if not self.share.any():
            return self._least_squares_steps() @ self.root.T
        Z, share = self.Z, self.share[:, None]
        inverse = 1 / (1 - share * self.P)
        u = inverse * (self.slope[:, None] * Z + share * self.pull)
        lifted = inverse * Z
        gap = 1 - self.w * np.einsum("ij,ij->i", lifted, Z)
        u += (self.w * np.einsum("ij,ij->i", Z, u) / np.where(self.full, 1.0, gap))[
            :, None
        ] * lifted
        return u @ self.root.T


class WorkingModel(WorkingRows):
    r"""Weighted least squares whose solution is the optimum of a linear model.

    ``sum_j w_j (z_j - x_j' theta)^2 + theta' R theta`` with ``w_j = s_j v_j``: s the
    sample weights, v the Fisher information about the linear predictor (1 for
    squared errors), and working residuals ``z_j - x_j' theta = -l'_j / v_j``.

    All is computed from orthogonal factors (`OrthogonalFactor`), not from the normal
    equations: classical tables have ill-conditioned designs. In coordinates
    ``u = root^{-1} theta`` the Hessian ``H = X' W X + R`` is the identity.

    Parameters
    ----------
    fitted : FittedModel
        A model of squared errors, or a smooth one with one linear predictor.
    output : int, default=0
        Which linear predictor.
    """

    def __init__(self, fitted, output=0):
        model, goal = fitted.full, fitted.goal
        self.squared = isinstance(model, Quadratic)
        X, theta, s = model.design.rows, model.theta[output], model.weight
        l2 = np.broadcast_to(goal.l2, len(model.theta))[output]
        own = replace(goal, l2=l2, l1=0.0)
        penalty, _ = own.penalties(X.shape[1], model.design.intercept, goal.size(s))
        self.rows, self.direction = X, 1.0
        self.share = np.zeros(len(X))  # of the penalty, that goes with each row
        if self.squared:
            penalty = penalty / 2  # that of half the squared error
            information = np.ones(len(X))
            slope = -model.residual[:, output]
        else:
            eta, mass = X @ theta, goal.mass(s)
            information = model.pointwise.information(eta)
            slope = model.pointwise.slope(eta, model.y)
            if isinstance(model, GlmModel):
                self.direction = model.pointwise.direction(eta)
            if mass is not None:
                self.share = mass / mass.sum()
        self.w = s * information
        factor = OrthogonalFactor(X, self.w, penalty, model.design.free_intercept)
        self.root, self.P = factor.root_inverse(), factor.penalty
        self.leverage, gaps = factor.leverage(), factor.gaps()
        self.n_parameters = self.leverage.sum()
        self.Z = factor.whitened(X)
        self.pull = self.root.T @ (penalty * theta)  # gradient of the penalty
        self.slope = s * slope
        if self.squared:  # residuals of rows that are nearly alone have no digits
            one = slice(output, output + 1)
            pull = factor.pull(model.targets[:, one], model.residual[:, one])[:, 0]
            self.slope = -np.sqrt(s) * pull
            slope = np.divide(self.slope, s, out=np.zeros(len(s)), where=s > 0)
        self.full = ~(factor.gap_rounding(gaps) <= ACCURACY)
        self.gap = np.where(self.full, 1.0, gaps)
        floor = np.maximum(information, np.finfo(np.float64).tiny)
        self.residual = -np.sqrt(s / floor) * slope
        self.present = s > 0
        self.counts = 1.0 * self.present if fitted.counts is None else fitted.counts
        self.known = fitted.dispersion
        if fitted.dispersion == "family":
            fixed = not self.squared and model.pointwise.known_scale
            self.known = 1.0 if fixed else None
        self._set_scale()

    @property
    def gram_root(self):
        return np.linalg.qr(np.sqrt(self.w)[:, None] * self.rows, mode="r")

    def _set_scale(self):
        if self.known is not None:
            self.scale = self.known
            self.scale_without = np.full(len(self.w), self.known)
            return
        n, whole = self.counts.sum(), self.residual @ self.residual
        rest, u = self._squares_without(whole), self._least_squares_steps()
        # Where little is left of the sum it is added up again.
        for i in np.flatnonzero(rest < LITTLE * whole):
            left = self.residual - np.sqrt(self.w) * (self.Z @ u[i])
            left[i] = 0.0
            rest[i] = left @ left
        self._set_scales(n, whole, rest)

    def scales_without(self, members):
        """Variances of the working model without sets of rows, shape (m,).

        What is left of the residuals' squares over the degrees of freedom that are
        left, as in `scale_without` of single rows.
        """
        if self.known is not None:
            return np.full(len(members), self.known)
        out, freedom = np.empty(len(members)), np.empty(len(members))
        whole = self.residual @ self.residual
        for k, rows in enumerate(members):
            inverse, weighted, values = self._without(rows)
            u = inverse @ (weighted.T @ -self.residual[rows])
            own = self.residual[rows]
            rest = whole - own @ own
            rest -= 2 * u @ (self.pull - weighted.T @ own)
            rest += u @ u - u**2 @ self.P - ((weighted @ u) ** 2).sum()
            if rest < LITTLE * whole:  # little is left: it is added up again
                left = self.residual - np.sqrt(self.w) * (self.Z @ u)
                rest = np.delete(left, rows) @ np.delete(left, rows)
            out[k] = max(rest, 0.0)
            rank = (values > ACCURACY).sum()
            parameters = rank - np.diag(inverse) @ self.P
            freedom[k] = self.counts.sum() - self.counts[rows].sum() - parameters
        self._check_freedom(
            self.counts.sum(), freedom, "more rows without any cluster than parameters"
        )
        return out / freedom

    def _without(self, rows, share=0.0):
        """Inverse Hessian without rows, in coordinates u, their part, eigenvalues.

        Directions that only these rows have, of an eigenvalue of zero, are left out.
        """
        weighted = np.sqrt(self.w[rows])[:, None] * self.Z[rows]
        values, vectors = np.linalg.eigh(
            np.eye(len(self.P)) - np.diag(share * self.P) - weighted.T @ weighted
        )
        kept = values > ACCURACY
        vectors = vectors[:, kept]
        return (vectors / values[kept]) @ vectors.T, weighted, values

    def steps_without(self, members):
        """Moves of theta by a Fisher scoring step without sets of rows.

        Returns
        -------
        moves : ndarray of shape (m, p)
            Exact for squared errors.
        left : ndarray of shape (m,)
            The least share that is left of the information in any direction: moves
            have as many digits less.
        """
        out, left = np.empty((len(members), len(self.P))), np.empty(len(members))
        for k, rows in enumerate(members):
            share = self.share[rows].sum()
            inverse, _, values = self._without(rows, share)
            gradient = self.Z[rows].T @ self.slope[rows] + share * self.pull
            out[k], left[k] = inverse @ gradient, values[0]
        return out @ self.root.T, left
