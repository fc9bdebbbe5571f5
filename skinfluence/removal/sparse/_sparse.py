"""Linear models on sparse rows that are too many and too wide for dense algebra."""

import warnings

import numpy as np

from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal._minimisation import minimise
from skinfluence.removal.linear._design import SparseDesign
from skinfluence.removal.linear._linear import STEP_TOLERANCE, LinearModel
from skinfluence.removal.linear._moved_coefficients import MovedCoefficients
from skinfluence.removal.linear._quadratic import Quadratic
from skinfluence.removal.smooth._newton import SmoothProblems
from skinfluence.removal.smooth._pointwise import Squared
from skinfluence.removal.smooth._smooth import Smooth
from skinfluence.removal.sparse._dual import DualLadder
from skinfluence.removal.sparse._matrix_free import FLOP, InverseHessian

# Seconds from which on the cost of exact leave-one-out is announced.
LONG = 300


def smooth_model(design, y, weight, pointwise, penalty, fitted, link, labels=None):
    """Return the model of a smooth loss that suits the design."""
    args = weight, pointwise, penalty, fitted, link
    if isinstance(design, SparseDesign):
        return SparseModel(design, y[:, None], *args, labels)
    return Smooth(design, y, *args, labels=labels)


def quadratic_model(
    design, targets, weight, penalty, fitted, link="identity", labels=None
):
    """Return the model of a squared loss that suits the design."""
    if isinstance(design, SparseDesign):
        args = weight, Squared(), penalty[0], fitted, link, labels
        return SparseModel(design, targets, *args)
    return Quadratic(design, targets, weight, penalty, fitted, link, labels)


class SparseModel(LinearModel):
    r"""Minimiser of ``F = sum_j s_j l(x_j'theta, y_j) + theta' R theta / 2``, sparse.

    The optimum is polished by Newton steps that conjugate gradients solve. Single
    rows leave along ``H^{-1} x_i``: inner products with it, and leverages, come from
    an `InverseHessian`, which solves for each test row (`first_order` and few test
    rows: about 25 sparse products each) or factorises an n x n matrix once (leverages
    need it: `newton` and `exact`, ``2/3 n^3`` flops and ``8 n^2`` bytes). `exact` is
    one step for squared losses; others go on by `DualLadder`, ``n^3 + 2 m n^3`` flops
    for m steps and ``16 n^2`` bytes: announced by a warning where it takes minutes.
    Rows whose steps do not contract, and sets of rows, get Newton steps of their own.

    R has to be positive, and the same for all features.

    Parameters
    ----------
    targets : ndarray of shape (n, k)
        Targets as the pointwise loss takes them; one column unless it is squared.
    pointwise : object
        The loss l, see `_pointwise`.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    """

    def __init__(
        self, design, targets, weight, pointwise, penalty, fitted, link, labels=None
    ):
        super().__init__(design, link, labels)
        self.targets, self.weight = targets, weight
        self.pointwise, self.penalty = pointwise, penalty
        start = design.rows @ fitted.T
        curvature = weight * pointwise.derivatives(start, targets)[1][:, 0]
        self.structure = InverseHessian(
            design.rows, curvature, penalty, design.intercept
        )
        theta, slack = zip(
            *(self.minimise(k, weight, t) for k, t in enumerate(fitted)), strict=True
        )
        if np.inf in slack:
            raise UnsupportedEstimator(
                "The training objective has no unique finite optimum. Use "
                "solver='refit'."
            )
        self._set_optimum(np.array(theta), fitted)
        self.slack = max(slack)
        self.raw = design.rows @ self.theta.T
        first, second, _ = pointwise.derivatives(self.raw, targets)
        self.slope = weight[:, None] * first
        self.curvature = weight * second[:, 0]

    def minimise(self, output, weight, theta):
        """Minimise without some weights; return theta and a distance from the minimum.

        The distance is the norm of the gradient in the metric of the inverse Hessian;
        infinite where there is no minimiser.
        """
        problems = SparseProblems(self, self.targets[:, output], weight)
        end, left = minimise(problems, theta[None])
        return end[0], left[0]

    def _inverse(self, damping, curvature=None):
        """Inverse Hessian at the optimum, or with other curvatures."""
        curvature = self.curvature if curvature is None else curvature
        if damping == 0:
            return self.structure.reweighted(curvature)
        design = self.design
        return InverseHessian(
            design.rows,
            curvature,
            self.penalty + damping,
            design.intercept,
            design.center,
        )

    def _exact_rows(self, tol):
        inverse = self._inverse(0.0)
        if self.pointwise.M > 0:
            return self._climb(inverse, tol)
        return self._one_step(inverse, tol)

    def _newton_rows(self, damping):
        return self._one_step(self._inverse(damping), STEP_TOLERANCE)

    def _first_order_rows(self, damping):
        none = np.empty(0, dtype=np.intp)
        return SparseRemovals(self, self._inverse(damping), self.slope, True, none)

    def _one_step(self, inverse, tol):
        """Newton steps, by leverages: of squared losses they are exact."""
        dual = inverse.factorise()
        rough = ~(dual.gap_error <= tol * dual.gap)
        factor = self.slope / np.where(rough, 1.0, dual.gap)[:, None]
        return SparseRemovals(self, inverse, factor, False, np.flatnonzero(rough))

    def _climb(self, inverse, tol):
        """Follow the minimisers of losses that are no squares, see `DualLadder`."""
        n = len(self.weight)
        seconds = 7 * n**3 * FLOP
        if seconds > LONG:
            warnings.warn(
                f"Exact leave-one-out of {n} sparse rows takes about "
                f"{seconds / 60:.0f} minutes of computing and "
                f"{16 * n * n / 2**30:.1f} GiB. InfluenceFunctions(step='newton') "
                "takes a tenth of the time and half the memory.",
                stacklevel=2,
            )
        ladder = DualLadder(self, inverse.factorise())
        beta, own, hard = ladder.climb(tol)
        unresolved = []
        for i in hard:
            weight = self.weight.copy()
            weight[i] = 0.0
            theta, slack = self.minimise(0, weight, self.theta[0])
            if slack == np.inf:
                unresolved.append(i)
                continue
            moved = self.design.rows @ (theta - self.theta[0])
            beta[i], own[i] = ladder.beta_of(i, moved), moved[i]
        unresolved = np.array(unresolved, dtype=np.intp)
        return SparseRemovals(self, inverse, None, False, unresolved, (beta, own))

    def _exact_groups(self, masks, tol):
        if self.pointwise.M == 0:
            return self._newton_groups(masks, 0.0)

        def move(g, rows):
            left = np.where(masks[g], 0.0, self.weight)
            theta, slack = self.minimise(0, left, self.theta[0])
            return None if slack == np.inf else theta - self.theta

        return self._each_group(masks, move)

    def _newton_groups(self, masks, damping):
        def move(g, rows):
            if len(rows) == np.count_nonzero(self.weight):
                return None
            curvature = np.where(masks[g], 0.0, self.curvature)
            return self._group_move(rows, self._inverse(damping, curvature))

        return self._each_group(masks, move)

    def _first_order_groups(self, masks, damping):
        inverse = self._inverse(damping)
        return self._each_group(
            masks, lambda g, rows: self._group_move(rows, inverse), first_order=True
        )

    def _group_move(self, rows, inverse):
        """``inverse`` applied to the gradients of a set of rows, shape (k, p)."""
        pull = self.design.rows[rows].T @ self.slope[rows]
        return np.stack([inverse.solve(column) for column in pull.T])


