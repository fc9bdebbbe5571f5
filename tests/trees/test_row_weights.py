"""Regression trees as sums over their training targets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeRegressor

from skinfluence import RepresenterPoints
from skinfluence.removal import UnsupportedEstimator

X, y = load_diabetes(return_X_y=True)
X, y, X_test = X[:200], y[:200], X[200:230]
MODELS = [
    GradientBoostingRegressor(n_estimators=15, random_state=0),
    HistGradientBoostingRegressor(max_iter=15, l2_regularization=1.0),
    RandomForestRegressor(10, random_state=0),
    DecisionTreeRegressor(max_depth=4),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_weights_times_targets_are_predictions(model, weighted):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    points = RepresenterPoints(model).fit(X, y, sample_weight=weight)
    terms = points.representer_values(X_test)[..., 0]
    weights = terms / y
    # HistGradientBoosting rounds gradients to float32, see optimum_distance_.
    tol = max(1e-10, 3 * points.optimum_distance_)
    assert_allclose(terms.sum(axis=1), points.predict(X_test), atol=tol)
    if "Hist" not in type(model).__name__:
        assert points.optimum_distance_ < 1e-10
        assert_allclose(weights.sum(axis=1), 1.0, atol=1e-10)


def test_weights_are_derivatives_with_the_splits_held():
    # A shift of one target that moves no split: the leaves are those of before.
    model = GradientBoostingRegressor(n_estimators=6, max_depth=2, random_state=0)
    points = RepresenterPoints(model).fit(X, y)
    weights = points.representer_values(X_test)[..., 0] / y
    checked = 0
    for i in range(0, 40, 4):
        shifted = y.copy()
        shifted[i] += 1e-3
        moved = clone(model).fit(X, shifted)
        trees = zip(
            moved.estimators_[:, 0], points.estimator_.estimators_[:, 0], strict=True
        )
        if all(np.array_equal(a.tree_.threshold, b.tree_.threshold) for a, b in trees):
            change = (moved.predict(X_test) - points.predict(X_test)) / 1e-3
            assert_allclose(weights[:, i], change, atol=1e-8)
            checked += 1
    assert checked > 3


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (HistGradientBoostingClassifier(max_iter=3), "use TreeInfluence"),
        (HistGradientBoostingRegressor(max_iter=3, loss="poisson"), "squared loss"),
        (GradientBoostingRegressor(n_estimators=3, init="zero"), "their mean"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals(model, reason):
    data = load_breast_cancer(return_X_y=True) if "Class" in str(model) else (X, y)
    with pytest.raises(UnsupportedEstimator, match=reason):
        RepresenterPoints(model).fit(*data)
