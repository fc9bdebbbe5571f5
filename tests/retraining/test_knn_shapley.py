"""Shapley values of neighbours: against enumeration with scikit-learn's own models."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import KNNShapley
from skinfluence.retraining._neighbor_order import distance_order


def by_enumeration(worth, n, value):
    """Values by definition; ``worth(rows)`` is of shape (n_test,)."""
    out = 0.0
    for i in range(n):
        others = np.setdiff1d(np.arange(n), i)
        for size in range(n):
            weight = 2.0 ** (1 - n) if value == "banzhaf" else 1 / n / comb(n - 1, size)
            for S in combinations(others, size):
                rows = np.array(S, dtype=int)
                gain = worth(np.sort(np.append(rows, i))) - worth(rows)
                out = out + np.outer(weight * gain, np.arange(n) == i)
    return out


def model_worth(X, y, X_test, y_test, K, utility):
    """Worth of a set of rows by scikit-learn's model of min(K, size) neighbours."""

    def worth(rows):
        if len(rows) == 0:
            nobody = -((y.mean() - y_test) ** 2)
            return nobody if utility == "squared_error" else np.zeros(len(X_test))
        k = min(K, len(rows))
        if utility == "squared_error":
            model = KNeighborsRegressor(k, algorithm="brute").fit(X[rows], y[rows])
            return -((model.predict(X_test) - y_test) ** 2)
        model = KNeighborsClassifier(k, algorithm="brute").fit(X[rows], y[rows])
        probability = np.zeros((len(X_test), 3))
        probability[:, model.classes_] = model.predict_proba(X_test)
        agree = probability[np.arange(len(X_test)), y_test]
        return agree * (k / K if utility == "hard" else 1.0)

    return worth


@pytest.mark.parametrize("value", ["shapley", "banzhaf"])
@pytest.mark.parametrize("utility", ["soft", "hard", "squared_error"])
@pytest.mark.parametrize("K", [1, 3, 9])
def test_real_rows_against_all_subsets(K, utility, value):
    n = 6
    if utility == "squared_error":
        X, y = load_diabetes(return_X_y=True)
        y = y / y.std()
    else:
        X, y = load_iris(return_X_y=True)
        order = np.arange(150).reshape(3, 50).T.ravel()  # one of each class in turn
        X, y = X[order], y[order]
        X = X + np.linspace(0, 1e-3, X.size).reshape(X.shape)  # no equal distances
    X, y, X_test, y_test = X[:n], y[:n], X[40:43], y[40:43]
    knn = KNNShapley(K, utility=utility, semivalue=value).fit(X, y)
    worth = model_worth(X, y, X_test, y_test, K, utility)
    expected = by_enumeration(worth, n, value)
    assert_allclose(knn.influence(X_test, y_test), expected, atol=1e-13)


def test_the_prediction_of_a_regressor_is_shared_out():
    X, y = load_diabetes(return_X_y=True)
    n, K = 6, 2
    X_test = X[100:103]

    def worth(rows):
        if len(rows) == 0:
            return np.full(3, y[:n].mean())
        model = KNeighborsRegressor(min(K, len(rows))).fit(X[rows], y[rows])
        return model.predict(X_test)

    knn = KNNShapley(K, utility="squared_error").fit(X[:n], y[:n])
    expected = by_enumeration(worth, n, "shapley")
    assert_allclose(knn.influence(X_test), expected, rtol=1e-10)


def test_several_outputs_are_averaged():
    X, y = load_diabetes(return_X_y=True)
    both = np.column_stack([y, y[::-1]])
    knn = KNNShapley(3, utility="squared_error")
    one, two = (knn.fit(X[:50], t[:50]).influence(X[60:65], t[60:65]) for t in both.T)
    result = knn.fit(X[:50], both[:50]).influence(X[60:65], both[60:65])
    assert_allclose(result, (one + two) / 2, rtol=1e-12)


def test_equal_distances_are_ranked_in_order():
    X = np.array([[1.0], [-1.0], [1.0], [3.0]])
    y = np.array([0, 1, 1, 0])
    values = KNNShapley(1, utility="hard").fit(X, y).influence([[0.0]], [1])[0]
    game = by_enumeration(
        lambda rows: np.array([float(y[rows[0]] == 1)]) if len(rows) else np.zeros(1),
        4,
        "shapley",
    )
    assert_allclose(values, game[0], atol=1e-15)


def test_order_is_that_of_a_stable_sort():
    distances = np.random.default_rng(0).integers(0, 40, size=(30, 90)).astype(float)
    stable = np.argsort(distances, axis=1, kind="stable")
    assert_array_equal(distance_order(distances), stable)
    assert_array_equal(distance_order(distances[:, :1]), np.zeros((30, 1)))
    distinct = distances + np.linspace(0, 0.5, 90)
    assert_array_equal(distance_order(distinct), np.argsort(distinct, axis=1))


