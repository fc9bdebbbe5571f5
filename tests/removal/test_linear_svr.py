"""LinearSVR without rows, against non-negative least squares solved for its dual."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear
from sklearn.linear_model import Ridge
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVR
from tables import scaled
from truth.weight_derivatives import derivative_by_weight

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model


@pytest.fixture(scope="module")
def diabetes():
    X, y = scaled("diabetes")
    return X[:120], scale(y)[:120] * 3


def svr(**params):
    return LinearSVR(loss="squared_epsilon_insensitive", dual=False, tol=1e-8, **params)


def problem(estimator, X):
    """Rows and penalty as liblinear's documentation has them."""
    if not estimator.fit_intercept:
        return X, np.ones(X.shape[1])
    Z = np.c_[X, np.ones(len(X))]
    return Z, np.r_[np.ones(X.shape[1]), estimator.intercept_scaling**-2.0]


def conditions(Z, y, cost, penalty, epsilon, theta):
    """Largest element of the gradient, in units of its terms: the proof."""
    residual = y - Z @ theta
    beyond = np.sign(residual) * np.maximum(np.abs(residual) - epsilon, 0)
    gradient = penalty * theta - 2 * Z.T @ (cost * beyond)
    return np.abs(gradient).max() / (np.abs(Z).T @ (2 * cost * np.abs(y))).max()


def solve(Z, y, cost, penalty, epsilon):
    """Minimise by bounded least squares: slacks up and down, nothing shared.

    ``min sum cost (y - Z theta - t)^2 + penalty theta^2 / 2, |t| <= epsilon``.
    """
    used = cost > 0
    Z, y, root = Z[used], y[used], np.sqrt(2 * cost[used])
    n, p = Z.shape
    A = np.zeros((n + p, p + n))
    A[:n, :p] = root[:, None] * Z
    A[:n, p:] = np.diag(root)
    A[n:, :p] = np.diag(np.sqrt(penalty))
    bound = np.r_[np.full(p, np.inf), np.full(n, epsilon)]
    target = np.r_[root * y, np.zeros(p)]
    end = lsq_linear(A, target, (-bound, bound), method="bvls", tol=1e-15)
    return end.x[:p]


def check(estimator, X, y, weight=None, rows=None, masks=None):
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    everyone = np.ones(len(y)) if weight is None else weight
    if masks is None:
        removals = model.exact()
        masks, moves = np.eye(len(y), dtype=bool), removals.displacement
    else:
        removals = model.exact(masks=masks)
        moves, rows = removals.displacement, np.arange(len(masks))
    assert len(removals.unresolved) == 0
    Z, penalty = problem(estimator, X)
    assert_array_equal(Z, model.design.rows)
    if rows is None:
        rows = np.abs(moves).max(axis=(1, 2)).argsort()[[-1, 20]]
    for i, (mask, move) in enumerate(zip(masks, moves[:, 0], strict=True)):
        cost = estimator.C * np.where(mask, 0.0, everyone)
        theta = model.theta[0] + move
        assert conditions(Z, y, cost, penalty, estimator.epsilon, theta) < 1e-12
        if i in rows:
            truth = solve(Z, y, cost, penalty, estimator.epsilon)
            assert_allclose(Z @ theta, Z @ truth, rtol=0, atol=1e-9)
    return model, removals


