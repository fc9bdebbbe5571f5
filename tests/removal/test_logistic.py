"""Logistic regression without rows, against scikit-learn's refits."""

import warnings

import numpy as np
import pytest
from checks.smooth_models import CLASSIFICATIONS, LOGISTIC_ERROR, check, exact
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import overlapping, uneven_weights, wine
from truth.refits import influence_of, log_loss, refit, some_rows, tight

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

# Solvers that stop early warn; influence is computed at the optimum all the same.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_logistic_influence_equals_refits(name, C, weighted, intercept):
    data = CLASSIFICATIONS[name]()
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = LogisticRegression(C=C, fit_intercept=intercept, max_iter=1000)
    influence, matrix = check(estimator, data, log_loss, weight)
    if weighted:
        assert_array_equal(matrix[:, 3], 0.0)
    assert np.abs(matrix).max() > 1e3 * LOGISTIC_ERROR


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100, 1e4])
@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_every_logistic_influence_equals_refits(name, C, weighted):
    data = CLASSIFICATIONS[name]()
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = LogisticRegression(C=C, max_iter=1000)
    rows = np.arange(len(data[0]))
    check(estimator, data, log_loss, weight, rows, atol=1e-6)


@pytest.mark.parametrize("scaling", [1.0, 0.2, 30.0])
@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_liblinear_penalises_its_intercept(C, scaling):
    X, y, X_test, y_test = wine()
    estimator = LogisticRegression(
        C=C, solver="liblinear", intercept_scaling=scaling, tol=1e-8, max_iter=10_000
    )
    influence = exact(estimator, X, y)
    assert influence.optimum_distance_ < 1e-4
    matrix = influence.influence(X_test, y_test)
    rows = some_rows(matrix)

    def with_constant(X):
        return np.column_stack([X, np.full(len(X), scaling)])

    truth = influence_of(
        [[i] for i in rows],
        LogisticRegression(C=C, fit_intercept=False),
        with_constant(X),
        y,
        with_constant(X_test),
        y_test,
        log_loss,
    )
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=LOGISTIC_ERROR)
    free = exact(LogisticRegression(C=C), X, y).influence(X_test, y_test)
    assert np.abs(matrix - free).max() > 1e-6


@pytest.mark.parametrize(
    "solver", ["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"]
)
def test_every_solver_gives_the_same_influence(solver):
    X, y, X_test, y_test = wine()
    params = {"fit_intercept": False, "C": 10.0, "random_state": 0}
    expected = exact(LogisticRegression(**params), X, y).influence(X_test, y_test)
    estimator = LogisticRegression(solver=solver, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        influence = exact(estimator, X, y)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=0, atol=LOGISTIC_ERROR)
    fitted = influence.estimator_.decision_function(X)
    optimum = refit(estimator.set_params(solver="lbfgs"), X, y).decision_function(X)
    distance = np.abs(fitted - optimum).max()
    assert influence.optimum_distance_ == pytest.approx(distance, rel=1e-3, abs=1e-7)


def test_solver_that_stops_early_is_reported():
    X, y, X_test, y_test = wine()
    params = {"C": 100.0, "max_iter": 3}
    with pytest.warns(UserWarning, match="stopped early.*predictions are up to"):
        influence = exact(LogisticRegression(**params), X, y)
    assert influence.optimum_distance_ > 0.1
    expected = exact(LogisticRegression(C=100.0, max_iter=1000), X, y)
    assert_allclose(
        influence.influence(X_test, y_test),
        expected.influence(X_test, y_test),
        rtol=0,
        atol=LOGISTIC_ERROR,
    )


def test_class_weights_multiply_sample_weights():
    X, y, X_test, y_test = data = wine()
    weight = uneven_weights(len(X))
    class_weight = {0: 3.0, 1: 0.25}
    estimator = LogisticRegression(class_weight=class_weight)
    _, matrix = check(estimator, data, log_loss, weight)
    product = weight * np.where(y == 0, 3.0, 0.25)
    plain = exact(LogisticRegression(), X, y, product).influence(X_test, y_test)
    assert_allclose(matrix, plain, rtol=0, atol=LOGISTIC_ERROR)


