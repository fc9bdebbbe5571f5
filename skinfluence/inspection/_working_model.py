"""A model with a linear predictor as the least squares it is at its optimum."""

import numpy as np

from skinfluence.removal.linear._orthogonal import OrthogonalFactor
from skinfluence.removal.linear._quadratic import Quadratic

# Relative rounding error of one minus leverage from which on it counts as zero.
ACCURACY = 1e-8


class WorkingModel:
    r"""Weighted least squares whose solution is the optimum of a linear model.

    ``sum_j w_j (z_j - x_j' theta)^2 + theta' R theta`` with ``w_j = s_j v_j``: s the
    sample weights, v the Fisher information about the linear predictor (1 for
    squared errors), and working residuals ``z_j - x_j' theta = -l'_j / v_j``.

    All is computed from orthogonal factors (`OrthogonalFactor`), not from the normal
    equations: classical tables have ill-conditioned designs. In coordinates
    ``u = root^{-1} theta`` the Hessian ``H = X' W X + R`` is the identity.

    Parameters
    ----------
    model : Quadratic or Smooth
        A model with one linear predictor.

    Attributes
    ----------
    w : ndarray of shape (n,)
        Weights.
    Z : ndarray of shape (n, rank)
        Rows in coordinates u.
    residual : ndarray of shape (n,)
        Pearson residuals ``w_j^{1/2} (z_j - x_j' theta)``.
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
    scale : float
        Estimated variance of the residuals; 1 where the mean fixes it.
    scale_without : ndarray of shape (n,)
        The same for the working model without each row.
    """

    def __init__(self, model):
        self.squared = isinstance(model, Quadratic)
        X, theta, s = model.design.rows, model.theta[0], model.weight
        self.share = np.zeros(len(X))  # of the penalty, that goes with each row
        if self.squared:
            penalty, information = model.penalties[0], np.ones(len(X))
            slope = -model.residual[:, 0]
        else:
            penalty, eta = model.penalty, X @ theta
            information = model.pointwise.information(eta)
            slope = model.pointwise.slope(eta, model.y)
            if model.mass is not None:
                self.share = model.mass / model.mass.sum()
        self.w = s * information
        factor = OrthogonalFactor(X, self.w, penalty, model.free_intercept)
        self.root, self.P = factor.root_inverse(), factor.penalty
        self.leverage, gaps = factor.leverage(), factor.gaps()
        self.n_parameters = self.leverage.sum()
        self.Z = factor.whitened(X)
        self.pull = self.root.T @ (penalty * theta)  # gradient of the penalty
        self.slope = s * slope
        if self.squared:  # residuals of rows that are nearly alone have no digits
            pull = factor.pull(model.targets, model.residual)[:, 0]
            self.slope = -np.sqrt(s) * pull
            slope = np.divide(self.slope, s, out=np.zeros(len(s)), where=s > 0)
        self.full = ~(factor.gap_rounding(gaps) <= ACCURACY)
        self.gap = np.where(self.full, 1.0, gaps)
        floor = np.maximum(information, np.finfo(np.float64).tiny)
        self.residual = -np.sqrt(s / floor) * slope
        known = not self.squared and model.pointwise.known_scale
        self._set_scale(s > 0, known)

    def _set_scale(self, present, known):
        if known:
            self.scale, self.scale_without = 1.0, np.ones(len(present))
            return
        n, P, u = present.sum(), self.P, self._least_squares_steps()
        # Without row i the objective falls by the row's PRESS term; the part of it
        # that is penalty is taken off again.
        rest = self.residual @ self.residual - self.residual**2 / self.gap
        rest -= 2 * u @ self.pull + u**2 @ P
        # Where little is left of the sum it is added up again.
        for i in np.flatnonzero(rest < 1e-3 * self.residual @ self.residual):
            left = self.residual - np.sqrt(self.w) * (self.Z @ u[i])
            left[i] = 0.0
            rest[i] = left @ left
        released = self.w * (self.Z**2 @ P) / self.gap
        freedom = n - present - (self.n_parameters - self.full - released)
        if freedom.min() < 1e-9 * n:
            raise ValueError(
                "Diagnostics in units of the residual variance need two rows more than "
                f"there are parameters. Got {n} rows (of positive weight) and "
                f"{self.n_parameters:.6g} effective parameters: use more rows, fewer "
                "columns or a stronger penalty."
            )
        self.scale = self.residual @ self.residual / (n - self.n_parameters)
        self.scale_without = np.maximum(rest, 0.0) / freedom

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
