"""Removals: certified numbers and bounds, against every table that is left."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from changed_tables import fewest_changes, two_clouds
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skinfluence import PredictionCertificate
from skinfluence.certificates import _logistic_box, _removed_squares
from skinfluence.certificates._logistic_box import LogisticBox
from skinfluence.certificates._removed_squares import RemovedSquares
from skinfluence.removal import UnsupportedEstimator, removal_model


def certified(estimator, X, y, X_test, **options):
    return PredictionCertificate(estimator, **options).fit(X, y).robustness(X_test)


def check_sound(found, truth):
    assert (found.lower < truth).all()
    assert (found.upper >= truth).all()


def largest_moves(theta_of, theta, functionals, signs, n, k):
    """Largest moves of functionals against their signs, over all sets of k rows."""
    worst = np.zeros(len(functionals))
    for size in range(1, k + 1):
        for rows in map(list, combinations(range(n), size)):
            move = functionals @ (theta_of(np.delete(np.arange(n), rows)) - theta)
            worst = np.maximum(worst, -signs * move)
    return worst


def ridge_theta(X, y, alpha):
    """The definition: normal equations with a free intercept."""
    A = np.column_stack([X, np.ones(len(X))])
    R = alpha * np.diag([1.0] * X.shape[1] + [0.0])
    return np.linalg.solve(A.T @ A + R, A.T @ y)


def logistic_theta(X, y, C):
    """Newton from zero, in a few lines of its own."""
    A = np.column_stack([X, np.ones(len(X))])
    R = np.diag([1 / C] * X.shape[1] + [0.0])
    theta = np.zeros(A.shape[1])
    for _ in range(12):
        p = expit(A @ theta)
        gradient = A.T @ (p - y) + R @ theta
        theta -= np.linalg.solve((A.T * (p * (1 - p))) @ A + R, gradient)
    assert np.abs(gradient).max() < 1e-8
    return theta


@pytest.fixture(params=["products", "leverages"])
def kept(request, monkeypatch):
    """Memory of the coupling of rows: for many rows, their leverages alone."""
    if request.param == "leverages":
        monkeypatch.setattr(_removed_squares, "LARGEST", 0)
        monkeypatch.setattr(_logistic_box, "LARGEST", 0)
        monkeypatch.setattr(_logistic_box, "MOST_PRODUCTS", 0)
    return request.param


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2])
def test_bound_of_least_squares_holds_for_every_set_and_is_close(seed, k, kept):
    rng = np.random.default_rng(seed)
    n, alpha = 26, [0.0, 0.1, 10.0][seed % 3]
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    theta = ridge_theta(X, y, alpha)
    functionals, signs = rng.normal(size=(6, 3)), np.array([1.0, -1] * 3)
    worst = largest_moves(
        lambda kept: ridge_theta(X[kept], y[kept], alpha),
        theta,
        functionals,
        signs,
        n,
        k,
    )
    A = np.column_stack([X, np.ones(n)])
    bound = RemovedSquares(A, np.array([alpha, alpha, 0.0]), y - A @ theta)
    largest = bound.largest_move(k, bound.pulls(functionals), signs)
    assert (largest >= worst).all()
    if k == 1:  # Cook's closed form: nothing is lost
        np.testing.assert_allclose(largest, worst, rtol=1e-5)
    elif kept == "products":
        assert np.median(largest / worst) < 1.2


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("change", ["removal", "label_flip"])
def test_bound_of_logistic_regression_holds_for_every_set(seed, change, kept):
    X, y, X_test = two_clouds(seed, 16, apart=0.7)
    C, n, k = 0.03, 16, 2
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10).fit(X, y)
    box = LogisticBox(removal_model(model, X, y), change)
    theta = logistic_theta(X, y, C)
    functionals = np.column_stack([X_test, np.ones(len(X_test))])
    signs = np.sign(functionals @ theta)

    def theta_of(kept):
        if change == "removal":
            return logistic_theta(X[kept], y[kept], C)
        labels = 1 - y
        labels[kept] = y[kept]
        return logistic_theta(X, labels, C)

    worst = largest_moves(theta_of, theta, functionals, signs, n, k)
    rows = removal_model(model, X, y).design(X_test)
    pulls = box.whitened(rows) @ box.Z.T
    args = k, pulls, box.curvatures(pulls), signs
    largest = box.largest_move(*args)
    assert np.isfinite(largest).all()
    assert (largest >= worst).all()
    if kept == "products":
        assert np.median(largest / worst) < 1.7


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
    st.integers(1, 3),
    st.booleans(),
)
def test_bounds_of_least_squares_hold_on_wild_tables(seed, alpha, k, copies):
    rng = np.random.default_rng(seed)
    n = 9
    X = rng.standard_t(1.5, size=(n, 2))
    X[: 3 * copies] = X[0]
    y = rng.standard_t(1.5, size=n)
    weight = rng.exponential(size=n)
    root = np.sqrt(weight)
    A = np.column_stack([X, np.ones(n)]) * root[:, None]
    R = np.diag([alpha, alpha, 0.0])

    def theta_of(kept):
        B = A[kept]
        return np.linalg.solve(B.T @ B + R, B.T @ (y * root)[kept])

    theta = theta_of(np.arange(n))
    functionals, signs = rng.normal(size=(4, 3)), np.array([1.0, -1.0, 1.0, -1.0])
    bound = RemovedSquares(A, np.diag(R), y * root - A @ theta)
    largest = bound.largest_move(k, bound.pulls(functionals), signs)
    if np.isfinite(largest).any():
        worst = largest_moves(theta_of, theta, functionals, signs, n, k)
        assert (largest >= worst * (1 - 1e-7)).all()


def test_bounds_by_leverages_are_close_to_bounds_by_products(monkeypatch):
    rng = np.random.default_rng(0)
    rows, residual = rng.uniform(0.5, 2, size=(40, 1)), rng.normal(size=40)
    found = []
    for largest in (40, 39):
        monkeypatch.setattr(_removed_squares, "LARGEST", largest)
        bound = RemovedSquares(rows, np.array([0.1]), residual)
        # the k - 1 largest are of other rows: a row counts itself among them, at most
        found.append(bound.largest_move(3, bound.pulls(np.eye(1)), np.ones(1)))
    assert found[0] <= found[1] < 1.02 * found[0]


def test_several_removals_are_certified_of_tables_of_any_length():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 3))
    y = X @ [1.0, -1.0, 0.5] + 0.3 * rng.normal(size=6000)
    X_test = np.array([[1.0, -1.0, 0.5], [0.5, 0.0, 0.0]])
    options = {"max_rows": 60, "threshold": 0.0}
    linear = PredictionCertificate(Ridge(), **options).fit(X, y)
    options = {"max_rows": 8}
    logistic = PredictionCertificate(LogisticRegression(C=0.01), **options)
    logistic.fit(X, y > 0)
    for certificate in (linear, logistic):
        bounds = certificate._certifier.bounds(X_test, certificate.max_rows_)
        assert [lower for lower, _ in bounds] == [certificate.max_rows_] * 2


def test_leverage_one_has_no_bound():
    X = np.diag(np.ones(4))[:, :3]
    bound = RemovedSquares(X, np.zeros(3), np.ones(4))
    assert not bound.exists
    assert np.isinf(bound.largest_move(1, np.ones((1, 4)), np.ones(1))).all()


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_neighbours_equal_every_table(k, n_classes, weights):
    X, y, X_test = two_clouds(k, 8, n_classes=n_classes, n_test=12)
    model = KNeighborsClassifier(k, weights=weights)
    found = certified(model, X, y, X_test, max_rows=3)
    truth = fewest_changes(model, X, y, X_test, "removal", 3)
    assert np.array_equal(np.minimum(found.lower, 3), truth - 1)
    assert np.array_equal(found.upper, np.where(truth > 3, np.inf, truth))


@pytest.mark.slow
def test_two_thousand_cases_of_neighbours():
    for seed in range(400):
        n_classes = 2 + seed % 2
        X, y, X_test = two_clouds(seed, 8, n_classes=n_classes, apart=seed % 5 / 2)
        model = KNeighborsClassifier(
            1 + seed % 4, weights=["uniform", "distance"][seed // 2 % 2]
        )
        found = certified(model, X, y, X_test, max_rows=3)
        truth = fewest_changes(model, X, y, X_test, "removal", 3)
        assert np.array_equal(np.minimum(found.lower, 3), truth - 1)
        assert np.array_equal(found.upper, np.where(truth > 3, np.inf, truth))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 3))
def test_neighbours_at_equal_distances_are_never_overrated(seed, k, n_classes):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, (7, 2)).astype(float)
    X_test = rng.integers(0, 2, (3, 2)).astype(float)
    y = np.concatenate(
        [np.arange(n_classes), rng.integers(0, n_classes, 7 - n_classes)]
    )
    model = KNeighborsClassifier(k)
    found = certified(model, X, y, X_test, max_rows=2)
    check_sound(found, fewest_changes(model, X, y, X_test, "removal", 2))


SOUND = [
    (RidgeClassifier(0.5), None),
    (LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-10), None),
    (GaussianNB(), None),
    (make_pipeline(StandardScaler(), RidgeClassifier()), None),
    (Ridge(2.0), 0.4),
    (LinearRegression(), 0.4),
]


@pytest.mark.parametrize(("estimator", "threshold"), SOUND)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_bounds_hold_for_every_table_and_are_exact_for_one_row(
    estimator, threshold, n_classes
):
    X, y, X_test = two_clouds(3, 9, n_classes=n_classes, apart=0.8)
    X_test = np.concatenate([X_test, X.mean(axis=0, keepdims=True)])
    y = y if threshold is None else y.astype(float)
    options = {"max_rows": 2, "threshold": threshold}
    found = certified(estimator, X, y, X_test, **options)
    truth = fewest_changes(estimator, X, y, X_test, "removal", 2, threshold)
    check_sound(found, truth)
    assert np.array_equal(found.lower == 0, truth == 1)
    assert np.array_equal(found.upper == 1, truth == 1)


ONE_ROW = [
    (make_pipeline(StandardScaler(), Ridge()), "Ridge: steps .*'standardscaler'", 0.4),
    (LogisticRegression(), "LogisticRegression: .* two classes", None),
    (LogisticRegression(class_weight="balanced"), "'balanced'", None),
    (RidgeClassifier(), "RidgeClassifier: .* two classes", None),
    (PoissonRegressor(), "PoissonRegressor: .* least squares", 0.4),
    (GaussianNB(), "GaussianNB: .* least squares", None),
]


@pytest.mark.parametrize(("estimator", "why", "threshold"), ONE_ROW)
def test_certificates_for_single_rows_warn_about_larger_sets(estimator, why, threshold):
    n_classes = 2 if "balanced" in str(estimator) else 3
    X, y, X_test = two_clouds(3, 30, n_classes=n_classes, apart=2)
    options = {"max_rows": 3, "threshold": threshold}
    with pytest.warns(UserWarning, match=why) as told:
        certificate = PredictionCertificate(estimator, **options).fit(X, y)
    assert [warning.filename for warning in told] == [__file__]
    found = certificate.robustness(X_test)
    assert found.lower.max() == 1
    assert found.reason == str(told[0].message)
    options["max_rows"] = 1  # nothing is missing then
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        PredictionCertificate(estimator, **options).fit(X, y)


def test_a_row_that_alone_determines_a_coefficient_limits_the_bound():
    X, y, _ = two_clouds(0, 12)
    X = np.column_stack([X, np.arange(12) == 5])
    certificate = PredictionCertificate(LinearRegression(), max_rows=2)
    with pytest.warns(UserWarning, match="leverage is one"):
        found = certificate.fit(X, y).robustness(X)
    assert found.lower.max() <= 1


def test_bounds_reach_beyond_one_row():
    X, y, X_test = two_clouds(0, 120, n_test=5, apart=2)
    for model in (RidgeClassifier(), LogisticRegression(C=0.01)):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            found = certified(model, X, y, X_test, max_rows=16)
        assert found.reason is None
        assert np.median(found.lower) > 5


def test_without_the_last_row_of_a_class_it_is_not_predicted():
    X = np.array([[1.0]] * 8 + [[0.1]] * 2)
    y = np.array([0] * 8 + [1] * 2)
    x = np.array([[-1.0]])  # class 1 by the line through zero, with or without its rows
    model = RidgeClassifier(fit_intercept=False)
    assert model.fit(X, y).predict(x) == [1]
    for change in ("removal", "label_flip"):
        found = certified(model, X, y, x, max_rows=6, change=change)
        assert found.lower[0] <= 1
        assert found.upper[0] == 2


def test_a_curve_and_its_truth():
    X, y, X_test = two_clouds(1, 40, n_test=20)
    y_test = KNeighborsClassifier(9).fit(X, y).predict(X_test)
    y_test[:2] = 1 - y_test[:2]
    certificate = PredictionCertificate(KNeighborsClassifier(9), max_rows=6).fit(X, y)
    curve = certificate.certified_accuracy(X_test, y_test)
    assert curve.certified[0] == curve.attacked[0] == 0.9
    assert (curve.certified <= curve.attacked).all()
    assert (np.diff(curve.certified) <= 0).all()
    found = certificate.robustness(X_test)
    right = certificate.predict(X_test) == y_test
    for k, share in zip(curve.n_changes, curve.certified, strict=True):
        assert share == np.mean(right & (found.lower >= k))
        for t in np.flatnonzero(found.upper <= k):  # the attack is one
            kept = np.delete(np.arange(40), found.flip_sets[t])
            refit = KNeighborsClassifier(9).fit(X[kept], y[kept])
            assert refit.predict(X_test[[t]]) != certificate.predict(X_test[[t]])


def test_models_without_certificates_are_refused_by_name():
    X, y, _ = two_clouds(0, 12)
    with pytest.raises(UnsupportedEstimator, match="DecisionTreeClassifier"):
        certified(DecisionTreeClassifier(), X, y, X)
    with pytest.raises(UnsupportedEstimator, match="Held fixed would be: alpha_"):
        certified(RidgeClassifierCV(), X, y, X)
    with pytest.raises(UnsupportedEstimator, match="weights that fall"):
        certified(KNeighborsClassifier(weights=np.ones_like), X, y, X)
    with pytest.raises(ValueError, match="threshold"):
        certified(Ridge(), X, X[:, 0], X)
    with pytest.raises(ValueError, match="one class"):
        certified(KNeighborsClassifier(), X, np.zeros(12), X)