@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("epsilon", [0.02, 1.0, 4.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_every_row_of_diabetes(diabetes, C, epsilon, fit_intercept):
    X, y = diabetes
    estimator = svr(C=C, epsilon=epsilon, fit_intercept=fit_intercept)
    # the independent solver is slow where many rows are inside the tube
    model, removals = check(estimator, X, y, rows=[] if epsilon > 1 else None)
    inside = np.abs(y - model.design.rows @ model.theta[0]) < epsilon
    assert inside.any() or epsilon < 0.1
    assert np.all(removals.displacement[inside] == 0)
    assert np.all(removals.displacement[~inside].any(axis=(1, 2)))


@pytest.mark.parametrize("epsilon", [0, 0.3])
def test_weights_and_scaled_intercept(diabetes, epsilon):
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 4, len(y)) / 2
    estimator = svr(C=0.5, epsilon=epsilon, intercept_scaling=3)
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    if epsilon:
        _, removals = check(estimator, X, y, weight)
        assert np.all(removals.displacement[weight == 0] == 0)
    assert model.optimum_distance < 1e-3


def test_rows_jump_across_a_narrow_tube():
    # one far row pulls the line: without it others are on the other side
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 2))
    y = X @ [1.0, 2.0] + 0.1 * rng.standard_normal(40)
    X[0], y[0] = [5, 5], -30
    model, removals = check(svr(C=10, epsilon=1e-3), X, y)
    residual = y - X @ model.theta[0, :2] - model.theta[0, 2]
    theta = model.theta[0] + removals.displacement[0, 0]
    after = y - X @ theta[:2] - theta[2]
    jumps = (residual * after < 0) & (np.minimum(abs(residual), abs(after)) > 1e-3)
    assert jumps.sum() > 3


def test_no_tube_is_ridge(diabetes):
    X, y = diabetes
    estimator = svr(C=0.5, epsilon=0.0, fit_intercept=False).fit(X, y)
    ridge = Ridge(alpha=1.0, fit_intercept=False).fit(X, y)
    expected = LeaveOneOutInfluence(ridge).fit(X, y).influence(X, y)
    actual = LeaveOneOutInfluence(estimator).fit(X, y).influence(X, y)
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def test_groups(diabetes):
    X, y = diabetes
    masks = np.random.default_rng(1).random((4, len(y))) < [[0.05], [0.3], [0.7], [0]]
    _, removals = check(svr(C=2, epsilon=0.5), X, y, masks=masks)
    assert np.all(removals.displacement[3] == 0)


def test_infinitesimal_is_minus_the_derivative_by_the_weight(diabetes):
    X, y = diabetes
    estimator = svr(C=0.1, epsilon=1.0).fit(X, y)
    model = removal_model(estimator, X, y)
    moves = model.first_order().displacement[:, 0]
    Z, penalty = problem(estimator, X)
    for i in np.abs(moves).max(axis=1).argsort()[[-1, -2, 0]]:
        derivative = derivative_by_weight(
            lambda cost: solve(Z, y, cost, penalty, 1.0), np.full(len(y), 0.1), i
        )
        assert_allclose(moves[i], -derivative, rtol=0, atol=1e-7)


def test_duplicates(diabetes):
    X, y = diabetes
    doubled, targets = np.r_[X, X[:5]], np.r_[y, y[:5]]
    _, removals = check(svr(epsilon=0.1), doubled, targets)
    moves = removals.displacement
    assert_allclose(moves[:5], moves[120:], rtol=0, atol=1e-11)


def test_through_the_methods(diabetes):
    X, y = diabetes
    train, test = slice(0, 60), slice(60, 80)
    exact = LeaveOneOutInfluence(svr(epsilon=0.3)).fit(X[train], y[train])
    refit = LeaveOneOutInfluence(svr(epsilon=0.3), solver="refit")
    expected = refit.fit(X[train], y[train]).influence(X[test], y[test])
    assert exact.solver_ == "exact"
    assert_allclose(exact.influence(X[test], y[test]), expected, rtol=0, atol=1e-5)
    slope = InfluenceFunctions(svr(epsilon=0.3)).fit(X[train], y[train])
    slope = slope.influence(X[test], y[test])
    assert np.corrcoef(slope.ravel(), expected.ravel())[0, 1] > 0.9


def test_linear_tube_is_refused(diabetes):
    X, y = diabetes
    with pytest.raises(UnsupportedEstimator, match=r"LinearSVR\(loss="):
        removal_model(LinearSVR(max_iter=10_000).fit(X, y), X, y)
