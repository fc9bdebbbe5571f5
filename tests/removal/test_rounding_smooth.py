"""Smooth models against 50 digits, where one row is alone in an indicator column."""

import numpy as np
import pytest
from mpmath import lu_solve, mp
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from truth import fifty_digits

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import removal_model

OPTIONS = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 10_000}
SETS = [[0], [9], [20], [24], [0, 24], [8, 9, 24], list(range(8))]
SINGLES = [0, 9, 20, 24]


def table(kind):
    rng = np.random.default_rng(6)
    c = np.r_[np.repeat([0, 1, 2], 8), 3]
    X = np.c_[np.eye(4)[c], rng.normal(size=25)]
    y = rng.poisson(3, size=25) + 1.0
    return X, (rng.random(25) < 0.5).astype(int) if kind == "logistic" else y


def estimator(kind, alpha):
    if kind == "logistic":
        return LogisticRegression(C=1 / alpha, **OPTIONS)
    model = PoissonRegressor if kind == "poisson" else GammaRegressor
    return model(alpha=alpha, **OPTIONS)


def derivatives(kind, eta, y):
    """First and second derivative of the losses, of numbers with many digits."""
    e = np.array([mp.exp(v) for v in eta])
    if kind == "poisson":
        return e - y, e
    if kind == "gamma":
        return 1 - y / e, y / e
    return e / (1 + e) - y, e / (1 + e) ** 2


def optimum(kind, X, y, ridge, start):
    """Coefficients, the intercept last, of ``sum loss + ridge |w|^2 / 2``."""
    y, theta = fifty_digits.exact_matrix(y), fifty_digits.exact_matrix(start)
    A = np.column_stack([X, fifty_digits.exact_matrix(np.ones(len(X)))])
    R = np.array([mp.mpf(ridge)] * X.shape[1] + [mp.mpf(0)])
    for _ in range(200):
        first, second = derivatives(kind, A @ theta, y)
        hessian = A.T @ (second[:, None] * A) + np.diag(R)
        gradient = A.T @ first + R * theta
        step = lu_solve(mp.matrix(hessian), mp.matrix(gradient))
        step = np.array(list(step), dtype=object)
        theta = theta - step / max(1, *abs(A @ step))
        if max(abs(step)) < mp.mpf(10) ** -25:
            return theta
    raise AssertionError("Newton's method did not converge.")


def predictors(kind, alpha, rescale=False):
    """Linear predictors without each set in 50 digits, and those of scikit-learn."""
    X, y = table(kind)
    found, reached = [], []
    for gone in [[], *SETS]:
        kept = np.setdiff1d(np.arange(25), gone)
        with mp.workdps(fifty_digits.DIGITS):
            rows = fifty_digits.exact_matrix(X)
            if rescale:
                rows = fifty_digits.scaled(rows, kept)
            columns = rows.astype(float)
            model = estimator(kind, alpha).fit(columns[kept], y[kept])
            start = np.append(model.coef_, model.intercept_)
            ridge = mp.mpf(alpha) * (1 if kind == "logistic" else len(kept))
            if kind == "logistic":
                ridge = 1 / mp.mpf(1 / alpha)
            theta = optimum(kind, rows[kept], y[kept], ridge, start)
            found.append((rows @ theta[:-1] + theta[-1]).astype(float))
        reached.append(columns @ start[:-1] + start[-1])
    found, reached = np.array(found), np.array(reached)
    moves = found[1:] - found[0]
    return moves, np.abs(reached[1:] - reached[0] - moves).max()


def moves_of(removals, X):
    state = removals.prepare(X)[1]
    return removals.moves(state, slice(0, removals.n_removals))[:, :, 0].T


@pytest.mark.parametrize("kind", ["poisson", "gamma", "logistic"])
@pytest.mark.parametrize("alpha", [1e-12, 1e-10, 1e-8, 1e-6, 1e-2, 1.0])
def test_predictors_without_rows_and_sets(kind, alpha):
    X, y = table(kind)
    truth, best = predictors(kind, alpha)
    model = estimator(kind, alpha).fit(X, y)
    algebra = removal_model(model, X, y)
    masks = np.array([np.isin(np.arange(25), s) for s in SETS])
    rows, groups = algebra.exact(), algebra.exact(masks=masks)
    assert len(rows.unresolved) == len(groups.unresolved) == 0
    allowed = max(1e-8, min(10 * best, 1e-4))
    assert np.abs(moves_of(rows, X)[SINGLES] - truth[:4]).max() <= allowed
    assert np.abs(moves_of(groups, X) - truth).max() <= allowed


@pytest.mark.parametrize("alpha", [1e-10, 1e-6])
def test_scaler_that_is_fitted_again(alpha):
    X, y = table("logistic")
    truth, best = predictors("logistic", alpha, rescale=True)
    pipeline = make_pipeline(StandardScaler(), estimator("logistic", alpha))
    algebra = removal_model(pipeline.fit(X, y), X, y)
    assert not algebra.held_fixed
    masks = np.array([np.isin(np.arange(25), s) for s in SETS])
    rows = algebra.exact().removals
    groups = algebra.exact(masks=masks).removals
    assert len(rows.unresolved) == len(groups.unresolved) == 0
    allowed = max(1e-8, min(10 * best, 1e-5))
    scaled = pipeline[0].transform(X)
    assert np.abs(moves_of(rows, scaled)[SINGLES] - truth[:4]).max() <= allowed
    assert np.abs(moves_of(groups, scaled) - truth).max() <= allowed


@pytest.mark.parametrize("alpha", [1e-10, 1e-6, 1e-2])
def test_one_newton_step(alpha):
    """A step from the optimum, whose derivatives are taken in 50 digits."""
    X, y = table("poisson")
    with mp.workdps(fifty_digits.DIGITS):
        rows, many = fifty_digits.exact_matrix(X), fifty_digits.exact_matrix(y)
        A = np.column_stack([rows, fifty_digits.exact_matrix(np.ones(25))])
        start = estimator("poisson", alpha).fit(X, y)
        start = np.append(start.coef_, start.intercept_)
        theta = optimum("poisson", rows, y, 25 * mp.mpf(alpha), start)
        first, second = derivatives("poisson", A @ theta, many)
        expected = []
        for gone in SETS:
            kept = np.setdiff1d(np.arange(25), gone)
            R = np.array([mp.mpf(alpha) * len(kept)] * 5 + [mp.mpf(0)])
            hessian = A[kept].T @ (second[kept, None] * A[kept]) + np.diag(R)
            gradient = A[kept].T @ first[kept] + R * theta
            step = lu_solve(mp.matrix(hessian), mp.matrix(gradient))
            expected.append((-A @ np.array(list(step), dtype=object)).astype(float))
    model = InfluenceFunctions(estimator("poisson", alpha), step="newton").fit(X, y)
    found = moves_of(model._removals, X)[SINGLES]
    assert np.abs(found - expected[:4]).max() <= 1e-8
    masks = np.array([np.isin(np.arange(25), s) for s in SETS])
    groups = model._model.newton(masks=masks)
    assert np.abs(moves_of(groups, X) - expected).max() <= 1e-8


def test_no_row_is_refitted_in_the_usual_case():
    X, y = table("logistic")
    loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, y)
    assert len(loo.refitted_rows_) == 0
