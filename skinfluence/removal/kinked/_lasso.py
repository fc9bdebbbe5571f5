"""Lasso and elastic net, with one output or several that share nothing.

What scikit-learn minimises: ``sum_j s_j (y_j - x_j'w - b)^2 / (2 S) +
alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2)`` with ``S = sum_j s_j`` and the
intercept free (it scales sample weights to sum to n, which changes nothing). Times S:
the penalty is proportional to S, so a row takes its share of the penalty with it.
"""

import numpy as np
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    LassoCV,
    LassoLars,
    LassoLarsIC,
    MultiTaskElasticNet,
)

from skinfluence.removal._dispatch import UnsupportedEstimator, refuse, removal_model
from skinfluence.removal._weights import row_weights
from skinfluence.removal.kinked._l1_quadratic import L1Quadratic
from skinfluence.removal.linear._design import Design


def _lasso(estimator, X, y, sample_weight, alpha, l1_ratio):
    y = np.asarray(y, dtype=np.float64)
    targets = y.reshape(len(y), -1)
    weight = row_weights(sample_weight, len(targets))
    try:
        design = Design(estimator, X, estimator.fit_intercept, True, weight)
    except MemoryError as error:  # refits need less
        raise UnsupportedEstimator(str(error)) from error
    penalty = np.full(design.rows.shape[1], alpha * weight.sum())
    if estimator.fit_intercept:
        penalty[-1] = 0.0
    fitted = design.coefficients(estimator.coef_, estimator.intercept_)
    return L1Quadratic(
        design,
        targets,
        weight,
        l1_ratio * penalty,
        (1 - l1_ratio) * penalty,
        fitted,
        estimator.positive,
    )


@removal_model.register
def _(estimator: ElasticNet, X, y, sample_weight=None):
    if isinstance(estimator, MultiTaskElasticNet):
        raise UnsupportedEstimator(
            f"{type(estimator).__name__} has no exact removal of rows: its penalty "
            "ties outputs together by a norm that is not piecewise linear. Use "
            "LeaveOneOutInfluence(..., solver='refit') instead."
        )
    return _lasso(estimator, X, y, sample_weight, estimator.alpha, estimator.l1_ratio)


def _chosen(estimator, X, y, sample_weight, l1_ratio, names):
    model = _lasso(estimator, X, y, sample_weight, estimator.alpha_, l1_ratio)
    model.held_fixed = tuple(f"{name} of {type(estimator).__name__}" for name in names)
    return model


@removal_model.register
def _(estimator: LassoCV, X, y, sample_weight=None):
    return _chosen(estimator, X, y, sample_weight, 1.0, ("alpha_",))


@removal_model.register
def _(estimator: ElasticNetCV, X, y, sample_weight=None):
    names = ("alpha_", "l1_ratio_")
    return _chosen(estimator, X, y, sample_weight, estimator.l1_ratio_, names)


@removal_model.register
def _(estimator: LassoLars, X, y, sample_weight=None):
    if isinstance(estimator, LassoLarsIC):
        return _chosen(estimator, X, y, sample_weight, 1.0, ("alpha_",))
    if estimator.jitter is not None:
        refuse(estimator, "jitter", "its targets are random")
    return _lasso(estimator, X, y, sample_weight, estimator.alpha, 1.0)
