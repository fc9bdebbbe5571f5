"""K nearest neighbours without rows, against refits."""

import numpy as np
import pytest
import scipy.sparse as sp
from checks.neighbor_refits import canberra_like, check, decay, relative, some_masks
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
)
from tables import shuffled
from truth.brute_force import brute_force

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import removal_model
from skinfluence.testing._short_name import short_name


@pytest.mark.parametrize("weights", ["uniform", "distance", decay, relative, None])
@pytest.mark.parametrize("loss", ["log_loss", "zero_one", "brier"])
def test_classifier(wine, weights, loss):
    loo, (rows, own, _) = check(KNeighborsClassifier(weights=weights), *wine, loss)
    assert (np.count_nonzero(rows, axis=1) <= 5).all()
    assert rows.any()
    assert own.any() or loss == "zero_one"
    assert loo.solver_ == "exact"


@pytest.mark.parametrize("weights", ["uniform", "distance", relative])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_regressor(diabetes, weights, loss):
    X, y = diabetes
    _, (rows, _, _) = check(KNeighborsRegressor(3, weights=weights), X, y, loss)
    count = np.count_nonzero(rows, axis=1)
    assert (count <= 3).all()  # fewer where targets are equal
    assert count.mean() > 2.8
    both = np.column_stack([y, np.sqrt(y)])
    check(KNeighborsRegressor(3, weights=weights), X, both, loss)


def test_loss_of_the_user(wine):
    def floored(y_true, y_pred):
        return 1 - np.minimum(y_pred[np.arange(len(y_true)), y_true], 0.7)

    check(KNeighborsClassifier(4), *wine, floored)


@pytest.mark.parametrize(
    "params",
    [
        {"algorithm": "brute"},
        {"algorithm": "kd_tree", "leaf_size": 3},
        {"algorithm": "ball_tree", "metric": "chebyshev"},
        {"metric": "manhattan", "algorithm": "brute"},
        {"p": 3},
        {"metric": "minkowski", "metric_params": {"w": np.arange(1.0, 14)}},
        {"metric": "cosine"},
        {"metric": "correlation"},
        {"metric": "seuclidean", "metric_params": {"V": np.arange(1.0, 14)}},
        {"metric": canberra_like},
    ],
    ids=short_name,
)
def test_metrics_and_algorithms(wine, params):
    X, y = wine
    X = X + 1e-6 * np.random.default_rng(0).random(X.shape)  # no ties
    check(
        KNeighborsClassifier(weights="distance", **params), X[:70], y[:70], n_train=50
    )
    radius = 0.7 if params.get("metric") in ("cosine", "correlation") else 4.0
    radius_params = {"radius": radius, "outlier_label": 1, **params}
    masks = some_masks(50)
    check(
        RadiusNeighborsClassifier(**radius_params),
        X[:70],
        y[:70],
        n_train=50,
        masks=masks,
    )


def test_sparse_rows(wine):
    X, y = wine
    X = np.where(np.abs(X) > 0.3, X, 0)
    for estimator in (
        KNeighborsClassifier(weights="distance"),
        RadiusNeighborsClassifier(3.0, outlier_label=0),
    ):
        loo, results = check(estimator, sp.csr_array(X), y)
        dense = clone(loo).fit(X[:80], y[:80]).influence(X[80:], y[80:])
        np.testing.assert_allclose(results[0], dense, rtol=0, atol=1e-9)


def test_digits_and_missing_values():
    X, y = shuffled("digits", 260, transform=np.asarray)
    X = X + 1e-3 * np.random.default_rng(0).random(X.shape)  # no ties
    check(KNeighborsClassifier(), X, y, n_train=200)
    X[::3, 5] = np.nan
    check(KNeighborsClassifier(3, metric="nan_euclidean"), X[:90], y[:90], n_train=60)