def test_balanced_class_weights_follow_the_remaining_rows():
    X, y, X_test, y_test = overlapping()
    estimator = tight(LogisticRegression(class_weight="balanced"))
    influence = LeaveOneOutInfluence(estimator).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    rows = some_rows(matrix)
    singles = [[i] for i in rows]
    truth = influence_of(singles, estimator, X, y, X_test, y_test, log_loss)
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=LOGISTIC_ERROR)


def test_penalty_chosen_by_cross_validation_is_held_fixed():
    X, y, X_test, y_test = data = overlapping()
    params = {
        "Cs": [0.03, 1.0],
        "cv": 3,
        "l1_ratios": (0,),
        "use_legacy_attributes": False,
    }
    estimator = LogisticRegressionCV(scoring="neg_log_loss", **params)
    influence = exact(estimator, X, y)
    assert influence.fixed_steps_ == ["C_ of LogisticRegressionCV"]
    C = float(np.ravel(influence.estimator_.C_)[0])
    _, expected = check(LogisticRegression(C=C), data, log_loss)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=0, atol=LOGISTIC_ERROR)
    auto = LeaveOneOutInfluence(estimator).fit(X[:20], y[:20])
    assert auto.solver_ == "refit"
    assert auto.fixed_steps_ == []


@pytest.mark.parametrize("params", [{"C": np.inf}, {"penalty": None}])
@pytest.mark.filterwarnings("ignore:.*penalty.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*penalty.*:UserWarning")
def test_no_penalty_where_classes_overlap(params):
    data = overlapping()
    estimator = LogisticRegression(tol=1e-8, max_iter=10_000, **params)
    check(estimator, data, log_loss, atol=2e-7)


def test_separable_classes_without_penalty_are_refitted():
    X, y, X_test, y_test = wine()  # separable
    estimator = LogisticRegression(C=np.inf)
    with pytest.raises(UnsupportedEstimator, match="separable.*solver='refit'"):
        exact(estimator, X[:30], y[:30])
    influence = LeaveOneOutInfluence(estimator).fit(X[:30], y[:30])
    assert influence.solver_ == "refit"
    assert np.isfinite(influence.influence(X_test, y_test)).all()


def test_row_without_which_classes_are_separable_is_refitted():
    X = np.array([-3.0, -2.0, -1.0, 2.5, 1.0, 2.0, 3.0])[:, None]
    y = np.array([0, 0, 0, 0, 1, 1, 1])  # row 3 alone makes the classes overlap
    estimator = LogisticRegression(C=np.inf, max_iter=10_000)
    influence = exact(estimator, X, y)
    assert influence.refitted_rows_.tolist() == [3]
    matrix = influence.influence(X, y)
    assert np.isfinite(matrix).all()
    assert np.isfinite(influence.self_influence()).all()
    kept = np.arange(7) != 3
    without = clone(estimator).fit(X[kept], y[kept])
    full = influence.estimator_
    expected = log_loss(without, X, y) - log_loss(full, X, y)
    assert_allclose(matrix[:, 3], expected, rtol=1e-6, atol=1e-6)


def test_row_that_is_alone_in_its_class_is_refitted():
    X, y, X_test, y_test = overlapping()
    y = np.zeros_like(y)
    y[5] = 1
    influence = exact(LogisticRegression(), X, y)
    assert influence.refitted_rows_.tolist() == [5]
    y_test = np.zeros_like(y_test)
    y_test[:3] = 1
    matrix = influence.influence(X_test, y_test)
    assert np.isfinite(matrix).all()
    assert np.isfinite(influence.self_influence()).all()
    # Without it the other class is certain: its probability counts as epsilon.
    certain = np.where(y_test == 1, -np.log(np.finfo(float).eps), 0.0)
    full = log_loss(influence.estimator_, X_test, y_test)
    assert_allclose(matrix[:, 5], certain - full, rtol=1e-6)


