"""L1-penalised logistic regression without rows, against bounded L-BFGS, polished."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.preprocessing import scale
from tables import scaled
from truth.weight_derivatives import derivative_by_weight

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.kinked._l1_smooth import L1Smooth

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def cancer():
    return scaled("breast_cancer", 150, 14)


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return scale(X[y < 2]), y[y < 2]


def liblinear(C, **params):
    return LogisticRegression(C=C, l1_ratio=1, solver="liblinear", **params)


def saga(C, l1_ratio=1.0, **params):
    return LogisticRegression(
        C=C, l1_ratio=l1_ratio, solver="saga", max_iter=200, random_state=0, **params
    )


def problem(estimator, X):
    """Rows and penalties as scikit-learn's documentation has them."""
    ratio, C = estimator.l1_ratio, estimator.C
    l1, l2 = np.full(X.shape[1], ratio / C), np.full(X.shape[1], (1 - ratio) / C)
    if not estimator.fit_intercept:
        return X, l1, l2
    free = estimator.solver != "liblinear"
    last = 0.0 if free else 1 / (C * estimator.intercept_scaling)
    return np.c_[X, np.ones(len(X))], np.r_[l1, last], np.r_[l2, 0.0]


def conditions(Z, y, weight, l1, l2, theta):
    """Largest violation of the optimality conditions: the objective is convex."""
    gradient = Z.T @ (weight * (expit(Z @ theta) - y)) + l2 * theta
    used = (theta != 0) | (l1 == 0)
    inside = np.abs(gradient + l1 * np.sign(theta))
    return np.where(used, inside, np.maximum(np.abs(gradient) - l1, 0)).max()


def solve(Z, y, weight, l1, l2):
    """Split coefficients into parts of either sign, then Newton steps on the rest."""
    p = Z.shape[1]

    def split(parts):
        theta = parts[:p] - parts[p:]
        eta = Z @ theta
        slope = Z.T @ (weight * (expit(eta) - y)) + l2 * theta
        value = weight @ (np.logaddexp(0, eta) - y * eta) + l2 @ theta**2 / 2
        value += np.r_[l1, l1] @ parts
        return value, np.r_[slope + l1, l1 - slope]

    bounds = [(0, None)] * (2 * p)
    options = {"maxiter": 20_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-9}
    start = np.zeros(2 * p)
    parts = minimize(
        split, start, method="L-BFGS-B", jac=True, bounds=bounds, options=options
    )
    theta = parts.x[:p] - parts.x[p:]
    gradient = Z.T @ (weight * (expit(Z @ theta) - y)) + l2 * theta
    used = (np.abs(gradient) > l1 - 1e-5) & (np.abs(theta) > 1e-7) | (l1 == 0)
    theta, sign, A = np.where(used, theta, 0), np.sign(theta), Z[:, used]
    for _ in range(20):
        q = expit(Z @ theta)
        gradient = Z.T @ (weight * (q - y)) + l2 * theta + l1 * sign
        hessian = A.T @ ((weight * q * (1 - q))[:, None] * A) + np.diag(l2[used])
        theta[used] -= np.linalg.solve(hessian, gradient[used])
    assert conditions(Z, y, weight, l1, l2, theta) < 1e-10
    return theta


