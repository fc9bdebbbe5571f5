r"""Models whose raw predictions are sums over training rows.

.. math:: z_t = b + \sum_i \alpha_i \, k(x_i, x_t)

For a linear model with penalty :math:`\rho |w|^2 / 2` beside
:math:`\sum_i s_i \ell(z_i, y_i)`, stationarity says
:math:`w = \sum_i \alpha_i x_i^\top` with
:math:`\alpha_i = -s_i \ell'(z_i) / \rho`. Penalty and loss follow scikit-learn's
conventions:

==================  =========================================  ================
estimator           objective                                  alpha_i
==================  =========================================  ================
LogisticRegression  sum s logloss + |w|^2 / (2 C)              C s (y - p)
Ridge               sum s (y - z)^2 + alpha |w|^2              s (y - z) / alpha
RidgeClassifier     the same on codes of +1 and -1             s (c - z) / alpha
LinearSVC           C sum s max(0, 1 - c z)^2 + |w|^2 / 2      2 C s c (1 - c z)+
LinearSVR           C sum s max(0, |y - z| - eps)^2 + |w|^2/2  2 C s (...)
SVC, SVR, ...       dual coefficients as fitted                dual_coef_
==================  =========================================  ================

An unpenalised intercept is kept apart as b. liblinear's intercept is the coefficient of
a constant feature, ``intercept_scaling``: it is a part of the kernel, and b is zero.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.base import is_classifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC, SVR
from sklearn.utils import check_array, gen_batches
from sklearn.utils.extmath import safe_sparse_dot

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal._objective import has_objective, objective
from skinfluence.removal._weights import ClassWeights, row_weights
from skinfluence.trees import averaged_trees, is_booster, tree_structure
from skinfluence.trees._averaged_trees import KINDS
from skinfluence.trees._base_values import MeanBase
from skinfluence.trees._row_weights import booster_row_weights, forest_row_weights

SUPPORTED = (
    "LogisticRegression (L2), Ridge, RidgeClassifier and their CV versions, "
    "BayesianRidge, LinearSVC and LinearSVR with a squared loss, SVC (two classes), "
    "SVR, KernelRidge, forests and boosters of regression with a squared loss, skorch "
    "nets, and Pipelines that end in one of these"
)


@dataclass
class Representation:
    """Coefficients and kernel of a model.

    Attributes
    ----------
    alpha : ndarray of shape (n_train, k)
    bias : ndarray of shape (k,)
    kernel : callable
        From rows to an ndarray of shape (n_samples, n_train).
    link : str
        How raw predictions become predictions, see `_predictions.link_prediction`.
    raw : ndarray of shape (n_train, k)
        Raw predictions of the training rows, not computed from alpha.
    optimum_distance : float
        Largest distance of ``raw`` from what the solver returned.
    """

    alpha: np.ndarray
    bias: np.ndarray
    kernel: object
    link: str
    raw: np.ndarray
    optimum_distance: float = 0.0

    def predict(self, X):
        """Raw predictions as sums over training rows, shape (n_samples, k)."""
        return _sums(self.kernel, X, self.alpha) + self.bias


class _LinearKernel:
    """Inner products with training rows, plus a constant."""

    def __init__(self, rows, constant):
        self.rows, self.constant = rows, constant

    def __call__(self, X):
        X = check_array(X, accept_sparse="csr", dtype=np.float64)
        return safe_sparse_dot(X, self.rows.T, dense_output=True) + self.constant

    def sums(self, X, alpha):
        """Return the product with alpha in O(n p), without the inner products."""
        X = check_array(X, accept_sparse="csr", dtype=np.float64)
        coef = safe_sparse_dot(self.rows.T, alpha, dense_output=True)
        inner = safe_sparse_dot(X, coef, dense_output=True)
        return inner + self.constant * alpha.sum(axis=0)


def _sums(kernel, X, alpha):
    """Return the product of a kernel with alpha, in blocks within working memory."""
    if isinstance(kernel, _LinearKernel):
        return kernel.sums(X, alpha)
    size = sklearn.get_config()["working_memory"] * 2**20 // (8 * len(alpha))
    blocks = gen_batches(n_rows(X), max(1, int(size)))
    return np.concatenate([kernel(take_rows(X, block)) @ alpha for block in blocks])


def represent(estimator, X, y, labels, sample_weight=None):
    """Return the `Representation` of a fitted model (not of a Pipeline).

    Parameters
    ----------
    estimator : estimator
        Fitted on X and y.
    X, y : array-like
        Training rows and targets as given to ``fit``.
    labels : ndarray
        Encoded targets: class indices, or floats of shape (n, n_outputs).
    sample_weight : array-like of shape (n,) or None
        As given to ``fit``.
    """
    if isinstance(estimator, SVC | SVR | KernelRidge):
        return _kernel_machine(estimator, X)
    if isinstance(estimator, KINDS) or is_booster(estimator):
        return _trees(estimator, X, y, labels, sample_weight)
    goal = _objective(estimator)
    penalty, constant = goal.l2, goal.constant
    if not np.all(np.isfinite(penalty) & (penalty > 0)):
        raise UnsupportedEstimator(
            f"Representer points need an L2 penalty above zero. {estimator!r} has "
            "none, so that its coefficients are not a sum over training rows."
        )
    model = removal_model(estimator, X, y, sample_weight)
    coef = model.design.to_coef(model.theta)
    n_features = estimator.n_features_in_
    free = estimator.fit_intercept and not constant
    X = check_array(X, accept_sparse="csr", dtype=np.float64)
    raw = safe_sparse_dot(X, coef[:, :n_features].T)
    if estimator.fit_intercept:
        raw = raw + coef[:, -1]
    slope = goal.slope(labels, raw)
    if is_classifier(estimator):
        classes = ClassWeights(estimator, y, sample_weight)
        weight = classes.of_outputs(classes.of_rows(), raw.shape[1])
    else:
        weight = row_weights(sample_weight, len(raw))[:, None]
    return Representation(
        alpha=-weight * slope / penalty,
        bias=coef[:, -1] if free else np.zeros(len(coef)),
        kernel=_LinearKernel(X, constant**2 if constant else 0.0),
        link=model.link,
        raw=raw,
        optimum_distance=model.optimum_distance,
    )


def _objective(estimator):
    """Return the objective, if training rows represent its minimiser."""
    goal = objective(estimator) if has_objective(estimator) else None
    if goal is None or goal.slope is None or goal.per is not None:
        raise UnsupportedEstimator(
            f"RepresenterPoints does not support {type(estimator).__name__}. It takes "
            f"{SUPPORTED}. InfluenceFunctions supports more models, "
            "DownsamplingInfluence all of them."
        )
    if goal.l1:
        raise UnsupportedEstimator(
            "Representer points need an L2 penalty. Got an L1 penalty: use "
            "InfluenceFunctions or LeaveOneOutInfluence."
        )
    return goal


def _trees(estimator, X, y, labels, sample_weight):
    """Return targets and weights of rows, `trees._row_weights`; there is no bias."""
    if is_classifier(estimator):
        raise UnsupportedEstimator(
            f"Predictions of {type(estimator).__name__} are not weighted sums of "
            "training targets. Among tree models only regressors are supported: use "
            "TreeInfluence."
        )
    if isinstance(estimator, KINDS):
        trees = averaged_trees(estimator, X, y, sample_weight)
        kernel = forest_row_weights(trees)
    else:
        trees = tree_structure(estimator, X, y, sample_weight)
        if not trees.objective.quadratic or not isinstance(trees.base, MeanBase):
            raise UnsupportedEstimator(
                f"Predictions of {type(estimator).__name__} are weighted sums of the "
                "training targets only for the squared loss and an initial prediction "
                "that is their mean: use TreeInfluence."
            )
        kernel = booster_row_weights(trees)
    fitted = np.reshape(estimator.predict(X), labels.shape).astype(np.float64)
    raw = _sums(kernel, X, labels)
    distance = np.abs(fitted - raw).max()
    return Representation(
        labels, np.zeros(labels.shape[1]), kernel, "identity", raw, distance
    )


def _kernel_machine(estimator, X):
    """Return the dual coefficients as fitted, with the error of the solver in them."""
    if isinstance(estimator, KernelRidge):
        # Rows of float32 are fitted in float32, which limits the precision.
        alpha = estimator.dual_coef_.reshape(len(estimator.dual_coef_), -1)
        alpha, bias = alpha.astype(np.float64), np.zeros(alpha.shape[1])
        raw = estimator.predict(check_array(X, accept_sparse="csr", dtype=np.float64))
    else:
        classifier = isinstance(estimator, SVC)
        if classifier and len(estimator.classes_) > 2:
            raise UnsupportedEstimator(
                "An SVC of more than two classes votes among one model per pair of "
                "classes, which have no common representation. Use the members of a "
                "OneVsRestClassifier one by one, or LinearSVC or LogisticRegression."
            )
        alpha = np.zeros((n_rows(X), 1))
        dual = estimator.dual_coef_
        dual = dual.toarray() if sp.issparse(dual) else dual
        alpha[estimator.support_, 0] = dual[0]
        bias = np.ravel(estimator.intercept_)
        raw = (estimator.decision_function if classifier else estimator.predict)(X)
    return Representation(
        alpha=alpha,
        bias=bias,
        kernel=partial(_kernel, estimator, _gamma(estimator, X), X),
        link="margin" if isinstance(estimator, SVC) else "identity",
        raw=np.asarray(raw).reshape(len(alpha), -1),
    )


def _gamma(estimator, X):
    """Resolve the gamma of a kernel as scikit-learn does."""
    if estimator.gamma not in ("scale", "auto"):
        return estimator.gamma
    if estimator.kernel == "precomputed" or callable(estimator.kernel):
        return None
    X = check_array(X, accept_sparse="csr", dtype=np.float64)
    if estimator.gamma == "auto":
        return 1.0 / X.shape[1]
    if sp.issparse(X):
        variance = X.multiply(X).mean() - X.mean() ** 2
    else:
        variance = X.var()
    return 1.0 / (X.shape[1] * variance) if variance else 1.0


def _kernel(estimator, gamma, rows, X):
    kernel = estimator.kernel
    if kernel == "precomputed":
        return check_array(X, dtype=np.float64)
    if callable(kernel) and not isinstance(estimator, KernelRidge):
        return np.asarray(kernel(X, rows), dtype=np.float64)
    if callable(kernel):
        return pairwise_kernels(X, rows, kernel, **(estimator.kernel_params or {}))
    X = check_array(X, accept_sparse="csr", dtype=np.float64)
    rows = check_array(rows, accept_sparse="csr", dtype=np.float64)
    params = {"gamma": gamma, "degree": estimator.degree, "coef0": estimator.coef0}
    return pairwise_kernels(X, rows, kernel, filter_params=True, **params)
