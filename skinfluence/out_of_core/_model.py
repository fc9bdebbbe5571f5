r"""A linear model of a table in blocks, and its minimisers without some rows.

With H the Hessian at the optimum, :math:`d_i, a_i` the weighted first and second
derivatives of the loss of row i and :math:`h_i = x_i^\top H^{-1} x_i`, the coefficients
move without row i by

.. math:: H^{-1} x_i \, \frac{d_i}{1 - a_i h_i}

exactly for squared losses, by one Newton step for others, with a bound on what is left
(`removal.smooth._certificate`). Rows whose bound exceeds the tolerance are minimised
without, together, in further passes (`_minimisers`). Where the penalty is proportional
to the number of rows the steps start from the optimum of the penalty without a row.

**Cost.** A pass per Newton step of the fit, ``n p^2`` operations each, and one more for
the leverages; ``n p`` per test row. Memory: the blocks that are being read, p^2, and
one number per row and output.
"""

import warnings
from time import perf_counter

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from skinfluence.out_of_core import _passes
from skinfluence.out_of_core._minimisers import chords, minimisers
from skinfluence.out_of_core._problem import problem_of, set_up
from skinfluence.out_of_core._removals import BlockwiseRemovals
from skinfluence.removal import RemovalModel, UnsupportedEstimator
from skinfluence.removal.linear._linear import LinearRemovals
from skinfluence.removal.linear._normal_equations import cholesky
from skinfluence.removal.smooth import _certificate as certificate

# Relative rounding error of solutions by the Hessian up to which it is used, and of one
# minus leverage from which on a row is minimised without.
TRUSTED, ROUGH = 1e-10, 1e-9
NONE = np.empty(0, dtype=np.intp)
LONG = 60  # seconds that are announced


