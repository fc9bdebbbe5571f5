"""HuberRegressor without rows, against roots of the gradient of its definition."""

import numpy as np
import pytest
from checks.score_refits import leave
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq, root
from sklearn.linear_model import HuberRegressor
from tables import scaled
from truth.weight_derivatives import derivative_by_weight

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model


@pytest.fixture(scope="module")
def diabetes():
    X, y = scaled("diabetes", 150)
    return X + 1, y


SETTINGS = [
    {},
    {"epsilon": 1.05, "alpha": 1.0},
    {"epsilon": 2.5, "alpha": 50.0},
    {"epsilon": 1.2, "fit_intercept": False},
]


def gradient(estimator, X, y, weight, w, b, sigma):
    """Derivatives by w, b and sigma, term by term."""
    z = (y - X @ w - b) / sigma
    out = np.abs(z) > estimator.epsilon
    by_residual = np.where(out, 2 * estimator.epsilon * np.sign(z), 2 * z) * weight
    by_w = -X.T @ by_residual + 2 * estimator.alpha * w
    by_sigma = weight @ np.where(out, 1 - estimator.epsilon**2, 1 - z**2)
    by_b = -by_residual.sum() if estimator.fit_intercept else b
    return np.r_[by_w, by_b, by_sigma]


def solve(estimator, X, y, weight, start):
    """Coefficients and intercept where the gradient vanishes: F is convex."""
    d = X.shape[1]

    def function(point):
        return gradient(estimator, X, y, weight, point[:d], point[d], point[-1])

    for _ in range(3):
        start = root(function, start, tol=1e-13).x
    size = np.abs(X.T) @ weight
    assert start[-1] > 0
    assert np.all(np.abs(function(start))[:d] < 1e-9 * size)
    assert np.all(np.abs(function(start))[d:] < 1e-9 * weight.sum())
    return start


def full(estimator):
    """Where scikit-learn stopped."""
    return np.r_[estimator.coef_, estimator.intercept_, estimator.scale_]


