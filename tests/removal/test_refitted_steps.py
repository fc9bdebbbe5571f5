"""Scales and class weights that are fitted again with every removal."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence


def tight_logistic(**options):
    return LogisticRegression(
        solver="newton-cholesky", tol=1e-12, max_iter=1000, **options
    )


def tight_svc(**options):
    return LinearSVC(dual=False, tol=1e-10, max_iter=100_000, **options)


def table(load, n=120):
    X, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    return X[:n], y[:n], X[n : n + 30], y[n : n + 30]


def raw(model, X):
    response = getattr(model, "decision_function", model.predict)(X)
    return np.asarray(response).reshape(len(X), -1)


def losses(model, X, y):
    """Evaluation losses from raw predictions, written without the library."""
    last = model[-1] if hasattr(model, "steps") else model
    score = raw(model, X)
    if isinstance(last, LogisticRegression):
        score = score - score[:, :1] if score.shape[1] > 1 else score * [[0.0, 1.0]]
        return logsumexp(score, axis=1) - score[np.arange(len(y)), y]
    if isinstance(last, PoissonRegressor):
        mean = score[:, 0]
        return 2 * (y * np.log(y / mean) - y + mean)
    if not hasattr(last, "classes_"):
        return (score[:, 0] - y) ** 2
    code = 2.0 * (y[:, None] == last.classes_[-score.shape[1] :]) - 1
    gap = 1 - code * score
    if isinstance(last, LinearSVC):
        gap = np.maximum(gap, 0)
    return (gap**2).sum(axis=1)


def refits(estimator, X, y, X_test, y_test, masks):
    before = losses(clone(estimator).fit(X, y), X_test, y_test)
    return np.stack(
        [
            losses(clone(estimator).fit(X[~mask], y[~mask]), X_test, y_test) - before
            for mask in masks
        ],
        axis=1,
    )


CASES = {
    "scaled logistic": (
        make_pipeline(StandardScaler(), tight_logistic()),
        load_breast_cancer,
    ),
    "scaled strongly penalised logistic": (
        make_pipeline(StandardScaler(), tight_logistic(C=0.01)),
        load_breast_cancer,
    ),
    "scaled without centring": (
        make_pipeline(StandardScaler(with_mean=False), tight_logistic()),
        load_breast_cancer,
    ),
    "balanced logistic": (
        make_pipeline(
            FunctionTransformer(np.log1p), tight_logistic(class_weight="balanced")
        ),
        load_breast_cancer,
    ),
    "scaled balanced logistic": (
        make_pipeline(StandardScaler(), tight_logistic(class_weight="balanced")),
        load_breast_cancer,
    ),
    "scaled multinomial": (
        make_pipeline(StandardScaler(), tight_logistic()),
        load_wine,
    ),
    "scaled balanced multinomial": (
        make_pipeline(StandardScaler(), tight_logistic(class_weight="balanced")),
        load_wine,
    ),
    "scaled ridge": (make_pipeline(StandardScaler(), Ridge(10.0)), load_diabetes),
    "centred ridge": (
        make_pipeline(StandardScaler(with_std=False), Ridge(0.1)),
        load_diabetes,
    ),
    "scaled least squares": (
        make_pipeline(StandardScaler(), LinearRegression()),
        load_diabetes,
    ),
    "scaled balanced ridge classifier": (
        make_pipeline(StandardScaler(), RidgeClassifier(3.0, class_weight="balanced")),
        load_wine,
    ),
    "scaled poisson": (
        make_pipeline(
            StandardScaler(), PoissonRegressor(solver="newton-cholesky", tol=1e-12)
        ),
        load_diabetes,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_leave_scales_and_class_weights_as_well(name):
    estimator, load = CASES[name]
    data = table(load)
    loo = LeaveOneOutInfluence(estimator, tol=1e-11).fit(*data[:2])
    assert loo.solver_ == "exact"
    assert loo.fixed_steps_ == []
    truth = refits(estimator, *data, np.eye(len(data[1]), dtype=bool))
    scale = np.abs(truth).max()
    np.testing.assert_allclose(
        loo.influence(*data[2:]), truth, rtol=0, atol=1e-9 * max(scale, 1)
    )


@pytest.mark.parametrize("name", CASES)
def test_groups_leave_scales_and_class_weights_as_well(name):
    estimator, load = CASES[name]
    data = table(load)
    groups = np.random.default_rng(1).integers(0, 8, len(data[1]))
    loo = LeaveOneOutInfluence(estimator, tol=1e-11).fit(*data[:2])
    truth = refits(estimator, *data, groups == np.arange(8)[:, None])
    scale = np.abs(truth).max()
    np.testing.assert_allclose(
        loo.group_influence(*data[2:], groups=groups),
        truth,
        rtol=0,
        atol=1e-9 * max(scale, 1),
    )


def test_balanced_svc_rows_leave_class_weights_as_well():
    estimator = tight_svc(C=0.1, class_weight="balanced")
    X, y, X_test, y_test = table(load_wine)
    scaler = StandardScaler().fit(X)
    data = scaler.transform(X), y, scaler.transform(X_test), y_test
    loo = LeaveOneOutInfluence(estimator).fit(*data[:2])
    assert loo.solver_ == "exact"
    truth = refits(estimator, *data, np.eye(len(y), dtype=bool))
    # liblinear's own stopping error is what is left
    np.testing.assert_allclose(loo.influence(*data[2:]), truth, rtol=0, atol=1e-5)


def test_a_row_that_alone_makes_a_column_vary():
    X, y, X_test, y_test = table(load_diabetes, 60)
    X = np.column_stack([X, np.zeros(60)])
    X[7, -1] = 3.0
    X_test = np.column_stack([X_test, np.linspace(-1, 1, 30)])
    estimator = make_pipeline(StandardScaler(), Ridge(1.0))
    loo = LeaveOneOutInfluence(estimator).fit(X, y)
    truth = refits(estimator, X, y, X_test, y_test, np.eye(60, dtype=bool))
    np.testing.assert_allclose(
        loo.influence(X_test, y_test), truth, rtol=0, atol=1e-9 * np.abs(truth).max()
    )


@pytest.mark.parametrize("model", [Ridge(1.0), tight_logistic()], ids=str)
@pytest.mark.parametrize("size", [30.0, 1e4, 1e8])
def test_a_row_that_makes_the_scale_of_a_column(model, size):
    X, y, X_test, y_test = table(load_diabetes, 60)
    X[7, 0] = size
    if isinstance(model, LogisticRegression):
        y, y_test = (y > 140) * 1, (y_test > 140) * 1
    estimator = make_pipeline(StandardScaler(), model)
    loo = LeaveOneOutInfluence(estimator, tol=1e-11).fit(X, y)
    assert loo.solver_ == "exact"
    truth = refits(estimator, X, y, X_test, y_test, np.eye(60, dtype=bool))
    np.testing.assert_allclose(
        loo.influence(X_test, y_test),
        truth,
        rtol=0,
        atol=1e-9 * max(np.abs(truth).max(), 1),
    )


def test_least_squares_of_scaled_columns_that_depend_on_each_other_are_refitted():
    X, y, X_test, y_test = table(load_diabetes, 60)
    X = np.column_stack([X, X[:, 0] + 2 * X[:, 2]])
    X_test = np.column_stack([X_test, np.ones(30)])  # of no combination of the others
    estimator = make_pipeline(StandardScaler(), LinearRegression())
    loo = LeaveOneOutInfluence(estimator).fit(X, y)
    truth = refits(estimator, X, y, X_test, y_test, np.eye(60, dtype=bool))
    np.testing.assert_allclose(
        loo.influence(X_test, y_test), truth, rtol=0, atol=1e-7 * np.abs(truth).max()
    )
    assert loo.solver_ == "refit"


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (make_pipeline(RobustScaler(), Ridge()), ["robustscaler"]),
        (
            make_pipeline(StandardScaler(), tight_svc()),
            ["standardscaler"],
        ),
        (
            make_pipeline(StandardScaler(), RobustScaler(), Ridge()),
            ["standardscaler", "robustscaler"],
        ),
        (
            make_pipeline(StandardScaler(), Ridge(fit_intercept=False)),
            ["standardscaler"],
        ),
    ],
)
def test_other_steps_are_refitted_or_held_fixed_by_name(estimator, why):
    load = load_wine if "linearsvc" in dict(estimator.steps) else load_diabetes
    X, y, X_test, y_test = table(load, 40)
    auto = LeaveOneOutInfluence(estimator).fit(X, y)
    assert auto.solver_ == "refit"
    exact = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    assert exact.fixed_steps_ == why
    assert not np.allclose(
        exact.influence(X_test, y_test), auto.influence(X_test, y_test), rtol=1e-3
    )


def test_a_weighted_scaler_is_not_taken_for_a_plain_one():
    X, y, _, _ = table(load_diabetes, 40)
    weight = np.linspace(0.5, 2, 40)
    loo = LeaveOneOutInfluence(make_pipeline(StandardScaler(), Ridge()))
    loo.fit(X, y, standardscaler__sample_weight=weight)
    assert loo.solver_ == "refit"


def test_scalers_of_sparse_rows_whose_statistics_are_rounded():
    """scikit-learn rounds them to float32, as the rows are."""
    X, y, X_test, y_test = table(load_diabetes, 40)
    X, X_test = (100 * part.astype(np.float32) for part in (X, X_test))
    estimator = make_pipeline(StandardScaler(with_mean=False), Ridge(3.0))
    loo = LeaveOneOutInfluence(estimator).fit(sp.csr_array(X), y)
    assert loo.solver_ == "exact"
    found = loo.influence(X_test, y_test)
    rows = X.astype(float), y, X_test.astype(float), y_test
    expected = refits(estimator, *rows, np.eye(len(y), dtype=bool))
    assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_influence_functions_hold_the_scaler_fixed_and_say_so():
    X, y, _, _ = table(load_diabetes, 40)
    estimator = make_pipeline(StandardScaler(), Ridge())
    assert InfluenceFunctions(estimator).fit(X, y).fixed_steps_ == ["standardscaler"]