def check(estimator, X, y, weight=None, masks=None, n_rows=6):
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    everyone = np.ones(len(y)) if weight is None else weight
    Z, l1, l2 = problem(estimator, X)
    rows = range(len(masks)) if masks is not None else None
    if masks is None:
        removals, masks = model.exact(tol=1e-10), np.eye(len(y), dtype=bool)
        size = np.abs(removals.displacement).max(axis=(1, 2)).argsort()
        rows = set(size[-n_rows:]) | set(size[:: len(y) // n_rows])
    else:
        removals = model.exact(masks=masks)
    assert len(removals.unresolved) == 0
    for i, (mask, move) in enumerate(zip(masks, removals.displacement, strict=True)):
        theta = model.theta[0] + move[0]
        s = np.where(mask, 0.0, everyone)
        mine = model.design.to_coef(theta)
        assert conditions(Z, y, s, l1, l2, mine) < 1e-8
        if i in rows:
            truth = solve(Z, y, s, l1, l2)
            assert_allclose(Z @ mine, Z @ truth, rtol=0, atol=1e-7)
    return model, removals


@pytest.mark.parametrize("C", [0.02, 0.3, 5])
@pytest.mark.parametrize("kind", [liblinear, saga])
def test_rows_of_breast_cancer(cancer, C, kind):
    X, y = cancer
    model, removals = check(kind(C), X, y)
    signs = np.sign(model.theta + removals.displacement[:, 0])
    assert len(np.unique(signs, axis=0)) > 1 or C < 0.1


@pytest.mark.parametrize("l1_ratio", [0.3, 0.9])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_elastic_net_with_weights(wine, l1_ratio, fit_intercept):
    X, y = wine
    weight = np.random.default_rng(0).integers(0, 4, len(y)) / 2
    estimator = saga(0.2, l1_ratio, fit_intercept=fit_intercept)
    _, removals = check(estimator, X, y, weight)
    assert np.all(removals.displacement[weight == 0] == 0)


def test_scaled_intercept_without_and_with_columns(wine):
    X, y = wine
    check(liblinear(0.3, intercept_scaling=3.0), X, y)
    check(liblinear(0.3, fit_intercept=False), X, y)
    model, _ = check(liblinear(1e-4), X, y)  # nothing in use, nor the intercept
    assert not model.theta.any()
    model, _ = check(saga(1e-4), X, y)
    assert not model.theta[0, :-1].any()


def test_no_column_in_use_prints_nothing(wine, capfd):
    X, y = wine
    model = removal_model(liblinear(1e-4).fit(X, y), X, y)
    for removals in (model.exact(), model.newton(), model.first_order()):
        assert not removals.displacement.any()
    assert capfd.readouterr() == ("", "")  # LAPACK prints what it refuses


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 90))
    y = (X[:, 0] + rng.standard_normal(40) > 0).astype(int)
    check(liblinear(0.3), X, y, n_rows=3)
    check(saga(0.3), X, y, n_rows=3)


def test_rows_at_many_signs_take_every_path(cancer, monkeypatch):
    # the same answers whether rows share a base, are minimised in rounds, or alone
    X, y = cancer
    model = removal_model(liblinear(2.0).fit(X, y), X, y)
    expected = model.exact().displacement
    for name, value in (("ROUNDS", 0), ("SHARED", 1), ("SHARED", 1000)):
        with monkeypatch.context() as patch:
            patch.setattr(f"skinfluence.removal.kinked._l1_smooth.{name}", value)
            actual = model.exact().displacement
        assert_allclose(actual, expected, rtol=0, atol=1e-6)
    with monkeypatch.context() as patch:
        none = np.zeros(len(y), dtype=bool)
        patch.setattr(L1Smooth, "_certified", lambda *args: none)
        assert_allclose(model.exact().displacement, expected, atol=1e-6)


def test_certified_rows_keep_their_signs(wine, monkeypatch):
    X, y = wine
    model = removal_model(liblinear(0.1).fit(X, y), X, y)
    seen = []
    certified = L1Smooth._certified

    def record(self, moves, u, base, A):
        seen.append((moves[:, A].copy(), u.copy(), base, A))
        return certified(self, moves, u, base, A)

    monkeypatch.setattr(L1Smooth, "_certified", record)
    model.exact()
    ((moves, u, base, A),) = seen
    Z, l1, l2 = problem(LogisticRegression(C=0.1, l1_ratio=1, solver="liblinear"), X)
    hessian = Z[:, A].T @ (base.a[:, None] * Z[:, A]) + np.diag(l2[A])
    length = np.sqrt(np.einsum("ij,jk,ik->i", moves, hessian, moves))
    assert_allclose(np.linalg.norm(u, axis=1), length, rtol=1e-9, atol=1e-12)
    # a penalty far above the gradients certifies all moves, one below them none
    full = np.zeros((len(y), Z.shape[1]))
    full[:, A] = moves
    for penalty, most in ((1e6, True), (1e-6, False)):
        monkeypatch.setattr(model, "l1", np.full(Z.shape[1], penalty))
        assert np.mean(certified(model, full, u, base, A) == most) > 0.9


def test_every_row_of_small_random_problems():
    # few rows, moves as large as they get
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, p = rng.integers(8, 30), rng.integers(1, 20)
        X = rng.integers(0, 3, (n, p)) - 1.0
        y = (rng.random(n) < 0.5).astype(int)
        y[:4] = 0, 1, 0, 1
        estimator = liblinear(10 ** rng.uniform(-1, 1.5), fit_intercept=False)
        model = removal_model(estimator.fit(X, y), X, y)
        removals = model.exact(tol=1e-10)
        Z, l1, l2 = problem(estimator, X)
        for i in np.setdiff1d(np.arange(n), removals.unresolved):
            s = np.ones(n)
            s[i] = 0
            theta = model.theta[0] + removals.displacement[i, 0]
            assert conditions(Z, y, s, l1, l2, theta) < 1e-7


