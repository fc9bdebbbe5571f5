"""Removals of neighbours that need refits, and means without the matrix."""

import numpy as np
import pytest
from checks.neighbor_refits import check
from sklearn.base import clone
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)

from skinfluence import LeaveOneOutInfluence
from skinfluence._losses import LogLoss
from skinfluence.removal import UnsupportedEstimator, removal_model


def test_outlier_label_of_brute_force_search(wine):
    X, y = wine
    options = {"radius": 6.0, "metric": "manhattan", "algorithm": "brute"}
    X, y = X[:70], y[:70]
    check(RadiusNeighborsClassifier(outlier_label=1, **options), X, y, n_train=50)
    names = np.array(["a", "b", "c"])[y]
    for label, targets in (("b", names), ("most_frequent", y), ([1], y)):
        estimator = RadiusNeighborsClassifier(outlier_label=label, **options)
        loo = LeaveOneOutInfluence(estimator, solver="exact")
        with pytest.raises(UnsupportedEstimator, match="outlier_label="):
            loo.fit(X, targets)
        # other weights and metrics take another way through scikit-learn
        near = {"metric": "cosine", "radius": 0.4}
        check(clone(estimator).set_params(**near), X, targets, n_train=50)
        weighted = clone(estimator).set_params(weights="distance")
        check(weighted, X, targets, n_train=50)
    loo = LeaveOneOutInfluence(estimator).fit(X[:30], y[:30])
    assert loo.solver_ == "refit"


@pytest.mark.parametrize(
    "family",
    [
        KNeighborsClassifier,
        KNeighborsRegressor,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
    ],
)
def test_metrics_that_depend_on_all_rows(wine, family):
    X, y = wine
    for metric in ("seuclidean", "mahalanobis"):
        loo = LeaveOneOutInfluence(
            family(metric=metric, algorithm="brute"), solver="exact"
        )
        with pytest.raises(UnsupportedEstimator, match=f"metric='{metric}'.*metric_pa"):
            loo.fit(X, y)
    square = np.abs(X[:, [0]] - X[:, 0])
    loo = LeaveOneOutInfluence(family(metric="precomputed"))
    with pytest.raises(ValueError, match="metric='precomputed'.*Pass the rows"):
        loo.fit(square, y)


def test_several_outputs_of_a_classifier(wine):
    X, y = wine
    targets = np.column_stack([y, y])
    estimator = KNeighborsClassifier().fit(X, targets)
    with pytest.raises(ValueError, match="several outputs.*one estimator per output"):
        removal_model(estimator, X, targets)


def test_weights_of_zero(wine):
    X, y = wine

    def near(distance):
        return (distance < 2.5) * 1.0

    for family in (KNeighborsClassifier, KNeighborsRegressor):
        loo = LeaveOneOutInfluence(family(weights=near), solver="exact").fit(X, y)
        with pytest.raises(ValueError, match="'weights'.*Got only zeros"):
            loo.self_influence()


def test_infinitesimal_steps_are_refused(wine):
    X, y = wine
    model = removal_model(KNeighborsClassifier().fit(X, y), X, y)
    with pytest.raises(UnsupportedEstimator, match="LeaveOneOutInfluence"):
        model.first_order()


def test_mean_influence_without_the_matrix(wine):
    X, y = wine
    estimator = KNeighborsClassifier().fit(X[:80], y[:80])
    removals = removal_model(estimator, X[:80], y[:80]).exact()
    weight, target = np.linspace(0, 1, 30), np.searchsorted(estimator.classes_, y[80:])
    matrix = removals.influence(X[80:], target, LogLoss())
    values = removals.mean_influence(X[80:], target, LogLoss(), weight)
    np.testing.assert_allclose(values, weight @ matrix, rtol=0, atol=1e-14)
