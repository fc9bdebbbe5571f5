"""Binary logistic regression along many orders of the rows at once.

The BFGS steps are a loop of their own beside `removal._minimisation`: they keep an
inverse Hessian from one row to the next and update it, O(n p + p^2) a step, where the
driver computes Hessians, O(n p^2). Orders in which they do not contract go on to it.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from skinfluence.addition._prefix_models import PenalisedPrefixes, prefix_models
from skinfluence.removal._minimisation import minimise
from skinfluence.removal._objective import objective
from skinfluence.removal.smooth._newton import SmoothProblems
from skinfluence.removal.smooth._pointwise import Logistic

# The last step moves no linear predictor by more than this, relative to 1 + itself.
TOL = 1e-9

# Steps with an old curvature go on as long as they shorten the next one by this.
CONTRACTION = 0.7

MAX_STEPS = 200

# Numbers in the inverse Hessians of one batch of orders.
BATCH = 2**19


class LogisticPrefixes(PenalisedPrefixes):
    r"""Penalised logistic regression: a few quasi-Newton steps for each new row.

    .. math:: F(\theta) = \sum_{j} [\log(1 + e^{\eta_j}) - y_j \eta_j]
        + \tfrac{1}{2C} \|w\|^2

    Many orders advance together, a row each. From the optimum before, the inverse
    Hessian gains the new row by a rank-one update; steps with it, corrected by
    BFGS, cost two matrix products for all orders. Where they do not contract, Newton
    steps with the exact Hessian (`removal._minimisation`) take over. Found is the
    optimum of the objective, not where a solver's tolerance stops. Rows with more
    columns than rows are rotated into the span of the training rows.

    **Cost.** O(n p + p^2) per step, a handful of steps per row and order; memory
    O(n p) for the coefficients along an order.
    """

    link = "logit"

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X, turns=True)
        self.labels = y

    def path(self, order, ends):
        return next(self.paths(order[None], ends))

    def paths(self, orders, ends):
        """Yield the coefficients (n_ends, p) and the only class (n_ends,) or -1."""
        size = max(1, BATCH // self.rows.shape[1] ** 2)
        for start in range(0, len(orders), size):
            batch = orders[start : start + size]
            theta = _Batch(self, batch).solve(ends)
            positives = np.cumsum(self.labels[batch], axis=1)[:, ends - 1]
            alone = np.where(positives == ends, 1, np.where(positives == 0, 0, -1))
            yield from zip(theta, alone, strict=True)

    def raw(self, path, rows, response):
        theta, alone = path
        out = rows @ theta.T
        out[:, alone == 0] = -np.inf
        out[:, alone == 1] = np.inf
        return out[..., None]


class _Batch:
    """Orders that advance together.

    Attributes
    ----------
    inside : ndarray of shape (n_orders, n)
        One for rows of the prefix, else zero.
    theta, eta : ndarray of shape (n_orders, p) and (n_orders, n)
        Coefficients, linear predictors of all rows.
    inverse : ndarray of shape (n_orders, p, p)
        Approximate inverse Hessians.
    """

    def __init__(self, models, orders):
        self.orders = orders
        self.rows, self.penalty = models.rows, models.penalties
        self.labels = models.labels.astype(np.float64)
        self.side = 1.0 - 2.0 * self.labels
        n_orders, n = orders.shape
        p = self.rows.shape[1]
        self.inside = np.zeros((n_orders, n))
        self.theta, self.eta = np.zeros((n_orders, p)), np.zeros((n_orders, n))
        self.inverse = np.zeros((n_orders, p, p))
        self.started = np.zeros(n_orders, dtype=bool)

    def solve(self, ends):
        """Coefficients at each of ``ends``, shape (n_orders, n_ends, p)."""
        n_orders, p = self.theta.shape
        out = np.empty((n_orders, len(ends), p))
        begin = 0
        for e, end in enumerate(ends):
            for m in range(begin, end):
                self._enter(self.orders[:, m])
            begin = end
            positives = self.inside @ self.labels
            both = (positives > 0) & (positives < end)
            fresh = np.flatnonzero(both & ~self.started)
            self.started |= both
            if len(fresh):
                self._newton(fresh)
            todo = np.flatnonzero(both)
            if len(todo):
                self._quasi_newton(todo)
            out[:, e] = self.theta
        return out

    def _enter(self, new):
        """Take one row into each order: a rank-one update of the inverse Hessian."""
        everyone = np.arange(len(new))
        self.inside[everyone, new] = 1.0
        x = self.rows[new]
        mean = _expit(self.eta[everyone, new])
        weight = mean * _expit(-self.eta[everyone, new])
        ahead = np.matmul(self.inverse, x[:, :, None])[..., 0]
        share = weight / (1.0 + weight * np.einsum("op,op->o", ahead, x))
        self.inverse -= (share[:, None] * ahead)[:, :, None] * ahead[:, None, :]

    def _gradient(self, eta, inside, theta):
        # Not expit(eta) - label, which has no digits where a row is surely right.
        residual = _expit(self.side * eta)
        residual *= self.side
        residual *= inside
        return residual @ self.rows + self.penalty * theta

    def _quasi_newton(self, todo):
        """BFGS steps, and Newton steps for orders in which these do not contract."""
        whole = len(todo) == len(self.theta)
        pick = slice(None) if whole else todo
        theta, eta, inverse = self.theta[pick], self.eta[pick], self.inverse[pick]
        inside = self.inside[pick]
        gradient = self._gradient(eta, inside, theta)
        step = -np.matmul(inverse, gradient[:, :, None])[..., 0]
        size = np.full(len(todo), np.inf)
        slow = []
        while True:
            move = step @ self.rows.T
            last, size = size, np.abs(move).max(axis=1)
            # A step that is no shorter than the one before is not taken
            good = size <= np.minimum(CONTRACTION * last, 2.0)
            slow.append(todo[~good])
            theta = theta + step * good[:, None]
            eta = eta + move * good[:, None]
            if not whole or not good.all():
                self.theta[todo], self.eta[todo] = theta, eta
            else:
                self.theta, self.eta = theta, eta
            limit = TOL * (1.0 + np.abs(eta).max(axis=1))
            going = np.flatnonzero(good & (size > limit))
            if not len(going):
                if not whole:
                    self.inverse[todo] = inverse
                break
            if len(going) < len(todo):
                self.inverse[todo] = inverse
                todo, whole = todo[going], False
                theta, eta, inside = theta[going], eta[going], inside[going]
                inverse, gradient = inverse[going], gradient[going]
                step, size = step[going], size[going]
            before, gradient = gradient, self._gradient(eta, inside, theta)
            _bfgs(inverse, step, gradient - before)
            step = -np.matmul(inverse, gradient[:, :, None])[..., 0]
        slow = np.concatenate(slow)
        if len(slow):
            self._newton(slow)

    def _newton(self, todo):
        """Minimise some orders by exact Hessians, whose inverses they then keep."""
        problems = _NewtonOrders(self, todo)
        theta, left = minimise(problems, self.theta[todo], TOL / 10, MAX_STEPS)
        if np.inf in left:
            warnings.warn(
                f"The optimum of logistic regression on a subset of the rows was not "
                f"found in {MAX_STEPS} Newton steps: is C too large?",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.theta[todo], self.inverse[todo] = theta, problems.inverse
        self.eta[todo] = theta @ self.rows.T


class _NewtonOrders(SmoothProblems):
    """Orders of a batch; their Hessians may be singular to working precision."""

    def __init__(self, batch, todo):
        used = np.flatnonzero(batch.inside[todo].any(axis=0))
        rows, inside = batch.rows[used], batch.inside[np.ix_(todo, used)]
        p = rows.shape[1]
        args = inside, Logistic(), batch.penalty, np.zeros((1, p))
        super().__init__(rows, np.zeros(len(used)), batch.labels[used], *args)
        self.inverse = np.empty((len(todo), p, p))

    def step(self, which, x, state):
        hessian = self.hessian(which, state[1])
        diagonal = np.einsum("kii->ki", hessian)
        scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
        hessian *= scale[:, :, None] * scale[:, None]
        diagonal += 1e-14
        inverse = np.linalg.inv(hessian)
        inverse *= scale[:, :, None] * scale[:, None]
        self.inverse[which] = inverse
        step = -np.matmul(inverse, state[0][:, :, None])[..., 0]
        return step, np.isfinite(step).all(axis=1)

    def left(self, which, x, state, step, decrement):
        # The next step is about the square of this one.
        reach = np.abs(step @ self.Z.T).max(axis=1)
        left = reach**2 / (1.0 + np.abs(state[1]).max(axis=1))
        return np.where(reach < 0.1, left, np.inf)


def _expit(eta):
    """Logistic function, in less time than `scipy.special.expit`."""
    with np.errstate(over="ignore"):
        out = np.exp(-eta)
    out += 1.0
    return np.reciprocal(out, out=out)


def _bfgs(inverse, step, change):
    """Correct inverse Hessians, so that they map the change of gradient to the step."""
    curvature = np.einsum("op,op->o", step, change)
    usable = curvature > 0
    curvature = np.where(usable, curvature, 1.0)
    ahead = np.matmul(inverse, change[:, :, None])[..., 0]
    ratio = 1.0 + np.einsum("op,op->o", change, ahead) / curvature
    # H + (s v' + v s'), v = (ratio s / 2 - H y) / s'y
    v = (0.5 * ratio[:, None] * step - ahead) * (usable / curvature)[:, None]
    outer = step[:, :, None] * v[:, None, :]
    inverse += outer
    inverse += outer.transpose(0, 2, 1)


@prefix_models.register
def _(estimator: LogisticRegression, X, y):
    goal = objective(estimator)
    plain = (
        type(estimator) is LogisticRegression
        and len(estimator.classes_) == 2
        and estimator.class_weight is None
        and goal.l2 > 0
        and not goal.l1
        and not goal.constant
    )
    return LogisticPrefixes(estimator, X, y) if plain else None
