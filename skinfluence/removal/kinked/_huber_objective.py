r"""Huber's regression with concomitant scale: many convex problems at once.

With ``r = y - x'theta``, ``z = r / sigma`` and ``c`` z clipped to [-eps, eps],

.. math::
    F(\theta, \sigma) = \sum_j s_j (\sigma + \sigma H(z_j)) + \theta' R \theta / 2,
    \quad H(z) = z^2 \text{ if } |z| \le \epsilon
    \text{ else } 2 \epsilon |z| - \epsilon^2

is jointly convex and once differentiable; its gradient is ``-2 sum_j s_j c_j x_j + R
theta`` and ``sum_j s_j (1 - c_j^2)``. Where no row crosses its kink the Hessian is
``sum 2 s_j / sigma u_j u_j'`` over inliers, ``u = (x, z)``, plus R (Huber & Ronchetti,
"Robust Statistics", 2009, section 7.7).
"""

import numpy as np

from skinfluence.removal._minimisation import Problems, minimise, newton_steps
from skinfluence.removal.smooth._newton import hessians, row_chunks


class HuberObjective:
    """Rows, targets and penalty that problems share; weights are their own.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Rows.
    y : ndarray of shape (n,)
        Targets, in units of which the scale is about one.
    epsilon : float
        The kink.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    """

    def __init__(self, X, y, epsilon, penalty):
        self.X, self.y, self.epsilon, self.penalty = X, y, epsilon, penalty

    def clipped(self, point):
        """Clipped z of every row at k points, and which rows are inliers."""
        z = self.y - point[:, :-1] @ self.X.T
        z /= point[:, -1:]
        inlier = np.abs(z) <= self.epsilon
        np.clip(z, -self.epsilon, self.epsilon, out=z)
        return z, inlier

    def gradient(self, weights, c, point):
        """Gradients of k problems, shape (k, p + 1)."""
        weighted = weights * c
        out = np.empty_like(point)
        out[:, :-1] = -2 * (weighted @ self.X) + self.penalty * point[:, :-1]
        out[:, -1] = weights.sum(axis=1) - np.einsum("kn,kn->k", weighted, c)
        return out

    def hessian(self, weights, c, inlier, point):
        """Hessians of k problems, shape (k, p + 1, p + 1)."""
        curvature = weights * inlier
        curvature *= 2 / point[:, -1:]
        p = self.X.shape[1]
        out = np.empty((len(point), p + 1, p + 1))
        out[:, :p, :p] = hessians(self.X, curvature)
        out[:, np.arange(p), np.arange(p)] += self.penalty
        curvature *= c
        out[:, :p, p] = out[:, p, :p] = curvature @ self.X
        out[:, p, p] = np.einsum("kn,kn->k", curvature, c)
        return out

    def minimise(self, weights, point):
        """Minimise k problems.

        Parameters
        ----------
        weights : ndarray of shape (k, n)
            Weights of the rows in each problem.
        point : ndarray of shape (k, p + 1)
            Starting points: coefficients and scale.

        Returns
        -------
        point : ndarray of shape (k, p + 1)
            Minimisers.
        converged : ndarray of bool, shape (k,)
            False where there is no minimiser of positive scale, or none was reached.
        """
        left = np.empty(len(point))
        point = point.copy()
        for part in row_chunks(len(point), 8 * len(self.y)):
            problems = HuberProblems(self, weights[part])
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                point[part], left[part] = minimise(problems, point[part])
        return point, left < np.inf


class HuberProblems(Problems):
    """Huber's objective with weights of each problem's own."""

    def __init__(self, objective, weights):
        self.objective, self.weights = objective, weights
        self.root = np.sqrt(weights.sum(axis=1))

    def evaluate(self, which, x):
        c, inlier = self.objective.clipped(x)
        return self.objective.gradient(self.weights[which], c, x), c, inlier

    def step(self, which, x, state):
        gradient, c, inlier = state
        hessian = self.objective.hessian(self.weights[which], c, inlier, x)
        step, usable = newton_steps(hessian, gradient, least=1e-13)
        # Too few inliers to tell the curvature: a larger scale makes more.
        few = ~usable & (gradient[:, -1] < 0)
        step[few] = 0.0
        step[few, -1] = x[few, -1]
        # A scale that vanishes: more rows fit exactly than the objective can hold.
        return step, (usable | few) & (x[:, -1] > 1e-9)

    def left(self, which, x, state, step, decrement):
        return decrement / self.root[which]

    def longest(self, which, x, step):
        shrink = -step[:, -1] / (0.9 * x[:, -1])
        return 1 / np.maximum(shrink, 1.0)