def test_groups(cancer):
    X, y = cancer
    masks = np.random.default_rng(1).random((4, len(y))) < [[0.05], [0.3], [0.6], [0]]
    _, removals = check(liblinear(0.5), X, y, masks=masks)
    assert np.all(removals.displacement[3] == 0)


def test_infinitesimal_is_minus_the_derivative_by_the_weight(cancer):
    X, y = cancer
    estimator = saga(0.3, 0.7).fit(X, y)
    model = removal_model(estimator, X, y)
    moves = model.first_order().displacement[:, 0]
    Z, l1, l2 = problem(estimator, X)
    for i in np.abs(moves).max(axis=1).argsort()[[-1, -2, 75]]:
        derivative = derivative_by_weight(
            lambda weight: Z @ solve(Z, y, weight, l1, l2), np.ones(len(y)), i
        )
        assert_allclose(model.design.rows @ moves[i], -derivative, rtol=0, atol=1e-6)


def test_balanced_classes(wine):
    X, y = wine
    estimator = liblinear(0.3, class_weight="balanced").fit(X, y)
    removals = removal_model(estimator, X, y).exact()
    Z, l1, l2 = problem(estimator, X)
    base = removal_model(estimator, X, y)
    for i in (0, 70):
        s = np.ones(len(y))
        s[i] = 0
        counts = np.bincount(y, s)
        truth = solve(Z, y, s * (s.sum() / (2 * counts))[y], l1, l2)
        mine = base.theta[0] + removals.displacement[i, 0]
        assert_allclose(Z @ mine, Z @ truth, rtol=0, atol=1e-6)


def test_chosen_penalties_are_held_fixed(cancer):
    X, y = cancer
    grid = {"Cs": [0.05, 0.4], "l1_ratios": [0.3, 1.0], "cv": 3, "max_iter": 100}
    if "use_legacy_attributes" in LogisticRegressionCV().get_params():
        grid["use_legacy_attributes"] = False
    if LogisticRegressionCV().get_params()["penalty"] == "l2":
        grid["penalty"] = "elasticnet"
    chosen = LogisticRegressionCV(solver="saga", random_state=0, **grid).fit(X, y)
    model = removal_model(chosen, X, y)
    assert model.held_fixed == (
        "C_ of LogisticRegressionCV",
        "l1_ratio_ of LogisticRegressionCV",
    )
    C, ratio = np.ravel(chosen.C_)[0], np.ravel(chosen.l1_ratio_)[0]
    fixed = removal_model(saga(C, ratio).fit(X, y), X, y)
    assert_allclose(model.theta, fixed.theta, rtol=0, atol=1e-10)


def test_through_the_methods(cancer):
    X, y = cancer
    train, test = slice(0, 70), slice(70, 110)
    tight = liblinear(0.5, tol=1e-10, max_iter=100_000)
    exact = LeaveOneOutInfluence(liblinear(0.5)).fit(X[train], y[train])
    refit = LeaveOneOutInfluence(tight, solver="refit").fit(X[train], y[train])
    assert exact.solver_ == "exact"
    expected = refit.influence(X[test], y[test])
    assert_allclose(exact.influence(X[test], y[test]), expected, rtol=0, atol=1e-5)
    slope = InfluenceFunctions(tight).fit(X[train], y[train])
    slope = slope.influence(X[test], y[test])
    assert np.corrcoef(slope.ravel(), expected.ravel())[0, 1] > 0.8


def test_more_classes_are_refused():
    X, y = load_wine(return_X_y=True)
    with pytest.raises(UnsupportedEstimator, match="l1_ratio=.*two classes"):
        removal_model(saga(1.0).fit(scale(X), y), scale(X), y)


def test_duplicated_column_is_one_of_two(wine):
    X, y = wine
    X = X[:, :4]
    single = removal_model(saga(0.5).fit(X, y), X, y).exact()
    twice = np.c_[X, X[:, :2]]
    both = removal_model(saga(0.5).fit(twice, y), twice, y)
    removals = both.exact()
    resolved = np.setdiff1d(np.arange(len(y)), removals.unresolved)
    assert len(resolved) > len(y) / 2
    alone = (
        single.model.design.rows @ (single.model.theta + single.displacement[:, 0]).T
    )
    raw = both.design.rows @ (both.theta + removals.displacement[:, 0]).T
    assert_allclose(raw[:, resolved], alone[:, resolved], rtol=0, atol=1e-6)
