"""Estimators whose predictions are sums of their targets, and the weights of these.

``f(x) = sum_i w_i(x) y_i``: ridge regression and least squares, ridge classifiers (of
codes), kernel ridge regression and Gaussian processes with a fixed kernel.
"""

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier

from skinfluence._memory import check_memory
from skinfluence._sklearn import clone_for_rows, n_rows
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.linear._quadratic import Quadratic

KERNELS = KernelRidge, GaussianProcessRegressor
SMOOTHERS = Ridge, LinearRegression, RidgeClassifier, *KERNELS


def is_smoother(estimator):
    """Tell whether predictions of an estimator of this type are linear in targets."""
    return isinstance(estimator, SMOOTHERS)


def target_weights(estimator, X, y, sample_weight):
    """Return the weights of the training targets in predictions, as a function.

    Parameters
    ----------
    estimator : fitted estimator
        A smoother.
    X, y, sample_weight : array-like
        The data of its fit.

    Returns
    -------
    weights : callable
        ``weights(X)`` of shape (n_samples, n).
    """
    _refuse_settings(estimator)
    if isinstance(estimator, KERNELS):
        return _kernel_weights(estimator, X, sample_weight)
    model = removal_model(estimator, X, y, sample_weight)
    if not isinstance(model, Quadratic) or len(model.penalties) > 1:
        raise UnsupportedEstimator(
            f"{estimator!r:.100} has no weights of its targets here: dense rows and "
            "one penalty for all outputs are needed. Use fewer or dense columns."
        )
    root = np.sqrt(model.weight)
    rows = model.design.rows * root[:, None]
    penalty = np.diag(np.sqrt(model.penalties[0]))
    U, size, V = np.linalg.svd(np.concatenate([rows, penalty]), full_matrices=False)
    kept = size > max(rows.shape) * np.finfo(np.float64).eps * size[0]
    lift = (V[kept] / size[kept, None]).T
    back = U[: len(rows), kept].T * root
    return _LinearWeights(model.design, lift, back)


class _LinearWeights:
    """The weights ``x' H^{-1} X' S``."""

    def __init__(self, design, lift, back):
        self.design, self.lift, self.back = design, lift, back

    def __call__(self, X):
        return (self.design(X) @ self.lift) @ self.back


def _kernel_weights(estimator, X, sample_weight):
    """Predictions by scikit-learn's solver, from targets that are one in one row."""
    n = n_rows(X)
    check_memory(
        8 * 4 * n * n,
        f"The weights of {n} targets",
        "Use fewer training rows, or a model with few columns.",
    )
    params = {} if sample_weight is None else {"sample_weight": sample_weight}
    unit = clone_for_rows(estimator, np.arange(n), n).fit(X, np.eye(n), **params)
    return unit.predict


def _refuse_settings(estimator):
    why = None
    if getattr(estimator, "positive", False):
        why = "positive=True makes coefficients a function with kinks of the targets"
    if getattr(estimator, "class_weight", None) is not None:
        why = "class_weight gives a row another weight when its label is another"
    if getattr(estimator, "optimizer", None) is not None:
        why = "optimizer chooses a kernel anew for other targets: use optimizer=None"
    if why:
        raise UnsupportedEstimator(
            f"The predictions of {estimator!r:.100} are not linear in its targets: "
            f"{why}. Change it, or use PartitionClassifier."
        )
