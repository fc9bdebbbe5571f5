"""Rows that support nothing change nothing: kernel machines against refits."""

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.svm import SVC, SVR, NuSVC
from tables import shuffled
from truth.brute_force import brute_force, refit

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.kernels._support_vectors import pairs_at_bounds
from skinfluence.testing._short_name import short_name

TIGHT = {"tol": 1e-10}


@pytest.fixture(scope="module")
def iris():
    return shuffled("iris", 110)


@pytest.fixture(scope="module")
def wine():
    return shuffled("wine", 120)


@pytest.fixture(scope="module")
def diabetes():
    return shuffled("diabetes", 110)


def raw(model, X):
    """Decision function, or prediction of a regressor."""
    return getattr(model, "decision_function", model.predict)(X)


def idle_rows(estimator, X, y, weight=None, atol=1e-8):
    """Refit without each row whose influence is claimed to be zero."""
    model = refit(estimator, X, y, np.arange(len(y)), weight)
    retrained = removal_model(model, X, y, weight).exact().unresolved
    idle = np.setdiff1d(np.arange(len(y)), retrained)
    for i in idle:
        without = refit(estimator, X, y, np.delete(np.arange(len(y)), i), weight)
        np.testing.assert_allclose(raw(without, X), raw(model, X), rtol=0, atol=atol)
    return model, idle


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
@pytest.mark.parametrize("C", [0.2, 1, 100])
def test_classifier_of_three_classes(iris, kernel, C):
    estimator = SVC(C=C, kernel=kernel, gamma=0.3, **TIGHT)
    model, idle = idle_rows(estimator, *iris)
    assert len(idle) == len(iris[1]) - len(model.support_)
    assert len(idle) > 5


@pytest.mark.parametrize("params", [{"gamma": "auto"}, {"kernel": "linear"}], ids=str)
def test_two_classes_weights_and_sparse_rows(wine, params):
    X, y = wine
    estimator = SVC(class_weight={0: 2, 1: 0.1}, **params, **TIGHT)
    two = y < 2
    weight = np.random.default_rng(0).integers(0, 4, two.sum()) / 2
    _, idle = idle_rows(estimator, X[two], y[two], weight)
    assert np.isin(np.flatnonzero(weight == 0), idle).all()
    sparse = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0))
    _, idle = idle_rows(estimator, sparse, y)
    assert len(idle) > 20


@pytest.mark.parametrize("epsilon", [10, 60])
@pytest.mark.parametrize("weighted", [False, True])
def test_regressor(diabetes, epsilon, weighted):
    X, y = diabetes
    weight = np.random.default_rng(0).integers(0, 4, len(y)) / 2 if weighted else None
    estimator = SVR(C=50, epsilon=epsilon, gamma=0.1, **TIGHT)
    model, idle = idle_rows(estimator, X, y, weight, atol=1e-7)
    assert len(idle) == len(y) - len(model.support_)


def test_without_free_support_vectors_other_rows_bound_the_offset(diabetes):
    X = np.array([[-20.0], [-15.0], [-0.5], [0.5], [15.0], [20.0]])
    y = np.array([0, 0, 0, 1, 1, 1])
    estimator = SVC(C=0.1, kernel="linear", **TIGHT)
    model = estimator.fit(X, y)
    np.testing.assert_array_equal(model.support_, [2, 3])
    without = refit(estimator, X, y, np.delete(np.arange(6), 4))
    assert np.abs(raw(without, X) - raw(model, X)).max() > 0.05
    removals = removal_model(model, X, y).exact()
    np.testing.assert_array_equal(removals.unresolved, np.arange(6))
    weight = np.array([1, 1, 1, 1, 1, 0])  # what has no weight has no influence
    model = estimator.fit(X, y, sample_weight=weight)
    removals = removal_model(model, X, y, weight).exact()
    np.testing.assert_array_equal(removals.unresolved, np.arange(5))

    X, y = np.zeros((3, 1)), np.array([5.0, -5.0, 0.5])
    estimator = SVR(epsilon=1, kernel="linear", **TIGHT)
    model = estimator.fit(X, y)
    np.testing.assert_array_equal(model.support_, [0, 1])
    assert (
        np.abs(refit(estimator, X, y, [0, 1]).predict(X) - model.predict(X)).min() > 0.1
    )
    removals = removal_model(model, X, y).exact()
    np.testing.assert_array_equal(removals.unresolved, np.arange(3))

    X, y = diabetes  # all rows inside the tube
    model = SVR(epsilon=500, gamma=0.1).fit(X, y)
    assert len(removal_model(model, X, y).exact().unresolved) == len(y)


def test_one_pair_of_classes_without_free_support_vectors():
    near = np.array([[-15.0], [-0.5], [0.5], [15.0], [500.0], [501.0]])
    y = np.array([0, 0, 1, 1, 2, 2])
    model = SVC(C=0.1, kernel="linear", **TIGHT).fit(near, y)
    removals = removal_model(model, near, y).exact()
    np.testing.assert_array_equal(np.setdiff1d(np.arange(6), removals.unresolved), [5])


