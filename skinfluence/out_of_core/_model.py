r"""A linear model of a table in blocks, and its minimisers without some rows.

With H the Hessian at the optimum, :math:`d_i, a_i` the weighted first and second
derivatives of the loss of row i and :math:`h_i = x_i^\top H^{-1} x_i`, the coefficients
move without row i by

.. math:: H^{-1} x_i \, \frac{d_i}{1 - a_i h_i}

exactly for squared losses, by one Newton step for others, with a bound on what is left
(`removal.smooth._certificate`). Rows whose bound exceeds the tolerance are corrected by
a tensor of third derivatives, and one of fourth where it is worth it: sums over the
table, a pass each, after which every row is corrected within its block
(`removal.smooth._corrections`). Most bounds after the first correction follow from the
numbers of the step. Rows that still miss the tolerance take chord steps together,
passes over the table (`_minimisers`). Where the penalty is proportional to the sum of
the weights, steps start from the optimum of the penalty without a row of mean weight,
and correct it for each row. Balanced class weights start from an
optimum for each class.

**Cost.** A pass per Newton step of the fit, ``n p^2`` operations each, and one more for
the leverages; ``n p`` per test row. A correction is ``n p^3`` operations for its
tensor, and as many for each question about rows that need it: moves are computed again,
not kept. Memory: the blocks that are being read, p^2, or ``p^3 / 2`` where rows are
corrected, and one number per row and output.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from skinfluence._counts import counted
from skinfluence.out_of_core import _passes
from skinfluence.out_of_core._minimisers import BlockProblems, minimisers
from skinfluence.out_of_core._removals import BlockwiseRemovals, Found, merged
from skinfluence.out_of_core._rescaled_squares import RescaledSquares
from skinfluence.out_of_core._row_ladders import Rescaled, Shares, centred
from skinfluence.out_of_core._single_rows import SingleRows
from skinfluence.removal import RemovalModel, UnsupportedEstimator
from skinfluence.removal._objective import objective
from skinfluence.removal.linear._moved_coefficients import LinearRemovals
from skinfluence.removal.linear._normal_equations import cholesky
from skinfluence.removal.linear._penalty import COLLAPSE

# Relative rounding error of solutions by the Hessian up to which it is used.
TRUSTED = 1e-10
NONE = np.empty(0, dtype=np.intp)


class BlockModel(RemovalModel):
    """A linear estimator at the optimum of its objective over `Blocks`.

    Parameters
    ----------
    estimator : estimator
        As `set_up` returns it; its coefficients are made those of the optimum.
    blocks : Blocks
    problem : Problem
    steps : BlockSteps, default=None
        The transformers of a Pipeline before it, which exact removals fit again.
    """

    # What shortens further passes, and frames between a warning and the user.
    advice, stacklevel = "Raise tol", 10
    lacks = (
        "Dask collections have no such removal. Use step='infinitesimal', or "
        "LeaveOneOutInfluence."
    )

    problems = BlockProblems
    single_rows = SingleRows
    row_moves = staticmethod(_passes.row_moves)

    def __init__(self, estimator, blocks, problem, steps=None):
        self.blocks, self.estimator, self.problem = blocks, estimator, problem
        self.steps = steps
        self.classes = problem.codes.classes
        total, columns, targets, counts, least, most = blocks.total(
            _passes.moments, combine=_passes.merged_moments, problem=self.problem
        )
        if self.classes is not None and counts[0].min() < 2:
            raise ValueError(
                "Every class needs two rows, so that one can leave. Got one of class "
                f"{self.classes.tolist()[counts[0].argmin()]!r}: drop it."
            )
        if not total > 0:
            raise ValueError("The sum of 'sample_weight' must be above 0. Got 0.")
        self.total, self.mean = total, columns / total
        self.equal_weights = least[-1] == most[-1]
        self._set_class_sizes(counts)
        # Largest absolute values of the columns of the design.
        centre = self.mean if self.problem.intercept else 0.0
        ends = least[:-1] - centre, most[:-1] - centre
        ones = np.ones(int(self.problem.intercept))
        self.reach = np.append(np.abs(ends).max(axis=0), ones)
        p, k = blocks.n_features + self.problem.intercept, len(targets)
        start = np.zeros((k, p))
        if self.problem.intercept and self.problem.link in (
            "identity",
            "margin",
            "log",
        ):
            start[:, -1] = targets / total
            if self.problem.link == "log":
                start[:, -1] = np.log(start[:, -1])
        self._prepare()
        self.theta = self.optimum(start, self.problem, self.penalty())
        self._set_coefficients()

    def _prepare(self):
        """Set further attributes of the objective."""

    def flat(self, theta):
        """Return coefficients (k, p) as the unknowns of independent problems."""
        return theta

    def _set_class_sizes(self, counts):
        """Set sizes of classes where their weights are balanced, and these weights."""
        self.sizes = None
        if not isinstance(getattr(self.estimator, "class_weight", None), str):
            return
        weighed = objective(self.estimator).weighs_classes
        if weighed and not self.equal_weights:
            raise UnsupportedEstimator(
                f"{type(self.estimator).__name__} with class_weight='balanced' needs "
                "equal sample weights on dask collections: without each row all class "
                "weights are others. Multiply the sample weights by class weights that "
                "are fixed, or pass arrays that fit into memory."
            )
        self.sizes = counts[1 if weighed else 2]
        # Contribution of a row to the size of its class.
        self.row_size = self.total / len(self.blocks) if weighed else 1.0
        self.problem = self.balanced(self.sizes)

    def balanced(self, sizes):
        """Return the problem with balanced class weights of these sizes."""
        weights = sizes.sum() / (len(sizes) * sizes)
        return replace(self.problem, class_weight=weights)

    def penalty(self, left=None):
        """Return diagonals of the penalty of rows of these weights, (..., p).

        None: of all rows.
        """
        size = np.asarray(self.total if left is None else left)
        if not self.problem.per_weight:
            size = np.ones(size.shape)
        diagonal = np.full(self.mean.size + self.problem.intercept, self.problem.ridge)
        if self.problem.intercept:
            diagonal[-1] = 0.0
        return np.multiply.outer(size, diagonal)

    @cached_property
    def weights(self):
        """Sample weights of all rows, (n,)."""
        if self.equal_weights:
            return np.full(len(self.blocks), self.total / len(self.blocks))
        return np.concatenate(self.blocks.map(_passes.weights_of))

    @property
    def held_fixed_by_steps(self):
        """Newton and first-order steps hold fitted steps and weights fixed."""
        return () if self.steps is None else tuple(self.steps.learned)

    @property
    def rescales(self):
        """Whether a scaler that is fitted again changes the penalty."""
        scaled = self.steps is not None and self.steps.scales.scaled.any()
        return bool(scaled and self.problem.ridge)

    def excess(self, removed):
        """Return the penalty without a row minus that of a base, or None.

        The base's is that without a row of weight ``removed``.
        """
        excess = None
        if self.problem.per_weight and not self.equal_weights and self.problem.ridge:
            excess = Shares(self.penalty(1.0), removed)
        if not self.rescales:
            return excess
        penalty = self.penalty(self.total - removed)
        intercept = self.problem.intercept
        return Rescaled(penalty, self.steps.scales, self.mean, intercept, excess)

    def penalties(self, removed):
        """Return diagonals of the penalty without each of some sets of rows, (m, p)."""
        penalties = self._penalties_of_columns(removed)
        if self.rescales:
            removed = [np.asarray(rows, dtype=np.intp) for rows in removed]
            factors = self.steps.factors_without(self.blocks, removed)
            penalties = penalties.copy()
            penalties[:, : self.mean.size] *= factors
        return penalties

    def _penalties_of_columns(self, removed):
        """Return them for columns that are not scaled again."""
        if not self.problem.per_weight:
            return np.broadcast_to(self.penalty(), (len(removed), len(self.reach)))
        left = self.total - np.array([self.weights[rows].sum() for rows in removed])
        for i in np.flatnonzero(left < COLLAPSE * self.total):
            # Not a difference, where rows outweigh all others.
            left[i] = np.delete(self.weights, removed[i]).sum()
        return self.penalty(left)

    def optimum(self, start, problem, penalty):
        """Minimise with all rows."""
        flat = self.flat(start)
        k = len(flat)
        theta, reached = minimisers(
            self, problem, flat, np.arange(k), [NONE] * k, np.tile(penalty, (k, 1))
        )
        if not reached.all():
            raise UnsupportedEstimator(
                "The training objective has no unique finite optimum: classes are "
                "separable, or columns depend on each other, and no penalty decides. "
                "Add a penalty, or drop columns."
            )
        return theta.reshape(start.shape)

    def _set_coefficients(self):
        estimator, theta = self.estimator, self.theta
        coef, intercept = theta, np.zeros(len(theta))
        if self.problem.intercept:
            coef = theta[:, :-1]
            intercept = theta[:, -1] - coef @ self.mean
        flat = np.ndim(estimator.coef_) == 1
        estimator.coef_ = coef[0] if flat else coef
        if np.ndim(estimator.intercept_) or self.problem.intercept:
            scalar = np.ndim(estimator.intercept_) == 0
            estimator.intercept_ = float(intercept[0]) if scalar else intercept

    def factorise(self, problem, theta, penalty):
        """Return gradients (k, p), and the inverse root and inverse of the Hessian.

        And the relative rounding error of solutions.
        """
        gradient, hessian = self._derivatives(problem, theta, penalty)
        lower, error = cholesky(hessian)
        if not error <= TRUSTED:
            raise UnsupportedEstimator(
                "Columns depend on each other up to rounding, which passes over blocks "
                f"cannot resolve (relative error {error:.1e}). Scale the columns, add "
                "a penalty, or drop columns."
            )
        root = sla.solve_triangular(lower, np.eye(len(lower)), lower=True)
        return gradient, root, root.T @ root, error

    def _derivatives(self, problem, theta, penalty):
        """Return gradients and the Hessian, that all outputs share."""
        k = len(theta)
        penalties = np.tile(penalty, (k, 1))
        problems = BlockProblems(self, problem, np.arange(k), [NONE] * k, penalties)
        gradient, hessian, _ = problems.evaluate(np.arange(k), theta)
        return gradient, hessian[0]

    def exact(self, tol=1e-8, masks=None):
        self._check_steps(masks)
        if masks is not None:
            return self._exact_groups(masks)
        smooth = self.problem.link == "softmax" or self.problem.pointwise.M
        rescaled = self.rescales and not smooth
        kind = RescaledSquares if rescaled else self.single_rows
        if self.sizes is None:
            rows = kind(self, self.problem, tol)
            return BlockwiseRemovals(self, [rows.base], rows.found)
        parts = []
        for c, own in enumerate(np.eye(len(self.sizes))):
            problem = self.balanced(self.sizes - self.row_size * own)
            parts.append(kind(self, problem, tol, of_class=c))
        found = merged([(rows.mine, rows.found) for rows in parts])
        return BlockwiseRemovals(self, [rows.base for rows in parts], found)

    def _check_steps(self, masks=None):
        """Refuse removals that change the transformers in a way without algebra."""
        if self.steps is None:
            return
        removed = None if masks is None else [np.flatnonzero(mask) for mask in masks]
        self.steps.check_encoders(removed)
        if self.steps.scales.shifts and not self.problem.intercept:
            raise UnsupportedEstimator(
                f"{type(self.estimator).__name__} without an intercept behind a "
                "StandardScaler has no exact removal of rows, each of which moves the "
                "means. Use fit_intercept=True, or StandardScaler(with_mean=False)."
            )

    def _exact_groups(self, masks):
        n_groups = len(masks)
        problems = [(slice(None), self.problem)]
        if self.sizes is not None:
            left = self.sizes - sum(
                self.blocks.map(
                    _passes.sizes_of,
                    [masks[:, span] for span in self.blocks.slices()],
                    problem=self.problem,
                    row_size=self.row_size,
                )
            )
            emptied = np.flatnonzero((left <= 0).any(axis=1))
            if len(emptied):
                raise UnsupportedEstimator(
                    "Balanced class weights need rows of every class. Groups "
                    f"{emptied[:10].tolist()} hold all rows of one: leave them out."
                )
            problems = [
                (slice(g, g + 1), self.balanced(own)) for g, own in enumerate(left)
            ]
        found, reached = (
            np.concatenate(part)
            for part in zip(
                *(self._without(problem, masks[g]) for g, problem in problems),
                strict=True,
            )
        )
        if not reached.all():
            failed = ~reached.reshape(n_groups, -1).all(axis=1)
            bad = np.flatnonzero(failed).tolist()
            raise UnsupportedEstimator(
                f"Without {counted(len(bad), 'group')} there is no unique optimum "
                f"(groups {bad[:10]}). Add a penalty, or leave these groups out."
            )
        moves = found.reshape(n_groups, *self.theta.shape) - self.theta
        return LinearRemovals(self.as_model(), moves, (), False)

    def _without(self, problem, masks):
        """Return the minimisers without each of some sets, and which were reached."""
        start, removed = self.flat(self.theta), [np.flatnonzero(mask) for mask in masks]
        k = len(start)
        return minimisers(
            self,
            problem,
            np.tile(start, (len(masks), 1)),
            np.tile(np.arange(k), len(masks)),
            [rows for rows in removed for _ in range(k)],
            np.repeat(self.penalties(removed), k, axis=0),
        )

    def newton(self, damping=0.0, masks=None):
        if masks is not None or self.problem.per_weight:
            raise UnsupportedEstimator(self.lacks)
        return self._steps(damping, gap=True)

    def first_order(self, damping=0.0, masks=None):
        if self.sizes is not None and objective(self.estimator).weighs_classes:
            raise UnsupportedEstimator(
                f"{type(self.estimator).__name__} with class_weight='balanced' has no "
                "first-order step on dask collections, which would follow the class "
                "weights. Use step='newton', LeaveOneOutInfluence, or class weights "
                "that are given as numbers."
            )
        removals = self._steps(damping, gap=False)
        if masks is None:
            return removals
        return LinearRemovals(self.as_model(), removals.summed(masks), (), True)

    def _steps(self, damping, gap):
        """Return Newton steps, or those of the first order, from the optimum."""
        problem, theta = self.problem, self.theta
        _, root, lift, _ = self.factorise(problem, theta, self.penalty() + damping)
        factor = self.moves(problem, theta, root, gap=gap)[0]
        drift = None
        if problem.per_weight:
            drift = self.penalty() * theta @ lift / self.total
        base = _passes.Base(problem, self.mean, theta, lift, not gap, drift)
        return BlockwiseRemovals(self, [base], Found.one_step(factor))

    def moves(self, problem, theta, root, **options):
        """Return the results of `row_moves` for all rows."""
        shared = {"problem": problem, "theta": theta, "root": root}
        return self.each_row(self.row_moves, **shared, **options)

    def each_row(self, function, **shared):
        """Return arrays of all rows, of those that a function returns of each block."""
        found = self.blocks.map(function, mean=self.mean, **shared)
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))

    def no_targets(self):
        """Return targets of no rows, in the shape that losses take."""
        if self.classes is not None:
            return np.empty(0, dtype=np.intp)
        return np.empty((0, len(self.theta)))

    def design(self, X):
        """Return checked test rows with centred columns, and the intercept's ones."""
        X = X if self.steps is None else self.steps.transform(X)
        X = validate_data(
            self.estimator, X, reset=False, accept_sparse="csr", dtype=np.float64
        )
        X = X.toarray() if sp.issparse(X) else X
        return centred(X, self.mean, self.problem.intercept)

    def as_model(self):
        """Return the coefficients under the interface of `LinearRemovals`."""
        return _passes.Coefficients(self.problem.link, self.theta, self.design)