@pytest.mark.parametrize("utility", ["soft", "hard"])
def test_values_sum_to_the_utility_of_all_rows(utility):
    X, y = load_breast_cancer(return_X_y=True)
    knn = KNNShapley(7, utility=utility).fit(X[:400], y[:400])
    agree = knn.predict_proba(X[400:])[np.arange(169), y[400:]]
    total = knn.influence(X[400:], y[400:]).sum(axis=1)
    assert_allclose(total, agree, atol=1e-12)


def test_regression_values_add_up():
    X, y = load_diabetes(return_X_y=True)
    knn = KNNShapley(6, utility="squared_error").fit(X[:300], y[:300])
    loss = (knn.predict(X[300:]) - y[300:]) ** 2
    nobody = (y[:300].mean() - y[300:]) ** 2
    total = knn.influence(X[300:], y[300:]).sum(axis=1)
    assert_allclose(total, nobody - loss, rtol=1e-9)


@pytest.mark.parametrize(
    "params",
    [
        {"metric": "manhattan"},
        {"p": 3},
        {"metric": "cosine"},
        {"metric": "chebyshev"},
        {"metric": lambda a, b: np.abs(a - b).max()},
        {"metric": "minkowski", "p": 1, "metric_params": {"w": [1, 0, 2, 1]}},
    ],
)
def test_distances_are_those_of_the_matching_model(params):
    X, y = load_iris(return_X_y=True)
    X = X + np.linspace(0, 1e-3, X.size).reshape(X.shape)
    knn = KNNShapley(1, utility="hard", **params).fit(X[::3], y[::3])
    # With one neighbour the nearest row has the largest value where it agrees.
    nearest = knn.estimator_.kneighbors(X[1::3], return_distance=False)[:, 0]
    right = y[::3][nearest] == y[1::3]
    values = knn.influence(X[1::3], y[1::3])[right]
    best = values[np.arange(right.sum()), nearest[right]]
    assert_array_equal(best, values.max(axis=1))


def test_sparse_rows_and_a_scaler_before():
    X, y = load_breast_cancer(return_X_y=True)
    dense = KNNShapley().fit(X[:200], y[:200]).influence(X[200:210], y[200:210])
    knn = KNNShapley().fit(sp.csr_array(X[:200]), y[:200])
    assert_allclose(knn.influence(sp.csr_array(X[200:210]), y[200:210]), dense)
    pipe = make_pipeline(StandardScaler(), KNNShapley()).fit(X[:200], y[:200])
    scale = StandardScaler().fit(X[:200]).transform
    alone = KNNShapley().fit(scale(X[:200]), y[:200])
    assert_allclose(
        pipe[-1].influence(pipe[:-1].transform(X[200:210]), y[200:210]),
        alone.influence(scale(X[200:210]), y[200:210]),
    )
    assert np.abs(dense - alone.influence(scale(X[200:210]), y[200:210])).max() > 1e-3


def test_memory_does_not_change_values():
    X, y = load_breast_cancer(return_X_y=True)
    knn = KNNShapley().fit(X[:400], y[:400])
    whole = knn.influence(X[400:], y[400:])
    with sklearn.config_context(working_memory=1):
        assert len(list(knn._blocks(169))) > 5
        assert_array_equal(knn.influence(X[400:], y[400:]), whole)
        assert_allclose(knn.sample_values(X[400:], y[400:]), whole.mean(axis=0))


@pytest.mark.parametrize(
    "labels",
    [
        [1, 2],
        [-1, 1],
        [False, True],
        ["no", "yes"],
        pd.Categorical(["no", "yes"]),
    ],
    ids=["12", "-11", "bool", "str", "category"],
)
def test_labels_of_any_type(labels):
    X, y = load_breast_cancer(return_X_y=True)
    expected = KNNShapley().fit(X[:200], y[:200]).influence(X[200:220], y[200:220])
    named = np.asarray(labels)[y]
    if isinstance(labels, pd.Categorical):
        named = pd.Series(named, dtype="category")
    knn = KNNShapley().fit(X[:200], named[:200])
    assert_array_equal(knn.influence(X[200:220], named[200:220]), expected)


def test_parameters_of_regressors_are_checked():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="'utility' parameter.*must be.*'entropy'"):
        KNNShapley(utility="entropy").fit(X, y)
    with pytest.raises(ValueError, match="'n_neighbors' parameter.*Got 0"):
        KNNShapley(0).fit(X, y)


def test_more_neighbours_than_rows_with_test_rows_in_fit():
    X, y = load_iris(return_X_y=True)
    known = KNNShapley(9).fit(X[::20], y[::20], X[1::20], y[1::20])
    asked = KNNShapley(9).fit(X[::20], y[::20])
    assert_array_equal(known.influence(), asked.influence(X[1::20], y[1::20]))