def test_as_many_neighbours_as_stay(diabetes):
    X, y = diabetes
    n, k = 40, 37
    masks = np.zeros((3, n), dtype=bool)
    masks[0, :3] = masks[1, 10:13] = masks[2, 5] = True
    check(KNeighborsRegressor(k), X[:60], y[:60], n_train=n, masks=masks)
    check(KNeighborsRegressor(n - 1), X[:60], y[:60], n_train=n, masks=masks[2:])
    loo = LeaveOneOutInfluence(KNeighborsRegressor(k)).fit(X[:n], y[:n])
    masks[0, 30] = True
    with pytest.raises(ValueError, match=r"n_neighbors <= n_samples_fit"):
        loo.group_influence(X[n:], y[n:], groups=masks)
    loo.set_params(error_score=np.nan)
    with pytest.warns(FitFailedWarning, match=r"without rows \[0, 1, 2, 30\]"):
        result = loo.group_influence(X[n:], y[n:], groups=masks)
    assert np.isnan(result[:, 0]).all()
    assert np.isfinite(result[:, 1:]).all()
    masks[0] = True
    with pytest.raises(ValueError, match="at least one training row"):
        loo.group_influence(X[n:], y[n:], groups=masks)
    with pytest.raises(ValueError, match=r"n_neighbors=40\).*40 rows.*Use.*<= 39"):
        LeaveOneOutInfluence(KNeighborsRegressor(n)).fit(X[:n], y[:n])


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("n_copies", [2, 5])
def test_duplicates(wine, weights, n_copies):
    # distance zero takes all the weight
    X, y = wine
    copies = np.r_[np.arange(60), np.repeat([0, 7, 9], n_copies - 1)]
    test = np.r_[0, 7, 9, 70:110]
    loo = LeaveOneOutInfluence(KNeighborsClassifier(3, weights=weights))
    loo.fit(X[copies], y[copies])
    data = loo.estimator, X[copies], y[copies]
    masks = copies == np.array([[0], [7], [9], [20]])
    result = loo.group_influence(X[test], y[test], groups=masks)
    expected = brute_force(*data, X[test], y[test], masks)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)
    if n_copies == 5:  # more copies than neighbours: every one is replaceable
        rows = loo.influence(X[[0, 7, 9]], y[[0, 7, 9]])
        np.testing.assert_array_equal(rows, 0.0)
        np.testing.assert_array_equal(loo.self_influence()[[0, 7, 9]], 0.0)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_duplicates_with_other_labels(wine, weights):
    X, y = wine
    copies, k = np.r_[np.arange(60), 0, 7, 9], 3
    test = np.r_[0, 7, 9, 70:110]
    labels = (y[copies] + (np.arange(63) >= 60)) % 3
    loo = LeaveOneOutInfluence(KNeighborsClassifier(k, weights=weights))
    loo.fit(X[copies], labels)
    distance, _ = loo.estimator_.kneighbors(X[test], k + 2)
    apart = (np.diff(distance[:, k - 1 :]) > 0).all(axis=1)  # others are arbitrary
    assert apart[:3].all()
    result = loo.influence(X[test], y[test])[apart]
    expected = brute_force(loo.estimator, X[copies], labels, X[test], y[test])[apart]
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)
    assert result[:, 60:].any()


def test_ties_of_votes_are_rounded_as_in_predict():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 4, (300, 2)) + 0.5
    y = rng.integers(0, 2, 300)
    X_test = rng.integers(0, 4, (600, 2)) + rng.integers(0, 3, (600, 2)) / 3
    estimator = KNeighborsClassifier(30, weights="distance").fit(X, y)
    before = np.empty(600, dtype=int)
    parts = removal_model(estimator, X, y).changed_predictions(
        X_test, None, "predict", False
    )
    for tests, _, labels, _ in parts:
        before[tests] = labels[:, 0]
    predicted = estimator.predict(X_test)
    other = estimator.predict_proba(X_test).argmax(axis=1)  # rounded otherwise
    assert (before != predicted).sum() <= 2
    assert (other != predicted).sum() > 5


def test_test_rows_without_ties_among_tied_ones():
    X, y = shuffled("iris", 150, transform=np.asarray)
    k, n = 5, 110
    estimator = KNeighborsClassifier(k).fit(X[:n], y[:n])
    distance, _ = estimator.kneighbors(X[n:], k + 2)
    apart = (np.diff(distance[:, k - 1 :]) > 1e-9).all(axis=1)
    assert 5 < apart.sum() < len(apart) - 5
    loo = LeaveOneOutInfluence(KNeighborsClassifier(k)).fit(X[:n], y[:n])
    result = loo.influence(X[n:], y[n:])
    expected = brute_force(loo.estimator, X[:n], y[:n], X[n:], y[n:])
    np.testing.assert_array_equal(result[apart], expected[apart])


def test_no_pair_is_answered_by_the_first_search(wine):
    X, y = wine
    masks = np.arange(50) < np.array([[47], [45]])
    for estimator in (
        KNeighborsClassifier(3, weights="distance"),
        RadiusNeighborsClassifier(2.0, weights="distance", outlier_label=1),
    ):
        check(estimator, X[:65], y[:65], "zero_one", 50, masks)


def test_class_that_loses_its_only_row(wine):
    X, y = wine
    y = y.copy()
    y[4] = 5
    order = np.r_[:40, 4, 80:90]
    masks = np.eye(40, dtype=bool)[[4, 5]]
    masks[0, 8] = True
    for labels in (y, (y == 5).astype(int)):
        for estimator in (
            KNeighborsClassifier(3, weights="distance"),
            KNeighborsClassifier(1),
            RadiusNeighborsClassifier(4.0, outlier_label=0),
            RadiusNeighborsClassifier(0.5, outlier_label="most_frequent"),
            RadiusNeighborsClassifier(0.5, outlier_label=int(labels[4])),
        ):
            for loss in ("log_loss", "zero_one"):
                check(estimator, X[order], labels[order], loss, 40, masks)


def test_leave_one_out_error_of_regression(diabetes):
    # ((k + 1) / k)^2 times the training error of k + 1 neighbours
    X, y = diabetes
    for k in (1, 5, 20):
        loo = LeaveOneOutInfluence(KNeighborsRegressor(k)).fit(X, y)
        left_out = loo.self_influence() + (y - loo.predict(X)) ** 2
        wider = KNeighborsRegressor(k + 1).fit(X, y)
        factor = ((k + 1) / k) ** 2
        expected = factor * (y - wider.predict(X)) ** 2
        np.testing.assert_allclose(left_out, expected, rtol=1e-9)
        scores = cross_val_score(
            KNeighborsRegressor(k),
            X,
            y,
            cv=LeaveOneOut(),
            scoring="neg_mean_squared_error",
        )
        np.testing.assert_allclose(left_out, -scores, rtol=1e-9)
