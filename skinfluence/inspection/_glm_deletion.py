r"""A generalised linear model of any family and link, and its removals.

For the models whose losses have no certificate of their own in `removal.smooth`: other
links, offsets of a logistic regression, counts of successes. Coefficients without rows
are found by chord steps: the gradient without the rows, solved by the observed Hessian
at the optimum without their part of it, until a step is nothing beside the standard
errors. Cost O(n p) per row and step, some five steps.
"""

import numpy as np

from skinfluence.removal.linear._orthogonal import OrthogonalFactor

# Steps after which a removal is left to a refit.
MAX_STEPS = 60
# Length of a step, in the metric of the information, that counts as none.
TOLERANCE = 1e-11
# Elements of a block of linear predictors.
BLOCK = 2**23


class FamilyLoss:
    """Minus the log-likelihood of a row as a function of its linear predictor.

    Parameters
    ----------
    family : statsmodels family
        Its link and variance.
    offset : ndarray of shape (n,)
        Added to the linear predictors.
    """

    known_scale = False  # the results say what it is

    def __init__(self, family, offset):
        self.link, self.variance, self.offset = family.link, family.variance, offset

    def _mean(self, eta):
        offset = self.offset if eta.ndim == 1 else self.offset[:, None]
        mean = self.link.inverse(eta + offset)
        return mean, self.link.deriv(mean), self.variance(mean)

    def direction(self, eta):
        """Return whether the mean rises (1) or falls (-1) with the predictor."""
        return np.sign(self._mean(eta)[1])

    def slope(self, eta, y):
        """Return the first derivative, for eta of shape (n,) or (n, m)."""
        mean, rate, variance = self._mean(eta)
        y = y if eta.ndim == 1 else y[:, None]
        return (mean - y) / (rate * variance)

    def information(self, eta):
        """Return the expected second derivative."""
        _, rate, variance = self._mean(eta)
        return 1 / (rate**2 * variance)

    def curvature(self, eta, y):
        """Return the second derivative."""
        mean, rate, variance = self._mean(eta)
        turn = self.link.deriv2(mean) * variance + rate * self.variance.deriv(mean)
        return (1 / variance + (y - mean) * turn / (rate * variance**2)) / rate**2


class GlmModel:
    """The optimum of a generalised linear model without penalty.

    Attributes as those of `removal.smooth.Smooth` that `WorkingModel` reads.

    Parameters
    ----------
    design : object
        Its ``rows`` are those of the model.
    y, weight : ndarray of shape (n,)
        Targets and weights.
    loss : FamilyLoss
        The loss of a row.
    params : ndarray of shape (p,)
        Where the fit has ended; the optimum is looked for from there.
    """

    def __init__(self, design, y, weight, loss, params):
        self.design, self.y, self.weight = design, y, weight
        self.pointwise, self.mass = loss, None
        self.theta = params[None]
        eta = design.rows @ params
        self._set_chord(eta)
        move, lost = self._moves(np.zeros((1, len(y)), dtype=bool))
        self.optimum_distance = np.inf
        if not len(lost):
            self.theta = (params + move[0])[None]
            self.optimum_distance = float(np.abs(design.rows @ move[0]).max())
            self._set_chord(design.rows @ self.theta[0])

    def _set_chord(self, eta):
        """Coordinates in which the information is the identity, and the Hessian."""
        information = self.weight * self.pointwise.information(eta)
        factor = OrthogonalFactor(
            self.design.rows, information, np.zeros(self.design.rows.shape[1])
        )
        self.eta, self.root = eta, factor.root_inverse()
        self.Z = factor.whitened(self.design.rows)
        self.curvature = self.weight * self.pointwise.curvature(eta, self.y)
        self.hessian = self.Z.T @ (self.curvature[:, None] * self.Z)

    def exact(self, tol, masks=None):
        """Return the moves of the coefficients without each row, or set of rows.

        ``tol`` is not used: steps go on until they are nothing.
        """
        n = len(self.y)
        size = max(1, BLOCK // n)
        moves, lost = [], []
        for start in range(0, n if masks is None else len(masks), size):
            if masks is None:
                block = np.arange(start, min(start + size, n))[:, None] == np.arange(n)
            else:
                block = masks[start : start + size]
            part, failed = self._moves(block)
            moves.append(part)
            lost.append(failed + start)
        return GlmMoves(np.concatenate(moves), np.concatenate(lost))

    def _solvers(self, masks):
        """Inverse Hessians without sets of rows, shape (m, r, r)."""
        left = np.repeat(self.hessian[None], len(masks), axis=0)
        for k, mask in enumerate(masks):
            rows = np.flatnonzero(mask)
            Z = self.Z[rows]
            left[k] -= Z.T @ (self.curvature[rows, None] * Z)
        finite = np.isfinite(left).all(axis=(1, 2))  # not where a fit has diverged
        left[~finite] = 0.0
        singular = ~(np.linalg.cond(left) <= 1e12)
        left[singular] = np.eye(left.shape[1])
        return np.linalg.inv(left), singular

    def _moves(self, masks):
        inverse, lost = self._solvers(masks)
        kept = np.where(masks.T, 0.0, self.weight[:, None])
        u = np.zeros((len(masks), self.Z.shape[1]))
        left = np.flatnonzero(~lost)
        for _ in range(MAX_STEPS):
            if not len(left):
                break
            eta = self.eta[:, None] + self.Z @ u[left].T
            with np.errstate(all="ignore"):
                slope = self.pointwise.slope(eta, self.y) * kept[:, left]
            step = np.einsum("mij,mj->mi", inverse[left], slope.T @ self.Z)
            length = np.linalg.norm(step, axis=1)
            good = np.isfinite(length) & (length < 1e3)
            lost[left[~good]] = True
            u[left[good]] -= step[good]
            left = left[good & (length > TOLERANCE)]
        lost[left] = True
        u[lost] = 0.0
        return u @ self.root.T, np.flatnonzero(lost)


class GlmMoves:
    """Moves of coefficients, as `removal.linear.LinearRemovals` has them."""

    def __init__(self, moves, unresolved):
        self.moves, self.unresolved = moves, unresolved

    def displacements(self, rows):
        """Moves of theta for some removals, shape (len(rows), 1, p)."""
        return self.moves[rows][:, None]
