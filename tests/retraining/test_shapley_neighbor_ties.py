"""Values of neighbours on data full of ties, against every subset fitted anew."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from skinfluence import KNNShapley, ShapleyInfluence


def subset_loss(estimator, X, y, rows, X_test, y_test):
    """Squared error, or Brier score, of scikit-learn's model of some of the rows."""
    classifier = is_classifier(estimator)
    if len(rows) == 0:
        shares = np.bincount(y.astype(int), minlength=3) / len(y)
        predicted = np.tile(shares if classifier else y.mean(), (len(X_test), 1))
    else:
        k = min(estimator.n_neighbors, len(rows))
        model = clone(estimator).set_params(n_neighbors=k).fit(X[rows], y[rows])
        if not classifier:
            predicted = model.predict(X_test)[:, None]
        else:
            predicted = np.zeros((len(X_test), 3))
            predicted[:, model.classes_.astype(int)] = model.predict_proba(X_test)
    truth = np.eye(3)[y_test.astype(int)] if classifier else y_test[:, None]
    return ((predicted - truth) ** 2).sum(axis=1)


def shapley_values(loss, n):
    """From the definition; loss takes a list of players."""
    losses = {
        rows: loss(list(rows))
        for s in range(n + 1)
        for rows in combinations(range(n), s)
    }
    out = np.zeros((len(losses[()]), n))
    for rows, without in losses.items():
        for i in set(range(n)) - set(rows):
            gain = without - losses[tuple(sorted((*rows, i)))]
            out[:, i] += gain / n / comb(n - 1, len(rows))
    return out, losses[()] - losses[tuple(range(n))]


def grid(n, seed, step=1.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    y[:3] = 0, 1, 2
    return rng.integers(1, 4, (n, 2)) * step, y


def test_what_was_reported():
    X, y = np.array([[0, 0], [1, 0], [5, 0], [0, 0.0]]), np.array([0, 1, 2, 3.0])
    shapley = ShapleyInfluence(KNeighborsRegressor(1)).fit(X, y)
    values = shapley.influence([[0.1, 0]], [0.0])
    total = 1.5**2 - shapley.predict([[0.1, 0]]) ** 2
    assert_allclose(values.sum(axis=1), total, rtol=0, atol=1e-12)
    assert_allclose(total, 2.25)


@pytest.mark.parametrize("kind", [KNeighborsClassifier, KNeighborsRegressor])
@pytest.mark.parametrize(
    ("n_neighbors", "step", "params"),
    [
        (1, 1.0, {}),
        (2, 0.1, {"algorithm": "brute"}),
        (2, 1.0, {"algorithm": "kd_tree", "leaf_size": 1}),
        (3, 1.0, {"metric": "manhattan"}),
        (1, 0.1, {"metric": "cosine"}),
    ],
)
def test_every_subset(kind, n_neighbors, step, params):
    X, y = grid(11, 1, step)
    X, y, X_test, y_test = X[:6], y[:6], X[6:], y[6:]
    estimator = kind(n_neighbors, **params)
    y = y if kind is KNeighborsClassifier else y * 1.0
    expected, total = shapley_values(
        lambda rows: subset_loss(estimator, X, y, rows, X_test, y_test), 6
    )
    loss = "brier" if kind is KNeighborsClassifier else "auto"
    for at_once in ((), (X_test, y_test)):
        shapley = ShapleyInfluence(estimator, loss=loss).fit(X, y, *at_once)
        assert shapley.solver_ == "incremental"
        values = shapley.influence(*(() if at_once else (X_test, y_test)))
        assert_allclose(values, expected, rtol=0, atol=1e-13)
        assert_allclose(values.sum(axis=1), total, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [KNeighborsClassifier, KNeighborsRegressor])
def test_sampled_orders_are_those_of_retraining(kind):
    X, y = grid(26, 3)
    X, y, X_test, y_test = X[:20], y[:20], X[20:], y[20:]
    budget = {"max_retrainings": 80, "random_state": 0}
    estimator = kind(1, algorithm="kd_tree", leaf_size=1)
    loss = "brier" if kind is KNeighborsClassifier else "auto"
    quick = ShapleyInfluence(estimator, loss=loss, **budget).fit(X, y)
    slow = ShapleyInfluence(estimator, loss=loss, solver="refit", **budget).fit(X, y)
    values = quick.influence(X_test, y_test)
    assert_allclose(values, slow.influence(X_test, y_test), rtol=0, atol=1e-12)
    everyone = np.arange(20)
    total = subset_loss(estimator, X, y, [], X_test, y_test)
    total -= subset_loss(estimator, X, y, everyone, X_test, y_test)
    assert_allclose(values.sum(axis=1), total, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_neighbors", [1, 3, 5])
def test_exact_values_sum_to_the_prediction_of_the_model(n_neighbors):
    X, y = grid(90, 0, 0.1)
    X_test, y_test = X[60:], y[60:]
    knn = KNNShapley(n_neighbors).fit(X[:60], y[:60])
    share = knn.predict_proba(X_test)[np.arange(30), y_test]
    total = knn.influence(X_test, y_test).sum(axis=1)
    assert_allclose(total, share, rtol=0, atol=1e-12)
    knn = KNNShapley(n_neighbors, utility="squared_error").fit(X[:60], y[:60])
    total = (y[:60].mean() - y_test) ** 2 - (knn.predict(X_test) - y_test) ** 2
    values = knn.influence(X_test, y_test)
    assert_allclose(values.sum(axis=1), total, rtol=0, atol=1e-12)
