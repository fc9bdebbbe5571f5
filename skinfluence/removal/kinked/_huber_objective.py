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
        """Minimise k problems by Newton steps with a line search.

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
        point, converged = point.copy(), np.zeros(len(point), dtype=bool)
        for part in row_chunks(len(point), 8 * len(self.y)):
            point[part], converged[part] = self._minimise(weights[part], point[part])
        return point, converged

    def _minimise(self, weights, point, max_iter=100):
        k = len(point)
        active, converged = np.arange(k), np.zeros(k, dtype=bool)
        best = np.full(k, np.inf)
        total = np.sqrt(weights.sum(axis=1))
        c, inlier = self.clipped(point)
        grad = self.gradient(weights, c, point)
        for _ in range(max_iter):
            hessian = self.hessian(weights[active], c, inlier, point[active])
            step, usable = _newton_steps(hessian, grad)
            # Too few inliers to tell the curvature: a larger scale makes more.
            few = ~usable & (grad[:, -1] < 0)
            step[few, -1] = point[active[few], -1]
            usable |= few
            decrement = np.sqrt(np.maximum(-(step * grad).sum(axis=1), 0.0))
            decrement /= total[active]
            # Rounding stops the decrement from falling further.
            stalled = (decrement < 1e-9) & (decrement >= best[active] / 2)
            best[active] = np.minimum(best[active], decrement)
            done = usable & ((decrement <= 1e-15) | stalled)
            converged[active[done]] = True
            keep = usable & ~done
            active, step, grad = active[keep], step[keep], grad[keep]
            if not len(active):
                break
            new, c, inlier, grad = self._search(
                weights[active], point[active], step, grad
            )
            point[active] = new
            # A scale that vanishes: more rows fit exactly than F can hold.
            alive = new[:, -1] > 1e-9
            active, c, inlier, grad = (
                active[alive],
                c[alive],
                inlier[alive],
                grad[alive],
            )
        return point, converged

    def _search(self, weights, point, step, grad):
        """Halve steps until F no longer grows along them by more than a tenth."""
        shrink = -step[:, -1] / (0.9 * point[:, -1])
        length = 1 / np.maximum(shrink, 1.0)
        slope = (grad * step).sum(axis=1)
        todo = np.arange(len(point))
        new, c, inlier = point.copy(), None, None
        for _ in range(40):
            new[todo] = point[todo] + length[todo, None] * step[todo]
            part = self.clipped(new[todo])
            if c is None:
                c, inlier = part
                grad = self.gradient(weights, c, new)
            else:
                c[todo], inlier[todo] = part
                grad[todo] = self.gradient(weights[todo], c[todo], new[todo])
            beyond = (grad[todo] * step[todo]).sum(axis=1) > -0.1 * slope[todo]
            todo = todo[beyond]
            if not len(todo):
                break
            length[todo] /= 2
        return new, c, inlier, grad


def _newton_steps(hessian, grad):
    """Newton steps, and which Hessians were positive definite."""
    diagonal = np.einsum("kii->ki", hessian)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    scaled = hessian * scale[:, :, None] * scale[:, None]
    usable = np.isfinite(scaled).all(axis=(1, 2))
    usable[usable] = np.linalg.eigvalsh(scaled[usable])[:, 0] > 1e-13
    step = np.zeros_like(grad)
    right = (scale * grad)[usable][:, :, None]
    step[usable] = -scale[usable] * np.linalg.solve(scaled[usable], right)[:, :, 0]
    return step, usable
