"""Case diagnostics are what refits without the row say."""

import numpy as np
import pytest
from checks.diagnosed_models import few, with_constant
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from tables import counts, diabetes, overlapping, uneven_weights
from truth.refits import refit

from skinfluence import case_diagnostics


def information(model, X):
    """Fisher information of a row about its linear predictor."""
    if isinstance(model, LogisticRegression):
        p = model.predict_proba(X)[:, 1]
        return p * (1 - p)
    if isinstance(model, PoissonRegressor | GammaRegressor | TweedieRegressor):
        power = {PoissonRegressor: 1, GammaRegressor: 2}.get(type(model))
        return model.predict(X) ** (2 - (model.power if power is None else power))
    return np.ones(len(X))


def penalty(model, weight):
    """Second derivative of the penalty on coefficients, in units of one row's loss."""
    if isinstance(model, LogisticRegression):
        return 1 / model.C
    if isinstance(model, Ridge):
        return model.alpha
    return getattr(model, "alpha", 0.0) * weight.sum()


def pieces(model, X, weight):
    """Coefficients, design, working weights, inverse Hessian."""
    columns = with_constant(X)
    theta = np.append(np.ravel(model.coef_), model.intercept_)
    w = weight * information(model, X)
    R = np.diag(np.append(np.full(X.shape[1], penalty(model, weight)), 0.0))
    inverse = np.linalg.inv(columns.T @ (w[:, None] * columns) + R)
    return theta, columns, w, inverse


def from_refits(estimator, X, y, weight):
    """Evaluate the definitions with a refit for each row."""
    theta, columns, w, inverse = pieces(refit(estimator, X, y, weight), X, weight)
    leverage = w * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    left, scale = [], []
    for i in range(len(y)):
        model = refit(estimator, X, y, weight, [i])
        kept = np.delete(np.arange(len(y)), i)
        left.append(np.append(np.ravel(model.coef_), model.intercept_))
        if isinstance(estimator, Ridge | LinearRegression):
            _, rows, w_i, inverse_i = pieces(model, X[kept], weight[kept])
            p_i = np.trace(inverse_i @ rows.T @ (w_i[:, None] * rows))
            chi2 = w_i @ (y[kept] - model.predict(X[kept])) ** 2
            freedom = (w_i > 0).sum() - p_i
            ratio = np.linalg.det(inverse_i) / np.linalg.det(inverse)
            scale.append((chi2 / freedom, ratio))
    moves = theta - np.array(left)
    own = np.einsum("ij,ij->i", columns, moves)
    own_error = np.sqrt(np.einsum("ij,jk,ik->i", columns, inverse, columns))
    out = {"leverage": leverage}
    phi, phi_without = 1.0, np.ones(len(y))
    if scale:
        residual = y - columns @ theta
        phi_without, ratio = np.array(scale).T
        phi = w @ residual**2 / ((w > 0).sum() - leverage.sum())
        external = np.sqrt(w) * residual / np.sqrt(phi_without * (1 - leverage))
        out["resid_studentized_external"] = external
        out["cov_ratio"] = (phi_without / phi) ** len(theta) * ratio
    norm = leverage.sum() * phi
    out["cooks_distance"] = ((moves @ columns.T) ** 2 @ w) / norm
    out["dffits"] = own / own_error / np.sqrt(phi_without)
    errors = np.sqrt(np.outer(phi_without, np.diag(inverse)))
    out["dfbetas"] = moves / errors
    return out


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (LinearRegression(), few(diabetes())),
        (Ridge(alpha=0.1, solver="svd"), few(diabetes())),
        (Ridge(alpha=100.0, solver="svd"), few(diabetes())),
        (LogisticRegression(C=np.inf), few(overlapping())),
        (LogisticRegression(C=1.0), few(overlapping())),
        (LogisticRegression(C=0.01), few(overlapping())),
        (PoissonRegressor(alpha=0.0), few(counts(1))),
        (PoissonRegressor(alpha=1.0), few(counts(1))),
        (TweedieRegressor(power=1, link="log", alpha=0.1), few(counts(1))),
    ],
    ids=str,
)
def test_exact_equals_refits(estimator, data, weighted):
    X, y = data
    weight = uneven_weights(len(y)) if weighted else np.ones(len(y))
    fitted = refit(estimator, X, y, weight)
    ours = case_diagnostics(fitted, X, y, sample_weight=weight)
    for name, value in from_refits(estimator, X, y, weight).items():
        atol = 1e-8 * np.abs(value).max()
        assert_allclose(ours[name], value, rtol=1e-8, atol=atol, err_msg=name)


