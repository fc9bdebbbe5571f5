"""Clusters leave as a whole: against brute-force deletion."""

import numpy as np
import pytest
from checks.diagnosed_models import few, newton, with_constant
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from tables import counts, diabetes, overlapping, uneven_weights
from truth.refits import refit

from skinfluence import case_diagnostics

LABELS = np.random.default_rng(3).choice(list("abcdefgh"), 60)
SINGLE = np.arange(60)


def definitions(estimator, X, y, weight, labels):
    """Evaluate the definitions with a refit for each cluster."""
    full = refit(estimator, X, y, weight)
    A = with_constant(X)

    def pieces(model, rows):
        w, R = weight[rows], np.zeros(A.shape[1])
        if isinstance(model, Ridge):
            R[:-1] = model.alpha
        elif isinstance(model, LogisticRegression):
            R[:-1], p = 1 / model.C, model.predict_proba(X[rows])[:, 1]
            w = w * p * (1 - p)
        elif isinstance(model, PoissonRegressor):
            R[:-1], w = model.alpha * w.sum(), w * model.predict(X[rows])
        inverse = np.linalg.inv(A[rows].T @ (w[:, None] * A[rows]) + np.diag(R))
        theta = np.append(np.ravel(model.coef_), model.intercept_)
        scale = 1.0
        if isinstance(model, LinearRegression | Ridge):
            p = np.trace(inverse @ A[rows].T @ (w[:, None] * A[rows]))
            chi2 = w @ (y[rows] - model.predict(X[rows])) ** 2
            scale = chi2 / ((w > 0).sum() - p)
        return theta, w, inverse, scale

    everyone = np.arange(len(y))
    theta, w, inverse, scale = pieces(full, everyone)
    hat = np.sqrt(np.outer(w, w)) * (A @ inverse @ A.T)
    n_parameters = np.trace(hat)
    out = {"leverage": [], "cooks_distance": [], "dfbeta": [], "dfbetas": []}
    for label in np.unique(labels):
        rows, kept = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        left, _, _, without = pieces(
            refit(estimator, X, y, weight, rows.tolist()), kept
        )
        move = theta - left
        out["leverage"].append(np.trace(hat[np.ix_(rows, rows)]))
        out["cooks_distance"].append(w @ (A @ move) ** 2 / (n_parameters * scale))
        out["dfbeta"].append(move)
        out["dfbetas"].append(move / np.sqrt(without * np.diag(inverse)))
    out = {key: np.array(value) for key, value in out.items()}
    n = len(out["dfbeta"])
    spread = (out["dfbeta"] ** 2).sum(axis=0)
    out["jackknife_std_errors"] = np.sqrt((n - 1) / n * spread)
    out["std_errors"] = np.sqrt(scale * np.diag(inverse))
    return out


MODELS = [
    (LinearRegression(), few(diabetes())),
    (Ridge(alpha=0.1, solver="svd"), few(diabetes())),
    (Ridge(alpha=30.0, solver="svd"), few(diabetes())),
    (LogisticRegression(C=1.0), few(overlapping())),
    (PoissonRegressor(alpha=0.3), few(counts(1))),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("estimator", "data"), MODELS, ids=str)
def test_clusters_equal_refits_without_them(estimator, data, weighted):
    X, y = data
    weight = uneven_weights(len(y)) if weighted else np.ones(len(y))
    fitted = refit(estimator, X, y, weight)
    found = case_diagnostics(fitted, X, y, sample_weight=weight, groups=LABELS)
    assert_array_equal(found.groups, np.unique(LABELS))
    for name, value in definitions(estimator, X, y, weight, LABELS).items():
        atol = 1e-7 * np.abs(value).max()
        assert_allclose(found[name], value, rtol=1e-7, atol=atol, err_msg=name)


@pytest.mark.parametrize("step", ["exact", "one_step"])
@pytest.mark.parametrize(
    ("estimator", "data"),
    [*MODELS, (GammaRegressor(alpha=0.2), few(counts(2)))],
    ids=str,
)
def test_clusters_of_one_row_are_rows(estimator, data, step):
    X, y = data
    fitted = refit(estimator, X, y)
    rows = case_diagnostics(fitted, X, y, step=step)
    found = case_diagnostics(fitted, X, y, groups=SINGLE, step=step)
    for name in set(found) - {"groups", "frame"}:
        size = np.abs(rows[name]).max()
        assert_allclose(found[name], rows[name], atol=1e-8 * size, err_msg=name)