def test_dependent_columns():
    X, y, X_test, y_test = overlapping()

    def dependent(X):
        return np.column_stack([X, X[:, 0] + X[:, 1], np.ones(len(X))])

    data = dependent(X), y, dependent(X_test), y_test
    check(LogisticRegression(C=10), data, log_loss)
    with pytest.raises(UnsupportedEstimator, match="columns depend"):
        exact(LogisticRegression(C=np.inf), data[0], y)


def test_columns_far_from_zero_do_not_change_the_result():
    X, y, X_test, y_test = data = overlapping()
    _, expected = check(LogisticRegression(), data, log_loss)
    rows = some_rows(expected)
    shift = 1e6 * np.array([1.0, -1.0, 0.0, 0.5])
    moved = exact(LogisticRegression(), X + shift, y)
    assert_allclose(
        moved.influence(X_test + shift, y_test)[:, rows], expected[:, rows], atol=1e-7
    )


def test_columns_of_different_scales():
    X, y, X_test, y_test = overlapping()
    scale = np.array([1e-3, 1.0, 30.0, 1e3])
    data = X * scale, y, X_test * scale, y_test
    check(LogisticRegression(C=1.0), data, log_loss, atol=2e-7)


def test_duplicate_rows_have_equal_influence():
    X, y, X_test, y_test = overlapping()
    X, y = np.concatenate([X, X[:9]]), np.concatenate([y, y[:9]])
    _, matrix = check(LogisticRegression(), (X, y, X_test, y_test), log_loss)
    assert_allclose(matrix[:, -9:], matrix[:, :9], rtol=0, atol=1e-9)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 70)), np.arange(40) % 2
    data = X[:30], y[:30], X[30:], y[30:]
    check(LogisticRegression(C=0.1), data, log_loss)


def test_pipeline_with_fixed_steps_is_the_last_step_on_transformed_rows():
    X, y, X_test, y_test = overlapping()
    X, X_test = X * [1, 5, 0.2, 1] + 3, X_test * [1, 5, 0.2, 1] + 3
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    held = InfluenceFunctions(estimator, step="newton").fit(X, y)
    assert held.fixed_steps_ == ["standardscaler"]
    scale = StandardScaler().fit(X).transform
    plain = InfluenceFunctions(LogisticRegression(), step="newton").fit(scale(X), y)
    expected = plain.influence(scale(X_test), y_test)
    assert_allclose(held.influence(X_test, y_test), expected)


def test_pipeline_is_refitted_as_a_whole_by_default():
    X, y, X_test, y_test = overlapping()
    X, X_test = X[:50] * [1, 5, 0.2, 1] + 3, X_test * [1, 5, 0.2, 1] + 3
    y = y[:50]
    estimator = make_pipeline(StandardScaler(), tight(LogisticRegression(C=0.1)))
    influence = LeaveOneOutInfluence(estimator).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    truth = influence_of(
        [[i] for i in range(50)], estimator, X, y, X_test, y_test, log_loss
    )
    assert_allclose(matrix, truth, rtol=0, atol=LOGISTIC_ERROR)
    assert influence.fixed_steps_ == []
    scale = StandardScaler().fit(X).transform
    held = exact(estimator[-1], scale(X), y).influence(scale(X_test), y_test)
    assert np.abs(held - truth).max() > 1e-4


def test_looser_tolerance_costs_accuracy_and_keeps_its_promise():
    X, y, X_test, y_test = wine()
    estimator = LogisticRegression(C=1.0)
    reference = exact(estimator, X, y, tol=1e-12).influence(X_test, y_test)
    errors = [
        np.abs(exact(estimator, X, y, tol=tol).influence(X_test, y_test) - reference)
        for tol in (1e-3, 1e-6, 1e-9)
    ]
    for error, tol in zip(errors, (1e-3, 1e-6, 1e-9), strict=True):
        assert error.max() <= tol
    assert errors[0].max() > 1e-8
