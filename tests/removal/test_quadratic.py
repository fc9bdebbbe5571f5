"""Least squares without rows, against scikit-learn's refits."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from packaging.version import Version
from sklearn.datasets import load_iris
from sklearn.linear_model import (
    LinearRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from tables import diabetes, uneven_weights, wine
from truth.refits import (
    influence_of,
    minus_prediction,
    some_rows,
    squared_error,
    squared_margin,
)

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

ALPHAS = [1e-6, 1.0, 1e3]


def exact(estimator, X, y, weight=None):
    params = {} if weight is None else {"sample_weight": weight}
    return LeaveOneOutInfluence(estimator, solver="exact").fit(X, y, **params)


def check(estimator, data, loss=squared_error, weight=None, rtol=1e-9, everything=True):
    """Compare the matrix, and self-influences, with refits, relative to the largest."""
    X, y, X_test, y_test = data
    influence = exact(estimator, X, y, weight)
    matrix = influence.influence(X_test, y_test)
    rows = np.arange(len(X)) if everything else some_rows(matrix)
    targets = None if y_test is None else np.concatenate([y_test, y])
    truth = influence_of(
        [[i] for i in rows],
        estimator,
        X,
        y,
        np.concatenate([X_test, X]),
        targets,
        loss,
        weight,
    )
    scale = np.abs(truth).max()
    at_test = truth[: len(X_test)]
    assert_allclose(matrix[:, rows], at_test, rtol=0, atol=rtol * scale)
    if y_test is not None:
        own = truth[len(X_test) + rows, np.arange(len(rows))]
        assert_allclose(
            influence.self_influence()[rows], own, rtol=0, atol=rtol * scale
        )
    return influence, matrix


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_ridge_influence_equals_refits(alpha, weighted, intercept):
    data = diabetes()
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd")
    influence, matrix = check(estimator, data, weight=weight)
    assert len(influence.refitted_rows_) == 0
    if weighted:
        assert_array_equal(matrix[:, 3], 0.0)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_linear_regression_influence_equals_refits(weighted, intercept):
    data = diabetes()
    weight = uneven_weights(len(data[0])) if weighted else None
    check(LinearRegression(fit_intercept=intercept), data, weight=weight)


@pytest.mark.parametrize(
    "solver", ["svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga"]
)
def test_every_ridge_solver_gives_the_same_influence(solver):
    X, y, X_test, y_test = diabetes()
    _, expected = check(Ridge(solver="svd"), diabetes(), everything=False)
    estimator = Ridge(solver=solver, random_state=0)
    matrix = exact(estimator, X, y).influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
def test_ridge_classifier_of_two_classes(intercept, weighted):
    data = wine()
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = RidgeClassifier(fit_intercept=intercept, solver="svd")
    check(estimator, data, squared_margin, weight)


@pytest.mark.parametrize("class_weight", [None, {0: 2.0, 1: 0.5, 2: 1.0}])
def test_ridge_classifier_of_three_classes(class_weight):
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(150)
    X, y = X[order], y[order]
    data = X[:100], y[:100], X[100:], y[100:]
    estimator = RidgeClassifier(class_weight=class_weight, solver="svd")
    check(estimator, data, squared_margin)


def test_row_that_is_alone_in_its_class_is_refitted():
    X, y = load_iris(return_X_y=True)
    kept = np.concatenate([np.arange(20), np.arange(50, 70), [120]])
    X, y = X[kept], y[kept]
    influence = exact(RidgeClassifier(), X, y)
    assert influence.refitted_rows_.tolist() == [40]
    matrix = influence.influence(X, y)
    assert np.isfinite(matrix).all()
    two = RidgeClassifier().fit(X[:40], y[:40]).decision_function(X[:40])
    # The class that is gone has margin -1, which is what its rows are not.
    margins = np.column_stack([-two, two, -np.ones(40)])
    code = np.where(y[:40, None] == np.arange(3), 1, -1)
    expected = ((margins - code) ** 2).sum(axis=1)
    expected -= squared_margin(influence.estimator_, X, y)[:40]
    assert_allclose(matrix[:40, 40], expected, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_several_outputs_with_a_penalty_each(weighted):
    X, y, X_test, y_test = diabetes()

    def outputs(y):
        return np.column_stack([y, -0.5 * y**1.2, np.sin(y)])

    data = X, outputs(y), X_test, outputs(y_test)
    weight = uneven_weights(len(X)) if weighted else None
    check(Ridge(alpha=np.array([0.1, 10.0, 0.1]), solver="svd"), data, weight=weight)
    check(Ridge(alpha=3.0, solver="svd"), data, weight=weight)
    check(LinearRegression(), data, weight=weight)


def test_without_targets_the_prediction_itself_is_explained():
    X, y, X_test, _ = diabetes()
    check(Ridge(solver="svd"), (X, y, X_test, None), minus_prediction)


@pytest.mark.parametrize(
    "estimator", [RidgeCV([0.1, 1.0, 50.0]), RidgeClassifierCV([0.1, 1.0, 50.0])]
)
def test_penalty_chosen_by_cross_validation_is_held_fixed(estimator):
    classifier = isinstance(estimator, RidgeClassifierCV)
    data = wine() if classifier else diabetes()
    X, y, X_test, y_test = data
    influence = exact(estimator, X, y)
    assert influence.fixed_steps_ == [f"alpha_ of {type(estimator).__name__}"]
    plain = RidgeClassifier if classifier else Ridge
    loss = squared_margin if classifier else squared_error
    fixed = plain(alpha=influence.estimator_.alpha_, solver="svd")
    _, expected = check(fixed, data, loss, everything=False)
    scale = np.abs(expected).max()
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=0, atol=1e-9 * scale)
    auto = LeaveOneOutInfluence(estimator).fit(X[:20], y[:20])
    assert auto.solver_ == "refit"
    assert auto.fixed_steps_ == []


def test_row_of_leverage_one_is_refitted():
    X, y, X_test, y_test = diabetes()
    alone = np.zeros((len(X), 1))
    alone[17] = 1.0
    X = np.column_stack([X, alone])
    X_test = np.column_stack([X_test, np.ones(len(X_test))])
    estimator = LinearRegression()
    influence, matrix = check(estimator, (X, y, X_test, y_test))
    assert influence.refitted_rows_.tolist() == [17]
    assert np.isfinite(matrix).all()
    assert np.isfinite(influence.self_influence()).all()


def test_group_of_leverage_one_is_refitted():
    X, y, X_test, y_test = diabetes()
    shared = np.zeros((len(X), 1))
    shared[[4, 9]] = 1.0
    X = np.column_stack([X, shared])
    X_test = np.column_stack([X_test, np.ones(len(X_test))])
    influence = exact(LinearRegression(), X, y)
    assert len(influence.refitted_rows_) == 0
    groups = np.zeros((2, len(X)), dtype=bool)
    groups[0, [4, 9]] = groups[1, [4, 10]] = True
    matrix = influence.group_influence(X_test, y_test, groups=groups)
    removed = [[4, 9], [4, 10]]
    args = LinearRegression(), X, y, X_test, y_test, squared_error
    truth = influence_of(removed, *args)
    assert_allclose(matrix, truth, rtol=0, atol=1e-9 * np.abs(truth).max())


def test_dependent_columns_give_the_minimum_norm_solution():
    X, y, X_test, y_test = diabetes()

    def dependent(X):
        return np.column_stack([X, X[:, 0] - 2 * X[:, 1]])

    data = dependent(X), y, dependent(X_test), y_test
    check(LinearRegression(), data, rtol=1e-7)
    check(Ridge(alpha=0.1, solver="svd"), data)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 60)), rng.normal(size=40)
    check(Ridge(alpha=0.5, solver="svd"), (X[:30], y[:30], X[30:], y[30:]))


def test_interpolating_linear_regression_is_refitted():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 25)), rng.normal(size=20)
    data = X[:15], y[:15], X[15:], y[15:]
    influence, _ = check(LinearRegression(), data)
    assert len(influence.refitted_rows_) == 15


def test_far_away_columns_of_different_scales():
    X, y, X_test, y_test = diabetes()
    scale = 10.0 ** np.linspace(-3, 3, 10)
    shift = 1e6 * np.linspace(-1, 1, 10)
    data = X * scale, y, X_test * scale, y_test
    _, expected = check(Ridge(alpha=0.1, solver="svd"), data, everything=False)
    moved = exact(Ridge(alpha=0.1), X * scale + shift, y)
    matrix = moved.influence(X_test * scale + shift, y_test)
    # The shifted columns themselves have lost ten digits of the smallest scale.
    assert_allclose(matrix, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def small_columns():
    X, y, X_test, y_test = diabetes()
    scale = 10.0 ** np.linspace(-4, 4, 10)
    return X * scale, y, X_test * scale, y_test


# scikit-learn drops directions whose singular value is below tol times the largest.
every_direction = LinearRegression()
if "tol" in every_direction.get_params():
    every_direction.set_params(tol=1e-14)


@pytest.mark.parametrize(
    "estimator", [every_direction, Ridge(alpha=1e-8, solver="svd")]
)
def test_no_small_column_is_taken_for_a_dependent_one(estimator):
    influence, _ = check(estimator, small_columns(), rtol=1e-7, everything=False)
    assert len(influence.refitted_rows_) == 0


@pytest.mark.skipif(
    Version(sklearn.__version__) < Version("1.9"),
    reason="LinearRegression of scikit-learn 1.8 drops no directions",
)
def test_linear_regression_that_drops_small_directions_is_refitted():
    X, y, X_test, y_test = small_columns()
    X, y = X[:40], y[:40]
    with pytest.raises(UnsupportedEstimator, match=r"\(tol=1e-06\).*scale X"):
        exact(LinearRegression(), X, y)
    influence = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    args = LinearRegression(), X, y, X_test, y_test, squared_error
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix[:, [3]], influence_of([[3]], *args))


def test_duplicate_rows_have_equal_influence():
    X, y, X_test, y_test = diabetes()
    X, y = np.concatenate([X, X[:9]]), np.concatenate([y, y[:9]])
    _, matrix = check(Ridge(solver="svd"), (X, y, X_test, y_test), everything=False)
    scale = np.abs(matrix).max()
    assert_allclose(matrix[:, -9:], matrix[:, :9], rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", [Ridge(solver="svd"), LinearRegression()])
def test_group_influence_equals_refits(estimator, weighted):
    X, y, X_test, y_test = diabetes()
    weight = uneven_weights(len(X)) if weighted else None
    rng = np.random.default_rng(0)
    groups = np.array([rng.random(len(X)) < share for share in (0.01, 0.1, 0.5, 0.9)])
    influence = exact(estimator, X, y, weight)
    matrix = influence.group_influence(X_test, y_test, groups=groups)
    removed = [np.flatnonzero(group) for group in groups]
    truth = influence_of(
        removed, estimator, X, y, X_test, y_test, squared_error, weight
    )
    assert_allclose(matrix, truth, rtol=0, atol=1e-9 * np.abs(truth).max())


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (Ridge(alpha=2.0), diabetes),
        (LinearRegression(), diabetes),
        (RidgeClassifier(), wine),
    ],
)
def test_one_newton_step_is_exact(estimator, data):
    X, y, X_test, y_test = data()
    expected = exact(estimator, X, y)
    newton = InfluenceFunctions(estimator, step="newton").fit(X, y)
    matrix = expected.influence(X_test, y_test)
    close = {"rtol": 1e-9, "atol": 1e-9 * np.abs(matrix).max()}
    assert_allclose(newton.influence(X_test, y_test), matrix, **close)
    groups = np.arange(len(X)) % 7
    assert_allclose(
        newton.group_influence(X_test, y_test, groups=groups),
        expected.group_influence(X_test, y_test, groups=groups),
        **close,
    )
    assert_allclose(newton.self_influence(), expected.self_influence(), **close)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "data", "loss"),
    [
        (Ridge(alpha=2.0, solver="svd"), diabetes, squared_error),
        (Ridge(fit_intercept=False, solver="svd"), diabetes, squared_error),
        (LinearRegression(), diabetes, squared_error),
        (RidgeClassifier(solver="svd"), wine, squared_margin),
    ],
)
def test_infinitesimal_step_is_the_derivative(estimator, data, loss, weighted):
    X, y, X_test, y_test = data()
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    influence = InfluenceFunctions(estimator).fit(X, y, sample_weight=weight)
    matrix, own = influence.influence(X_test, y_test), influence.self_influence()
    everything = np.concatenate([X_test, X]), np.concatenate([y_test, y])
    for row in some_rows(matrix, 3, 3):
        losses = []
        for factor in (1 + 1e-3, 1 - 1e-3):
            moved = weight.copy()
            moved[row] *= factor
            model = estimator.fit(X, y, sample_weight=moved)
            losses.append(loss(model, *everything))
        truth = (losses[1] - losses[0]) / 2e-3
        scale = np.abs(matrix).max()
        at_test = truth[: len(X_test)]
        assert_allclose(matrix[:, row], at_test, rtol=1e-5, atol=1e-6 * scale)
        own_truth = truth[len(X_test) + row]
        assert_allclose(own[row], own_truth, rtol=1e-5, atol=1e-6 * scale)


def test_damping_is_another_penalty_of_the_hessian():
    X, y, X_test, y_test = diabetes()
    estimator = Ridge(alpha=2.0, fit_intercept=False)
    damped = InfluenceFunctions(estimator, damping=5.0).fit(X, y)
    coef = estimator.fit(X, y).coef_
    inverse = np.linalg.inv(X.T @ X + 7.0 * np.eye(10))
    residual, residual_test = y - X @ coef, y_test - X_test @ coef
    expected = 2 * residual_test[:, None] * (X_test @ inverse @ X.T) * residual
    assert_allclose(damped.influence(X_test, y_test), expected, rtol=1e-9)


def test_positive_coefficients_are_refused_and_refitted():
    X, y, X_test, y_test = diabetes()
    estimator = Ridge(positive=True)
    with pytest.raises(UnsupportedEstimator, match=r"Ridge\(positive=True\).*'refit'"):
        exact(estimator, X, y)
    influence = LeaveOneOutInfluence(estimator).fit(X[:15], y[:15])
    assert influence.solver_ == "refit"
