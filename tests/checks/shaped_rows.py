"""Wide, sparse and many rows, and models for them."""

import numpy as np
import scipy.sparse as sp
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.svm import LinearSVC
from truth.refits import (
    deviance,
    glm,
    influence_of,
    log_loss,
    squared_error,
    squared_margin,
)


def wide(kind, n=24, d=70, n_test=9, seed=0):
    """More columns than rows, a linear signal, an offset in the columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_test, d)) + 0.5
    signal = X[:, :4].sum(axis=1) - 2
    if kind == "binary":
        y = (signal + rng.normal(size=len(X)) > 0).astype(int)
    elif kind == "classes":
        y = np.digitize(signal, [-1.0, 1.0])
    elif kind == "positive":
        y = rng.gamma(2.0, np.exp(0.2 * signal))
    elif kind == "outputs":
        y = np.column_stack([signal, -(signal**2)]) + rng.normal(size=(len(X), 2))
    else:
        y = signal + rng.normal(size=len(X))
    return X[:n], y[:n], X[n:], y[n:]


def cross_entropy(model, X, y):
    logits = model.decision_function(X)
    truth = np.searchsorted(model.classes_, y)
    return logsumexp(logits, axis=1) - logits[np.arange(len(y)), truth]


def squared_hinge(model, X, y):
    margin = model.decision_function(X)
    if margin.ndim == 1:
        code = np.where(y == model.classes_[1], 1, -1)
        return np.maximum(0, 1 - code * margin) ** 2
    code = np.where(y[:, None] == model.classes_, 1, -1)
    return (np.maximum(0, 1 - code * margin) ** 2).sum(axis=1)


SVC = LinearSVC(dual=True, tol=1e-10, max_iter=1_000_000, random_state=0)


FAMILIES = {
    "ridge": (Ridge(0.7), "real", squared_error),
    "ridge without intercept": (Ridge(0.7, fit_intercept=False), "real", squared_error),
    "ridge, two outputs": (Ridge(np.array([0.7, 30.0])), "outputs", squared_error),
    "ridge classifier": (RidgeClassifier(3.0), "classes", squared_margin),
    "ridge classifier, balanced": (
        RidgeClassifier(3.0, class_weight="balanced"),
        "binary",
        squared_margin,
    ),
    "logistic": (LogisticRegression(C=0.3), "binary", log_loss),
    "logistic, liblinear": (
        LogisticRegression(solver="liblinear", intercept_scaling=2.0),
        "binary",
        None,
    ),
    "multinomial": (LogisticRegression(C=0.1), "classes", cross_entropy),
    "poisson": (glm(1, alpha=0.5), "positive", deviance(1)),
    "gamma": (glm(2, alpha=0.5), "positive", deviance(2)),
    "tweedie": (glm(1.5, alpha=0.5), "positive", deviance(1.5)),
    "svc": (SVC, "binary", squared_hinge),
    "svc, three classes": (SVC, "classes", squared_hinge),
}


def truth(name, data, weight=None):
    """Influence by scikit-learn's refits."""
    estimator, _, loss = FAMILIES[name]
    X, y, X_test, y_test = data
    rows = [[i] for i in range(len(X))]
    if name == "logistic, liblinear":
        # the intercept is the coefficient of a constant that shares the penalty
        X, X_test = (np.column_stack([A, np.full(len(A), 2.0)]) for A in (X, X_test))
        estimator, loss = LogisticRegression(fit_intercept=False), log_loss
    if name == "multinomial":
        estimator = LogisticRegression(C=0.1, tol=1e-13, max_iter=10_000)
    return influence_of(rows, estimator, X, y, X_test, y_test, loss, weight)


def design_of(influence):
    """Return the design of the model that loses rows."""
    model = influence._model
    return getattr(model, "model", model).design


def text(kind, n=60, d=500, n_test=11, seed=0):
    """Sparse rows with many columns, a few of them informative."""
    rng = np.random.default_rng(seed)
    X = sp.csr_array(sp.random(n + n_test, d, density=0.03, random_state=rng))
    common = rng.random((n + n_test, 5)) * (rng.random((n + n_test, 5)) < 0.6)
    X = sp.hstack([X, common], format="csr")
    signal = 4 * (common[:, 0] - common[:, 1]) + 0.5 * rng.normal(size=n + n_test)
    y = (signal > 0).astype(int) if kind == "binary" else signal
    if kind == "outputs":
        y = np.column_stack([y, rng.normal(size=len(y))])
    if kind == "classes":
        y = np.digitize(signal, [-0.5, 0.5])
    return X[:n], y[:n], X[n:], y[n:]


SPARSE = {
    "logistic": (LogisticRegression(C=3.0), "binary", log_loss),
    "logistic, no intercept": (
        LogisticRegression(C=3.0, fit_intercept=False),
        "binary",
        log_loss,
    ),
    "logistic, liblinear": (
        LogisticRegression(C=3.0, solver="liblinear", intercept_scaling=2.0),
        "binary",
        None,
    ),
    "logistic, class weights": (
        LogisticRegression(C=3.0, class_weight={0: 2.0}),
        "binary",
        log_loss,
    ),
    "ridge": (Ridge(0.5), "real", squared_error),
    "ridge, two outputs": (Ridge(0.5), "outputs", squared_error),
    "ridge, no intercept": (Ridge(0.5, fit_intercept=False), "real", squared_error),
    "ridge classifier": (RidgeClassifier(0.5), "classes", squared_margin),
}