def test_pairs_of_classes_are_binary_problems():
    X, y = load_digits(n_class=4, return_X_y=True)
    X, y = X[:100] / 16, y[:100]
    seen = []
    for C in (0.002, 0.01):
        estimator = SVC(C=C, kernel="linear", **TIGHT)
        expected = []
        for a, b in combinations(range(4), 2):
            two = (y == a) | (y == b)
            size = np.abs(estimator.fit(X[two], y[two]).dual_coef_)
            if (size > C * (1 - 1e-9)).all():
                expected.append((a, b))
        for rows in (X, sp.csr_array(X)):
            model = estimator.fit(rows, y)
            bound = np.full(len(model.support_), C)
            pairs = pairs_at_bounds(model.dual_coef_, bound, y[model.support_])
            assert list(pairs) == expected
        seen += expected
    assert 0 < len(seen) < 12


def check(estimator, X, y, loss="auto", n=80):
    """Compare the method's answers with refits of every row."""
    data, test = (X[:n], y[:n]), (X[n:], y[n:])
    loo = LeaveOneOutInfluence(estimator, loss=loss).fit(*data)
    assert loo.solver_ == "exact"
    idle = np.setdiff1d(np.arange(n), loo.refitted_rows_)
    assert len(idle) > 5
    matrix = loo.influence(*test)
    np.testing.assert_array_equal(matrix[:, idle], 0.0)
    every = brute_force(estimator, *data, X, y, loss=loss)
    expected = every[n:]
    atol = 1e-7 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=atol)
    own = loo.self_influence()
    np.testing.assert_allclose(own, np.diag(every[:n]), rtol=0, atol=atol)
    masks = np.zeros((4, n), dtype=bool)
    masks[0, idle] = masks[1, idle[:2]] = masks[2, :20] = True
    masks[1, loo.refitted_rows_[0]] = True
    groups = loo.group_influence(*test, groups=masks)
    np.testing.assert_array_equal(groups[:, [0, 3]], 0.0)
    expected = brute_force(estimator, *data, *test, masks, loss)
    np.testing.assert_allclose(groups, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("loss", ["auto", "zero_one"])
def test_influence_of_classifiers(iris, wine, loss):
    check(SVC(gamma=0.3, **TIGHT), *iris, loss)
    X, y = wine
    check(SVC(C=0.1, kernel="linear", **TIGHT), X[y < 2], y[y < 2], loss, n=60)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_influence_of_regressors(diabetes, loss):
    check(SVR(C=50, epsilon=50, gamma=0.1, **TIGHT), *diabetes, loss)


def test_duplicates_and_the_only_row_of_a_class(iris):
    X, y = iris
    keep = np.r_[np.flatnonzero(y != 2)[:60], np.flatnonzero(y == 2)[:1], :3]
    model, idle = idle_rows(SVC(gamma=0.3, **TIGHT), X[keep], y[keep])
    assert 60 not in idle
    loo = LeaveOneOutInfluence(SVC(gamma=0.3)).fit(X[keep], y[keep])
    assert np.isfinite(loo.influence(X, y)).all()
    assert np.isfinite(loo.self_influence()).all()


@pytest.mark.filterwarnings("ignore:The `probability` parameter")
@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "gamma='scale'.*variance of all rows"),
        ({"gamma": 0.3, "class_weight": "balanced"}, "class_weight='balanced'"),
        ({"gamma": 0.3, "kernel": "sigmoid"}, "kernel='sigmoid'.*not convex"),
        ({"gamma": 0.3, "kernel": "poly", "coef0": -1}, "coef0=-1.*not convex"),
        ({"gamma": 0.3, "kernel": lambda a, b: a @ b.T}, "kernel=<"),
        ({"gamma": 0.3, "probability": True}, "probability=True.*Platt"),
    ],
    ids=short_name,
)
def test_settings_without_exact_removal_are_refused(iris, params, reason):
    X, y = iris
    model = SVC(random_state=0, **params).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match=reason):
        removal_model(model, X, y)
    assert LeaveOneOutInfluence(model).fit(X[:20], y[:20]).solver_ == "refit"


def test_early_stopped_solvers_are_refused(iris, diabetes):
    for family, (X, y) in ((SVC, iris), (SVR, diabetes)):
        with pytest.warns(UserWarning, match="terminated early"):
            model = family(gamma=0.3, C=100, max_iter=3).fit(X, y)
        with pytest.raises(UnsupportedEstimator, match="max_iter=3.*before the opt"):
            removal_model(model, X, y)


def test_precomputed_and_nu_are_refused(iris):
    X, y = iris
    loo = LeaveOneOutInfluence(SVC(kernel="precomputed"))
    with pytest.raises(ValueError, match="kernel='precomputed'.*Pass the rows"):
        loo.fit(X @ X.T, y)
    model = NuSVC(nu=0.2, gamma=0.3).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="for NuSVC"):
        removal_model(model, X, y)