class BlockModel(RemovalModel):
    """A linear estimator at the optimum of its objective over `Blocks`.

    Parameters
    ----------
    estimator : estimator
        The user's, not fitted.
    blocks : Blocks

    Attributes
    ----------
    estimator : estimator
        Fitted: scikit-learn's own, its coefficients those of the optimum.
    """

    lacks = (
        "Dask collections have no such removal. Use step='infinitesimal', or "
        "LeaveOneOutInfluence."
    )

    def __init__(self, estimator, blocks):
        self.blocks = blocks
        self.estimator, self.classes = set_up(estimator, blocks)
        self.problem = problem_of(self.estimator, self.classes)
        total, columns, targets, counts, least, most = blocks.total(
            _passes.moments, combine=_passes.merged_moments, problem=self.problem
        )
        if self.classes is not None and counts.min() < 2:
            raise ValueError(
                "Every class needs two rows, so that one can leave. Got one of class "
                f"{self.classes[counts.argmin()]!r}: drop it."
            )
        if not total > 0:
            raise ValueError("The sum of 'sample_weight' must be above 0. Got 0.")
        self.total, self.mean = total, columns / total
        self._check_equal_weights(least[-1], most[-1])
        # Largest absolute values of the columns of the design.
        centre = self.mean if self.problem.intercept else 0.0
        ends = least[:-1] - centre, most[:-1] - centre
        ones = np.ones(int(self.problem.intercept))
        self.reach = np.append(np.abs(ends).max(axis=0), ones)
        p, k = blocks.n_features + self.problem.intercept, len(targets)
        start = np.zeros((k, p))
        if self.problem.intercept and self.problem.link != "logit":
            start[:, -1] = targets / total
            if self.problem.link == "log":
                start[:, -1] = np.log(start[:, -1])
        self.theta = self._optimum(start)
        self._set_coefficients()

    def _check_equal_weights(self, least, most):
        if self.problem.per_weight and least != most:
            raise UnsupportedEstimator(
                f"{type(self.estimator).__name__} on dask collections needs equal "
                "sample weights, since each row takes its share of the penalty with "
                f"it. Got weights from {least:.6g} to {most:.6g}: pass arrays that fit "
                "into memory."
            )
        self._weight = most

    def penalty(self, n_removed):
        """Return the diagonal of the penalty without so many rows, (p,)."""
        size = 1.0
        if self.problem.per_weight:
            size = self.total - n_removed * self._weight
        diagonal = np.full(self.mean.size + self.problem.intercept, 1.0)
        diagonal *= self.problem.ridge * size
        if self.problem.intercept:
            diagonal[-1] = 0.0
        return diagonal

    def _optimum(self, start, n_removed=0):
        """Minimise with all rows, and the penalty of all but so many."""
        k = len(start)
        theta, reached = minimisers(
            self, start, np.arange(k), [NONE] * k, self.penalty(n_removed)
        )
        if not reached.all():
            raise UnsupportedEstimator(
                "The training objective has no unique finite optimum: classes are "
                "separable, or columns depend on each other, and no penalty decides. "
                "Add a penalty, or drop columns."
            )
        return theta

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

    def _factorise(self, theta, n_removed, damping=0.0):
        """Return gradients (k, p), and the inverse root and inverse of the Hessian."""
        gradient, hessian = self.blocks.total(
            _passes.derivatives,
            list(self.blocks.slices()),
            problem=self.problem,
            mean=self.mean,
            theta=theta,
            outputs=list(range(len(theta))),
            removed=[NONE] * len(theta),
        )
        penalty = self.penalty(n_removed)
        gradient += penalty * theta
        lower, error = cholesky(hessian[0] + np.diag(penalty + damping))
        if not error <= TRUSTED:
            raise UnsupportedEstimator(
                "Columns depend on each other up to rounding, which passes over blocks "
                f"cannot resolve (relative error {error:.1e}). Scale the columns, add "
                "a penalty, or drop columns."
            )
        root = sla.solve_triangular(lower, np.eye(len(lower)), lower=True)
        return gradient, root, root.T @ root, error

    def exact(self, tol=1e-8, masks=None):
        if masks is not None:
            return self._exact_groups(masks)
        # Without a row the penalty of a mean loss is smaller.
        n_removed = int(self.problem.per_weight)
        base, drift = self.theta, None
        if n_removed:
            base = self._optimum(self.theta, n_removed)
            drift = base - self.theta
        gradient, self.root, lift, error = self._factorise(base, n_removed)
        self.slack = self.root @ gradient[0]
        start = perf_counter()
        found = self._moves(base, lift)
        seconds = perf_counter() - start
        factor, h, kappa = (np.concatenate(part) for part in zip(*found, strict=True))
        self.h_max = h.max()
        bounds = self._bounds(factor, h, kappa, gradient)
        sure = error <= ROUGH * kappa
        hard = np.flatnonzero(~(bounds <= tol) | ~sure)
        self._announce(len(hard), seconds)
        polished = self._polish(hard, base, tol, sure[hard])
        return BlockwiseRemovals(self, self._base(lift, drift=drift), factor, polished)

    def _announce(self, n_hard, seconds):
        """Warn if the further passes take long; the leverages took ``seconds``."""
        p = self.theta.shape[1]
        # Two steps of 4 p operations and a loss, some 40, for every pair of rows; the
        # leverages are 2 p^2 operations for every row.
        seconds *= 2 * n_hard * (4 * p + 40) / (2 * p**2)
        if seconds > LONG:
            warnings.warn(
                f"{n_hard} of {len(self.blocks)} rows are further than tol from the "
                "minimum after one step, and need passes that take about "
                f"{seconds / 60:.0f} min. Raise tol, or pass arrays if the table fits "
                "into memory, where this is faster.",
                UserWarning,
                stacklevel=8,  # the caller of fit
            )

    def _bounds(self, factor, h, kappa, gradient):
        """Bound the error of the linear predictor after one step, per row."""
        M, kappa = self.problem.pointwise.M, np.maximum(kappa, 1e-15)
        size = np.abs(factor).max(axis=1)
        length, slope = size * np.sqrt(h), size * np.sqrt(h * kappa)
        nu = certificate.newton_residual(length, slope, self.h_max, kappa, M)
        slack = np.linalg.norm(gradient @ self.root.T, axis=1).max()
        zeta = length * np.sqrt(self.h_max)
        return certificate.radius(
            nu + slack / np.sqrt(kappa), zeta, kappa, self.h_max, M
        )

    def _polish(self, rows, base, tol, smooth):
        """Return moves of the coefficients (k, p) without each of some rows."""
        moves, k = {}, len(base)
        if k == 1 and smooth.any():
            chord = rows[smooth]
            found, met = chords(self, base[0], chord, tol)
            moves = {
                int(row): move[None] + base - self.theta
                for row, move in zip(chord[met], found[met], strict=True)
            }
        left = [int(row) for row in rows if int(row) not in moves]
        if left:
            outputs = np.tile(np.arange(k), len(left))
            removed = [np.array([row]) for row in left for _ in range(k)]
            start = np.tile(base, (len(left), 1))
            found, reached = minimisers(self, start, outputs, removed)
            if not reached.all():
                bad = sorted({int(removed[i][0]) for i in np.flatnonzero(~reached)})
                raise UnsupportedEstimator(
                    f"{len(bad)} row(s) determine a coefficient alone, or without them "
                    f"there is no optimum (rows {bad[:10]}). Drop these rows, or add a "
                    "penalty."
                )
            found = found.reshape(len(left), k, -1)
            moves |= {
                row: own - self.theta for row, own in zip(left, found, strict=True)
            }
        return moves

    def _exact_groups(self, masks):
        k, n_groups = len(self.theta), len(masks)
        outputs = np.tile(np.arange(k), n_groups)
        removed = [np.flatnonzero(mask) for mask in masks for _ in range(k)]
        start = np.tile(self.theta, (n_groups, 1))
        found, reached = minimisers(self, start, outputs, removed)
        if not reached.all():
            bad = sorted({int(i) // k for i in np.flatnonzero(~reached)})
            raise UnsupportedEstimator(
                f"Without {len(bad)} group(s) there is no unique optimum (groups "
                f"{bad[:10]}). Add a penalty, or leave these groups out."
            )
        moves = found.reshape(n_groups, k, -1) - self.theta
        return LinearRemovals(self.as_model(), moves, (), False)

    def newton(self, damping=0.0, masks=None):
        if masks is not None or self.problem.per_weight:
            raise UnsupportedEstimator(self.lacks)
        _, _, lift, _ = self._factorise(self.theta, 0, damping)
        factor = np.concatenate([part[0] for part in self._moves(self.theta, lift)])
        return BlockwiseRemovals(self, self._base(lift), factor)

    def first_order(self, damping=0.0, masks=None):
        _, _, lift, _ = self._factorise(self.theta, 0, damping)
        drift = None
        if self.problem.per_weight:
            drift = self.penalty(0) * self.theta @ lift / self.total
        found = self._moves(self.theta, lift, gap=False)
        factor = np.concatenate([part[0] for part in found])
        base = self._base(lift, first_order=True, drift=drift)
        removals = BlockwiseRemovals(self, base, factor)
        if masks is None:
            return removals
        return LinearRemovals(self.as_model(), removals.summed(masks), (), True)

    def _base(self, lift, **options):
        return _passes.Base(self.problem, self.mean, self.theta, lift, **options)

    def _moves(self, theta, lift, gap=True):
        shared = {"problem": self.problem, "mean": self.mean, "theta": theta}
        return self.blocks.map(_passes.row_moves, lift=lift, gap=gap, **shared)

    def no_targets(self):
        """Return targets of no rows, in the shape that losses take."""
        if self.classes is not None:
            return np.empty(0, dtype=np.intp)
        return np.empty((0, len(self.theta)))

    def design(self, X):
        """Return checked test rows with centred columns, and the intercept's ones."""
        X = validate_data(
            self.estimator, X, reset=False, accept_sparse="csr", dtype=np.float64
        )
        X = X.toarray() if sp.issparse(X) else X
        return _passes.centred(X, self.mean, self.problem.intercept)

    def as_model(self):
        """Return the coefficients under the interface of `LinearRemovals`."""
        return _passes.Coefficients(self.problem.link, self.theta, self.design)