def check(estimator, X, y, weight=None, rows=None, masks=None, n_rows=10):
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    everyone = np.ones(len(y)) if weight is None else weight
    if masks is None:
        removals = model.exact()
        if rows is None:
            order = np.abs(removals.displacement).max(axis=(1, 2)).argsort()
            rows = np.r_[order[-n_rows:], order[:: len(y) // n_rows]]
        masks, moves = np.eye(len(y), dtype=bool)[rows], removals.displacement[rows]
    else:
        removals = model.exact(masks=masks)
        moves = removals.displacement
    assert len(removals.unresolved) == 0
    start = full(estimator)
    for mask, move in zip(masks, moves[:, 0], strict=True):
        truth = solve(estimator, X, y, np.where(mask, 0.0, everyone), start)
        raw = model.design.rows @ (model.theta[0] + move)
        assert_allclose(raw, X @ truth[:-2] + truth[-2], rtol=0, atol=1e-7)
    return model, removals


@pytest.mark.parametrize("params", SETTINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_of_diabetes(diabetes, params, weighted):
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 4, len(y)) / 2 if weighted else None
    _, removals = check(HuberRegressor(max_iter=1000, **params), X, y, weight)
    if weighted:
        assert np.all(removals.displacement[weight == 0] == 0)


@pytest.mark.parametrize("params", SETTINGS)
def test_optimality_of_every_row(diabetes, params):
    X, y = diabetes
    estimator = HuberRegressor(max_iter=1000, **params).fit(X, y)
    model = removal_model(estimator, X, y)
    removals = model.exact()
    sides = set()
    for i, move in enumerate(removals.displacement[:, 0]):
        theta = model.design.to_coef(model.theta[0] + move)
        w, b = (theta[:-1], theta[-1]) if estimator.fit_intercept else (theta, 0.0)
        s = np.ones(len(y))
        s[i] = 0

        def by_sigma(sigma, s=s, w=w, b=b):
            return gradient(estimator, X, y, s, w, b, sigma)[-1]

        sigma = brentq(by_sigma, 1, 1e4, xtol=1e-13, rtol=1e-15)
        slope = gradient(estimator, X, y, s, w, b, sigma)[:-1]
        assert np.abs(slope).max() < 1e-9 * len(y)
        sides.add(((y - X @ w - b) > estimator.epsilon * sigma).tobytes())
    assert len(sides) > 1


def test_no_rows_cross_their_kinks_in_large_epsilon(diabetes):
    # least squares with a ridge that depends on the scale: still not quadratic
    X, y = diabetes
    check(HuberRegressor(epsilon=30.0, alpha=10.0, max_iter=1000), X, y, n_rows=5)


def test_groups(diabetes):
    X, y = diabetes
    rng = np.random.default_rng(3)
    masks = rng.random((5, len(y))) < np.array([0.02, 0.1, 0.3, 0.5, 0])[:, None]
    for weight in (None, rng.uniform(0, 2, len(y))):
        estimator = HuberRegressor(max_iter=1000)
        _, removals = check(estimator, X, y, weight, masks=masks)
        assert np.all(removals.displacement[4] == 0)


def test_infinitesimal_is_minus_the_derivative_by_the_weight(diabetes):
    X, y = diabetes
    weight = np.random.default_rng(4).uniform(0.5, 2, len(y))
    estimator = HuberRegressor(max_iter=1000).fit(X, y, sample_weight=weight)
    model = removal_model(estimator, X, y, weight)
    moves = model.first_order().displacement[:, 0]

    def predictions(weight):
        end = solve(estimator, X, y, weight, full(estimator))
        return X @ end[:-2] + end[-2]

    for i in np.abs(moves).max(axis=1).argsort()[[-1, -2, 0, 75]]:
        derivative = derivative_by_weight(predictions, weight, i, 1e-5)
        assert_allclose(model.design.rows @ moves[i], -derivative, rtol=1e-4, atol=1e-3)


def test_newton_is_one_step_of_the_objective_without_the_row(diabetes):
    X, y = diabetes
    model = removal_model(HuberRegressor(max_iter=1000).fit(X, y), X, y)
    exact, newton, first = (
        leave(model, step).displacement for step in ("exact", "newton", "first_order")
    )
    assert np.abs(newton - exact).sum() < 0.5 * np.abs(first - exact).sum()


def test_duplicates_and_units(diabetes):
    X, y = diabetes
    doubled, targets = np.r_[X, X[:5]], np.r_[y, y[:5]]
    estimator = HuberRegressor(max_iter=1000)
    _, removals = check(estimator, doubled, targets, rows=[0, 3, 152])
    assert_allclose(
        removals.displacement[:5], removals.displacement[150:], rtol=0, atol=1e-8
    )
    # The penalty has a unit, so without it: results follow the unit of the target.
    estimator = HuberRegressor(alpha=0.0, max_iter=1000)
    one = removal_model(estimator.fit(X, y), X, y).exact().displacement
    small = removal_model(estimator.fit(X, 1e-4 * y), X, 1e-4 * y)
    assert_allclose(small.exact().displacement, 1e-4 * one, rtol=0, atol=1e-9)


def test_through_the_methods(diabetes):
    X, y = diabetes
    train, test = slice(0, 60), slice(60, 80)
    tight = HuberRegressor(tol=1e-9, max_iter=10_000)
    exact = LeaveOneOutInfluence(HuberRegressor()).fit(X[train], y[train])
    refit = LeaveOneOutInfluence(tight, solver="refit").fit(X[train], y[train])
    assert exact.solver_ == "exact"
    assert len(exact.refitted_rows_) == 0
    expected = refit.influence(X[test], y[test])
    error = np.abs(exact.influence(X[test], y[test]) - expected).max()
    assert error < 1e-2 * np.abs(expected).max()  # L-BFGS stops early at kinks
    slope = (
        InfluenceFunctions(tight).fit(X[train], y[train]).influence(X[test], y[test])
    )
    assert np.corrcoef(slope.ravel(), expected.ravel())[0, 1] > 0.8


def test_models_without_a_scale_are_refused():
    X = np.arange(20.0)[:, None]
    y = 3 * X[:, 0] + 1
    y[0] += 5
    estimator = HuberRegressor(alpha=0.0).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="positive scale"):
        removal_model(estimator, X, y)


def test_rows_that_leave_no_scale_are_unresolved():
    # two lines cross: without row 6 the others fit exactly
    X = np.arange(7.0)[:, None]
    y = X[:, 0].copy()
    y[6] += 3
    estimator = HuberRegressor(epsilon=3.0, alpha=0.0).fit(X, y)
    removals = removal_model(estimator, X, y).exact()
    assert_array_equal(removals.unresolved, [6])
    assert np.isfinite(removals.displacement).all()
    groups = removal_model(estimator, X, y).exact(masks=np.eye(7)[[6, 0]] > 0)
    assert_array_equal(groups.unresolved, [0])
    assert not groups.displacement[0].any()


@pytest.mark.parametrize("scale_factor", [1e-3, 0.1, 1, 10, 1e3])
def test_newton_steps_from_far_away(diabetes, scale_factor):
    X, y = diabetes
    model = removal_model(HuberRegressor(max_iter=1000).fit(X, y), X, y)
    start = np.append(np.full(X.shape[1] + 1, 3.0), scale_factor)[None]
    end, converged = model.objective.minimise(np.ones((1, len(y))), start)
    assert converged.all()
    assert_allclose(end[0], model.point, rtol=0, atol=1e-9)