def test_clusters_with_nearly_all_of_the_variance():
    """The rest is not what is left of a sum of squares."""
    X, y = few(diabetes())
    y = np.where(LABELS == "c", 1e7 * y, y)
    weight = np.ones(60)
    model = Ridge(alpha=0.1, solver="svd")
    found = case_diagnostics(refit(model, X, y), X, y, groups=LABELS)
    expected = definitions(model, X, y, weight, LABELS)["dfbetas"]
    assert_allclose(found.dfbetas[2], expected[2], rtol=1e-5)


def test_a_cluster_that_alone_has_a_column():
    X, y = few(diabetes())
    X = np.column_stack([X[:, :3], (LABELS == "b") * X[:, 4]])
    found = case_diagnostics(LinearRegression().fit(X, y), X, y, groups=LABELS)
    kept = LABELS != "b"
    left = LinearRegression().fit(X[kept], y[kept])
    full = LinearRegression().fit(X, y)
    assert_allclose(found.dfbeta[1, :-1], full.coef_ - left.coef_, atol=1e-8)
    short = X[kept, :3]
    rest = y[kept] - LinearRegression().fit(short, y[kept]).predict(short)
    scale = rest @ rest / (kept.sum() - 4)
    ratio = found.dfbeta[1] / found.dfbetas[1]
    expected = found.std_errors * np.sqrt(scale / found.scale)
    assert_allclose(ratio, expected, rtol=1e-8)


@pytest.mark.parametrize("model", [LogisticRegression(), PoissonRegressor()])
def test_one_step_is_a_scoring_step_without_the_cluster(model):
    X, y = few(overlapping() if hasattr(model, "C") else counts(1))
    model = refit(model, X, y)
    found = case_diagnostics(model, X, y, groups=LABELS, step="one_step")
    A = with_constant(X)
    theta = np.append(np.ravel(model.coef_), model.intercept_)
    for k, label in enumerate(np.unique(LABELS)):
        kept = LABELS != label
        R = np.append(np.full(X.shape[1], getattr(model, "alpha", 0) * kept.sum()), 0)
        if isinstance(model, LogisticRegression):
            R[:-1], mean = 1 / model.C, model.predict_proba(X)[:, 1]
            w = mean * (1 - mean)
        else:
            w = mean = model.predict(X)
        gradient = A[kept].T @ (mean - y)[kept] + R * theta
        hessian = A[kept].T @ (w[kept, None] * A[kept]) + np.diag(R)
        expected = np.linalg.solve(hessian, gradient)
        assert_allclose(found.dfbeta[k], expected, atol=1e-8)


def test_without_a_class():
    X, y = few(overlapping())
    labels = np.where(y == 1, "all ones", LABELS)
    model = newton(LogisticRegression).fit(X, y)
    found = case_diagnostics(model, X, y, groups=labels)
    assert found.cooks_distance[found.groups == "all ones"] == np.inf
    assert found.dfbetas[found.groups == "all ones", -1] == np.inf
    others = found.groups != "all ones"
    assert np.isfinite(found.dfbetas[others]).all()
    ridge = RidgeClassifier().fit(X, y)
    found = case_diagnostics(ridge, X, y, groups=labels)
    assert found.dfbetas[found.groups == "all ones", -1] == np.inf
    signs = 2.0 * y - 1
    expected = case_diagnostics(Ridge().fit(X, signs), X, signs, groups=labels)
    assert_allclose(found.dfbetas[others], expected.dfbetas[others], rtol=1e-9)


def test_too_few_rows_are_left():
    X, y = few(diabetes())
    labels = np.arange(60) // 50
    with pytest.raises(ValueError, match="more rows without any cluster"):
        case_diagnostics(LinearRegression().fit(X, y), X, y, groups=labels)


def test_lasso_by_its_cluster_jackknife():
    X, y = few(diabetes())
    model = Lasso(alpha=1.0, tol=1e-12, max_iter=100_000)
    found = case_diagnostics(refit(model, X, y), X, y, groups=LABELS)
    moves = definitions(model, X, y, np.ones(60), LABELS)["dfbeta"]
    assert_allclose(found.dfbeta, moves, atol=1e-7 * np.abs(moves).max())
    errors = np.sqrt(7 / 8 * (moves**2).sum(axis=0))
    assert_allclose(found.jackknife_std_errors, errors, rtol=1e-6)
    assert_allclose(
        found.dfbetas[:, errors > 0],
        (moves / np.where(errors > 0, errors, 1))[:, errors > 0],
        atol=1e-7,
    )