@pytest.mark.parametrize("power", [1.5, 2])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_exact_moves_of_estimated_scales_equal_refits(power, alpha):
    X, y = few(counts(power))
    model = refit(TweedieRegressor(power=power, link="log", alpha=alpha), X, y)
    ours = case_diagnostics(model, X, y)
    weight = np.ones(len(y))
    theta, columns, w, inverse = pieces(model, X, weight)
    left = [refit(model, X, y, without=[i]) for i in range(len(y))]
    moves = theta - [np.append(m.coef_, m.intercept_) for m in left]
    # in units of the working model's own deletion estimate of the variance
    unit = ours.resid_studentized_internal / ours.resid_studentized_external
    unit = unit[:, None] * np.sqrt(ours.scale * np.diag(inverse))
    scale = np.abs(moves / unit).max()
    assert_allclose(ours.dfbetas, moves / unit, atol=1e-8 * scale)
    h = w * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    chi2 = w @ ((y - model.predict(X)) / model.predict(X)) ** 2
    assert_allclose(ours.scale, chi2 / (len(y) - h.sum()), rtol=1e-8)
    cooks = ((moves @ columns.T) ** 2 @ w) / (h.sum() * ours.scale)
    assert_allclose(ours.cooks_distance, cooks, atol=1e-8 * cooks.max())


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(C=1.0), PoissonRegressor(alpha=0.3), GammaRegressor(alpha=0.3)],
    ids=str,
)
def test_one_step_is_the_first_scoring_step_of_a_refit(estimator):
    data = overlapping() if isinstance(estimator, LogisticRegression) else counts(2)
    X, y = few(data)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    fitted = refit(estimator, X, y, weight)
    ours = case_diagnostics(fitted, X, y, sample_weight=weight, step="one_step")
    theta, columns, w, inverse = pieces(fitted, X, weight)
    if isinstance(estimator, LogisticRegression):
        slope = weight * (fitted.predict_proba(X)[:, 1] - y)
    else:
        mean = fitted.predict(X)
        slope = w * (mean - y) / mean
    moves = []
    for i in range(len(y)):
        kept = np.delete(np.arange(len(y)), i)
        R = np.append(np.full(X.shape[1], penalty(estimator, weight[kept])), 0.0)
        gradient = columns[kept].T @ slope[kept] + R * theta
        hessian = columns[kept].T @ (w[kept, None] * columns[kept]) + np.diag(R)
        moves.append(np.linalg.solve(hessian, gradient))
    moves = np.array(moves)
    h = w * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    cooks = ((moves @ columns.T) ** 2 @ w) / (h.sum() * ours.scale)
    assert_allclose(ours.cooks_distance, cooks, rtol=1e-8)


def test_one_step_and_exact_are_the_same_for_least_squares():
    X, y = few(diabetes())
    model = Ridge(alpha=3.0).fit(X, y)
    exact = case_diagnostics(model, X, y)
    one = case_diagnostics(model, X, y, step="one_step")
    for name in exact:
        assert_array_equal(exact[name], one[name])


def test_balanced_class_weights_follow_the_removal():
    X, y = few(overlapping())
    y[:10] = 1
    estimator = LogisticRegression(class_weight="balanced")
    model = refit(estimator, X, y)
    ours = case_diagnostics(model, X, y)
    weight = (len(y) / (2 * np.bincount(y)))[y]
    theta, _, _, inverse = pieces(model, X, weight)
    left = [refit(estimator, X, y, without=[i]) for i in range(len(y))]
    moves = theta - [np.append(m.coef_, m.intercept_) for m in left]
    assert_allclose(ours.dfbetas, moves / np.sqrt(np.diag(inverse)), atol=1e-8)


def test_ridge_classifier_is_ridge_on_signs():
    X, y = few(overlapping())
    ours = case_diagnostics(RidgeClassifier().fit(X, y), X, y)
    signs = 2.0 * y - 1
    expected = case_diagnostics(Ridge().fit(X, signs), X, signs)
    for name in expected:
        assert_allclose(ours[name], expected[name], rtol=1e-10)
