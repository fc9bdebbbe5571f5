"""The truth: scikit-learn's own estimators, fitted again on the remaining rows."""

import warnings

import numpy as np
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)

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
    return np.logaddexp(0, np.where(positive, -logits, logits))


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
    """Return the unit deviance of a Tweedie power, from its definition."""

    def loss(model, X, y):
        mu = model.predict(X)
        if power == 1:
            return 2 * (xlogy(y, y / mu) - y + mu)
        if power == 2:
            return 2 * (np.log(mu / y) + y / mu - 1)
        return 2 * (
            y ** (2 - power) / ((1 - power) * (2 - power))
            - y * mu ** (1 - power) / (1 - power)
            + mu ** (2 - power) / (2 - power)
        )

    return loss


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


def standardised(X):
    """Centre and scale the columns."""
    return (X - X.mean(axis=0)) / X.std(axis=0)


def split(X, y, n_train, seed=0):
    """Shuffle and split; returns X, y, X_test, y_test."""
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = order[:n_train], order[n_train:]
    return X[train], y[train], X[test], y[test]


def breast_cancer():
    """Two classes, 426 rows of 30 columns; C=100 makes them nearly separable."""
    X, y = load_breast_cancer(return_X_y=True)
    return split(standardised(X), y, 426)


def wine():
    """Two of the three classes of wine: separable."""
    X, y = load_wine(return_X_y=True)
    return split(standardised(X[y != 2]), y[y != 2], 90)


def overlapping():
    """Two classes that no hyperplane separates, whatever row goes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 4))
    y = (X @ [1.0, -1.0, 0.5, 0.0] + 1.5 * rng.normal(size=160) > 0).astype(int)
    return split(X, y, 120)


def diabetes():
    """One continuous target."""
    X, y = load_diabetes(return_X_y=True)
    return split(standardised(X), y, 330)


def counts(power, n=240, seed=0):
    """Targets of a log-linear model: counts, positive, or positive with zeros."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    mean = np.exp(0.5 + X @ [0.5, -0.3, 0.2, 0.0, 0.1])
    if power == 1:
        y = rng.poisson(mean).astype(float)
    elif power == 2:
        y = rng.gamma(2.0, mean / 2)
    else:
        y = np.where(rng.random(n) < 0.3, 0.0, rng.gamma(2.0, mean))
    return split(X, y, 180)


def glm(power, **params):
    """Return the regressor of a Tweedie power."""
    if power == 1:
        return PoissonRegressor(**params)
    if power == 2:
        return GammaRegressor(**params)
    return TweedieRegressor(power=power, **params)


def uneven_weights(n, seed=0):
    """Weights over three orders of magnitude, with a zero."""
    weight = np.exp(1.5 * np.random.default_rng(seed).normal(size=n))
    weight[3] = 0.0
    return weight
