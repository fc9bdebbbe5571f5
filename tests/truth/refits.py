"""The truth: scikit-learn's own estimators, fitted again on the remaining rows."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)
from truth import losses

# scikit-learn's default tolerances make more noise than most rows have influence.
TIGHT = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}
SMOOTH = LogisticRegression | PoissonRegressor | GammaRegressor | TweedieRegressor


def tight(estimator):
    """Return a copy whose solver stops at rounding error."""
    return clone(estimator).set_params(
        **(TIGHT if isinstance(estimator, SMOOTH) else {})
    )


def refit(estimator, X, y, weight=None, without=()):
    """Fit on the rows that remain, to rounding error."""
    kept = np.setdiff1d(np.arange(len(X)), without)
    params = {} if weight is None else {"sample_weight": weight[kept]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rounding stops it
        return tight(estimator).fit(X[kept], y[kept], **params)


def log_loss(model, X, y):
    """From logits of two classes: probabilities would round."""
    positive = y == model.classes_[1]
    logits = model.decision_function(X)
    loss = np.logaddexp(0, np.where(positive, -logits, logits))
    return np.minimum(loss, 52 * np.log(2))  # -log of the eps of float64


def squared_error(model, X, y):
    """Squared error, averaged over outputs."""
    error = (model.predict(X) - y) ** 2
    return error.reshape(len(X), -1).mean(axis=1)


def squared_margin(model, X, y):
    """Squared distance of the decision function from ±1, summed over classes."""
    margin = model.decision_function(X)
    if margin.ndim == 1:
        return (margin - np.where(y == model.classes_[1], 1, -1)) ** 2
    return ((margin - np.where(y[:, None] == model.classes_, 1, -1)) ** 2).sum(axis=1)


def minus_prediction(model, X, y):
    """Minus the prediction, averaged over outputs."""
    return -model.predict(X).reshape(len(X), -1).mean(axis=1)


def deviance(power):
    """Return the loss function of a Tweedie power."""
    return lambda model, X, y: losses.deviance(y, model.predict(X), power)


def influence_of(removals, estimator, X, y, X_test, y_test, loss, weight=None):
    """Loss without each set of rows minus loss with all, (n_test, n_removals)."""
    full = loss(refit(estimator, X, y, weight), X_test, y_test)
    columns = [
        loss(refit(estimator, X, y, weight, rows), X_test, y_test) - full
        for rows in removals
    ]
    return np.stack(columns, axis=1)


def some_rows(matrix, n_largest=8, n_random=8):
    """Choose columns to check: the most influential, and some others."""
    largest = np.argsort(-np.abs(matrix).max(axis=0))[:n_largest]
    others = np.random.default_rng(0).choice(matrix.shape[1], n_random, replace=False)
    return np.union1d(largest, others)


def glm(power, **params):
    """Return the regressor of a Tweedie power."""
    if power == 1:
        return PoissonRegressor(**params)
    if power == 2:
        return GammaRegressor(**params)
    return TweedieRegressor(power=power, **params)
