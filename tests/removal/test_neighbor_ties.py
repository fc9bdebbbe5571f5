"""Neighbours at equal distance, without rows: as scikit-learn's own refits say."""

import numpy as np
import pytest
from checks.neighbor_refits import check, some_masks
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from truth.brute_force import brute_force

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal.neighbors import _ties


def grid(step=1.0, n=38, seed=0):
    """Rows on few points, so full of duplicates and ties, with labels at random."""
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 4, (n, 2)) * step
    return X, rng.integers(0, 3, n)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("step", [1.0, 0.1])
@pytest.mark.parametrize(
    "params",
    [
        {"algorithm": "brute"},
        {"algorithm": "kd_tree", "leaf_size": 2},
        {"algorithm": "ball_tree", "leaf_size": 2},
        {"n_neighbors": 1},
        {"n_neighbors": 13},  # another algorithm without a row
        {"metric": "manhattan"},
        {"metric": "chebyshev"},
    ],
    ids=str,
)
def test_k_neighbors(params, step, weights):
    X, y = grid(step)
    options = {"n_neighbors": 3, "weights": weights, **params}
    masks = some_masks(26)[:2]
    if step == 1.0:
        check(KNeighborsClassifier(**options), X, y, "brier", 26, masks)
    else:
        check(KNeighborsRegressor(**options), X, y * 1.5, n_train=26, masks=masks)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_distances_that_round(weights):
    # one minus a cosine is 1e-16 for some of the rows in the same direction
    X, y = grid()
    estimator = KNeighborsRegressor(3, metric="cosine", weights=weights)
    loo = LeaveOneOutInfluence(estimator, solver="exact").fit(X[:26], y[:26])
    expected = brute_force(estimator, X[:26], y[:26], X[26:], y[26:])
    result = loo.influence(X[26:], y[26:])
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_rows_that_are_no_neighbours_may_decide_a_tie():
    found = []
    for seed in range(5):
        X, y = grid(seed=seed)
        estimator = KNeighborsRegressor(3, algorithm="kd_tree", leaf_size=1)
        loo = LeaveOneOutInfluence(estimator).fit(X, y)
        result = loo.influence(X, y)
        own = loo.estimator_.kneighbors(X, return_distance=False)
        np.put_along_axis(result, own, 0.0, axis=1)
        found.append(result.any())
    assert any(found)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize(
    ("step", "metric"), [(1.0, "manhattan"), (0.1, "euclidean"), (0.1, "manhattan")]
)
def test_rows_at_the_radius(algorithm, weights, step, metric):
    X, y = grid(step)
    options = {
        "weights": weights,
        "algorithm": algorithm,
        "metric": metric,
        "leaf_size": 4,
    }
    masks = some_masks(26)[:2]
    if step == 1.0:
        estimator = RadiusNeighborsClassifier(2 * step, outlier_label=0, **options)
        check(estimator, X, y, "brier", 26, masks)
    else:
        estimator = RadiusNeighborsRegressor(2 * step, **options)
        check(estimator, X, y * 1.5, n_train=26, masks=masks)


def test_only_ties_that_decide_are_refitted(monkeypatch):
    calls = []
    predict = _ties.RefittedNeighbors.predict

    def counted(self, kept, *args):
        calls.append(kept)
        return predict(self, kept, *args)

    monkeypatch.setattr(_ties.RefittedNeighbors, "predict", counted)
    X, y = grid(n=50)
    X_test, y_test = X[40:], y[40:] % 2 + 1
    same = X[:40, 0].astype(int)  # equals have equal targets on a line
    for estimator, rows, targets in (
        (KNeighborsClassifier(3), X[:40, :1] * [1.0, 0.0], same),
        (KNeighborsRegressor(3), X[:40] + np.arange(40)[:, None] * 1e-3, y[:40]),
        (RadiusNeighborsClassifier(1.0, outlier_label=0), X[:40], y[:40]),
    ):
        loo = LeaveOneOutInfluence(estimator, solver="exact").fit(rows, targets)
        loo.influence(X_test + rows.mean() * 1e-3, y_test)
        assert calls == []
    LeaveOneOutInfluence(KNeighborsClassifier(3)).fit(X[:40], y[:40]).influence(
        X_test, y_test
    )
    assert 0 < len(calls) <= 40


def test_many_refits_are_announced(monkeypatch):
    monkeypatch.setattr(_ties, "LONG", 0.0)
    X, y = grid()
    loo = LeaveOneOutInfluence(KNeighborsClassifier(3)).fit(X, y)
    with pytest.warns(UserWarning, match=r"equally far.*fitted anew up to \d+ times"):
        loo.influence(X, y)