class SparseProblems(SmoothProblems):
    """The problem of a `SparseModel` with some weights, by conjugate gradients."""

    # Relative residual of a step: the steps that follow make up for it.
    INEXACT = 1e-6

    def __init__(self, model, y, weight):
        rows, p = model.design.rows, model.design.rows.shape[1]
        args = y, weight[None], model.pointwise, model.penalty, np.zeros((1, p))
        super().__init__(rows, np.zeros(len(y)), *args)
        self.structure = model.structure

    def step(self, which, x, state):
        curvature = self.weights[0] * self.pointwise.curvature(state[1][0], self.y)
        if not (curvature.any() and np.isfinite(curvature).all()):
            return np.zeros_like(x), np.zeros(1, dtype=bool)
        inverse = self.structure.reweighted(curvature)
        return -inverse.solve(state[0][0], self.INEXACT)[None], np.ones(1, dtype=bool)

    def left(self, which, x, state, step, decrement):
        left = super().left(which, x, state, step, decrement)
        return left + self.INEXACT * decrement


class SparseRemovals(MovedCoefficients):
    """Single rows that leave a `SparseModel`: moves ``H^{-1} X' beta``.

    Parameters
    ----------
    model : SparseModel
        The model.
    inverse : InverseHessian
        At its optimum.
    factor : ndarray of shape (n, k) or None
        The beta of row i and output c is ``factor[i, c]`` at i, zero elsewhere.
    first_order : bool
        Whether to follow the slope of the loss instead of evaluating it.
    unresolved : ndarray of int
        Rows to be refitted.
    exact : tuple (ndarray of shape (n, n), ndarray of shape (n,)), default=None
        All beta, and the moves of row i without it, where factors do not do.
    """

    def __init__(self, model, inverse, factor, first_order, unresolved, exact=None):
        self.model, self.link, self.inverse = model, model.link, inverse
        self.factor, self.exact = factor, exact
        self.first_order, self.unresolved = first_order, unresolved
        self.n_removals = len(model.weight)

    def prepare(self, X):
        rows = self.model.design(X)
        return rows @ self.model.theta.T, self.inverse.products(rows)

    def moves(self, state, removals):
        if self.exact is not None:
            return (state @ self.exact[0][removals].T)[:, :, None]
        return state[:, removals, None] * self.factor[removals]

    def displacements(self, rows):
        """Moves of theta for some removals, shape (len(rows), k, p)."""
        if self.exact is not None:
            return self.inverse.lift(self.exact[0][rows])[:, None]
        unit = np.zeros((len(rows), self.n_removals))
        unit[np.arange(len(rows)), rows] = 1.0
        return self.factor[rows][:, :, None] * self.inverse.lift(unit)[:, None]

    def own_moves(self):
        if self.exact is not None:
            return self.model.raw, self.exact[1][:, None]
        norms = self.inverse.factorise().norms(self.factor)
        return self.model.raw, self.factor * norms[:, None]

    def along(self, gradient):
        solved = [self.inverse.times(self.inverse.solve(g)) for g in gradient]
        return (self.factor * np.transpose(solved)).sum(axis=1)
