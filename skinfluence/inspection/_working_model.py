"""A model with a linear predictor as the least squares it is at its optimum."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal.linear._quadratic import FULL_LEVERAGE, Quadratic


class WorkingModel:
    r"""Weighted least squares whose solution is the optimum of a linear model.

    ``sum_j w_j (z_j - x_j' theta)^2 + theta' R theta`` with ``w_j = s_j v_j``: s the
    sample weights, v the Fisher information about the linear predictor (1 for
    squared errors), and working residuals ``z_j - x_j' theta = -l'_j / v_j``.

    All is computed from QR factors of ``[W^{1/2} X; R^{1/2}]``, not from the normal
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
    full : ndarray of bool, shape (n,)
        Rows of leverage one. What is left without one is a convention.
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
        self._factor(np.sqrt(self.w)[:, None] * X, penalty)
        self.Z = X @ self.root
        self.pull = self.root.T @ (penalty * theta)  # gradient of the penalty
        self.slope = s * slope
        floor = np.maximum(information, np.finfo(np.float64).tiny)
        self.residual = -np.sqrt(s / floor) * slope
        known = not self.squared and model.pointwise.known_scale
        self._set_scale(s > 0, known)

    def _factor(self, X, penalty):
        """Factor the whitened rows; set root, leverage and the penalty in u."""
        penalised = np.flatnonzero(penalty)
        tail = np.zeros((len(penalised), X.shape[1]))
        tail[np.arange(len(penalised)), penalised] = np.sqrt(penalty[penalised])
        A = np.concatenate([X, tail])
        Q, upper = sla.qr(A, mode="economic")
        size = np.sqrt((A**2).sum(axis=0))
        if len(upper) == A.shape[1] and np.all(np.abs(np.diag(upper)) > 1e-9 * size):
            self.root = sla.solve_triangular(upper, np.eye(len(upper)))
        else:
            # Columns that depend on each other: the minimum-norm solution, as
            # LinearRegression finds it.
            Q, values, rows = sla.svd(A, full_matrices=False)
            cutoff = max(X.shape) * np.finfo(np.float64).eps
            kept = values > cutoff * values.max(initial=0.0)
            Q, self.root = Q[:, kept], rows[kept].T / values[kept]
        head, tail = Q[: len(X)], Q[len(X) :]
        self.leverage = np.einsum("ij,ij->i", head, head)
        self.full = self.leverage > FULL_LEVERAGE
        self.gap = np.where(self.full, 1.0, 1 - self.leverage)
        self.n_parameters = self.leverage.sum()
        self.P = tail.T @ tail

    def _set_scale(self, present, known):
        if known:
            self.scale, self.scale_without = 1.0, np.ones(len(present))
            return
        n, P, u = present.sum(), self.P, self._least_squares_steps()
        # Without row i the objective falls by the row's PRESS term; the part of it
        # that is penalty is taken off again.
        rest = self.residual @ self.residual - self.residual**2 / self.gap
        rest -= 2 * u @ self.pull + np.einsum("ij,jk,ik->i", u, P, u)
        released = self.w * np.einsum("ij,jk,ik->i", self.Z, P, self.Z) / self.gap
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
        values, vectors = np.linalg.eigh(self.P)
        Z, share = self.Z @ vectors, self.share[:, None]
        inverse = 1 / (1 - share * values)
        u = inverse * (self.slope[:, None] * Z + share * (self.pull @ vectors))
        lifted = inverse * Z
        gap = 1 - self.w * np.einsum("ij,ij->i", lifted, Z)
        u += (self.w * np.einsum("ij,ij->i", Z, u) / np.where(self.full, 1.0, gap))[
            :, None
        ] * lifted
        return u @ (self.root @ vectors).T
