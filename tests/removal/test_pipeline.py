"""Pipelines without rows: what a refit of the whole of it would give."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from tables import counts, diabetes, overlapping, uneven_weights, wine
from truth.refits import (
    TIGHT,
    deviance,
    influence_of,
    log_loss,
    some_rows,
    squared_error,
    squared_margin,
)

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

MODELS = {
    "logistic": (LogisticRegression(**TIGHT), overlapping, log_loss),
    "logistic-weak": (LogisticRegression(C=100, **TIGHT), overlapping, log_loss),
    "poisson": (PoissonRegressor(alpha=0.5, **TIGHT), lambda: counts(1), deviance(1)),
    "ridge": (Ridge(alpha=5.0, solver="svd"), diabetes, squared_error),
    "least squares": (LinearRegression(), diabetes, squared_error),
    "ridge classifier": (RidgeClassifier(solver="svd"), wine, squared_margin),
}


def uneven_columns(data):
    X, y, X_test, y_test = data
    scale = 10.0 ** np.linspace(-1, 1, X.shape[1])
    return X * scale + 3, y, X_test * scale + 3, y_test


def check(pipeline, data, loss, rows=None, weight=None, solver="auto"):
    """Compare rows and groups with refits of the whole pipeline."""
    X, y, X_test, y_test = data
    key = f"{pipeline.steps[-1][0]}__sample_weight"
    params = {} if weight is None else {key: weight}
    influence = LeaveOneOutInfluence(pipeline, solver=solver).fit(X, y, **params)
    assert influence.fixed_steps_ == []
    matrix = influence.influence(X_test, y_test)
    rows = some_rows(matrix, 5, 5) if rows is None else rows

    def fit(kept):
        params = {} if weight is None else {key: weight[kept]}
        return pipeline.fit(X[kept], y[kept], **params)

    def losses(removed):
        kept = np.setdiff1d(np.arange(len(X)), removed)
        return loss(fit(kept), X_test, y_test)

    full = losses([])
    truth = np.stack([losses([i]) - full for i in rows], axis=1)
    atol = 1e-7 * max(1.0, np.abs(truth).max())
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=atol)
    groups = np.zeros((2, len(X)), dtype=bool)
    groups[0, ::2] = groups[1, 5:9] = True
    grouped = influence.group_influence(X_test, y_test, groups=groups)
    removed = map(np.flatnonzero, groups)
    truth = np.stack([losses(group) - full for group in removed], axis=1)
    atol = 1e-7 * max(1.0, np.abs(truth).max())
    assert_allclose(grouped, truth, rtol=1e-7, atol=atol)
    return influence


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_standard_scaler_is_refitted_with_every_removal(name, weighted):
    model, data, loss = MODELS[name]
    data = uneven_columns(data())
    weight = uneven_weights(len(data[0])) if weighted else None
    influence = check(make_pipeline(StandardScaler(), model), data, loss, weight=weight)
    assert influence.solver_ == "exact"


@pytest.mark.parametrize(
    "steps",
    [
        [MinMaxScaler()],
        [MinMaxScaler(feature_range=(1, 3))],
        [MaxAbsScaler()],
        [MinMaxScaler(), StandardScaler()],
        [StandardScaler(), MinMaxScaler()],
    ],
    ids=str,
)
def test_other_scalers_are_refitted_with_every_removal(steps):
    X, y, X_test, y_test = uneven_columns(diabetes())
    data = X[:40], y[:40], X_test, y_test
    pipeline = make_pipeline(*steps, Ridge(solver="svd"))
    influence = check(pipeline, data, squared_error, rows=range(40))
    assert influence.solver_ == "exact"
    assert not len(influence.refitted_rows_)


@pytest.mark.parametrize("params", [{"with_mean": False}, {"with_std": False}])
def test_standard_scaler_of_one_moment(params):
    pipeline = make_pipeline(StandardScaler(**params), Ridge(alpha=5.0, solver="svd"))
    check(pipeline, uneven_columns(diabetes()), squared_error)


def test_column_that_is_constant_without_a_row():
    X, y, X_test, y_test = diabetes()
    rare = np.zeros((len(X), 1))
    rare[6] = 1.0
    X = np.column_stack([X, rare, np.ones(len(X))])
    X_test = np.column_stack([X_test, np.arange(len(X_test)) % 2, np.ones(len(X_test))])
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=5.0, solver="svd"))
    check(pipeline, (X, y, X_test, y_test), squared_error, rows=[5, 6, 7])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(**TIGHT))
    median = np.median(y)
    data = X, (y > median).astype(int), X_test, (y_test > median).astype(int)
    check(pipeline, data, log_loss, rows=[5, 6, 7])


@pytest.mark.parametrize(
    "steps",
    [
        [PCA(3)],
        [StandardScaler(), PCA(3)],
        [RobustScaler(), StandardScaler()],
    ],
    ids=str,
)
def test_other_fitted_steps_are_refitted_by_default(steps):
    X, y, X_test, y_test = uneven_columns(diabetes())
    data = X[:40], y[:40], X_test, y_test
    pipeline = make_pipeline(*steps, Ridge(solver="svd"))
    influence = check(pipeline, data, squared_error)
    assert influence.solver_ == "refit"
    held = LeaveOneOutInfluence(pipeline, solver="exact").fit(X, y)
    fixed = [name for name, _ in pipeline.steps[:-1]]
    if isinstance(steps[-1], StandardScaler):  # behind one that is held, it is followed
        fixed.remove("standardscaler")
    assert held.fixed_steps_ == fixed


def test_fixed_steps_leave_the_last_step_on_transformed_rows():
    X, y, X_test, y_test = uneven_columns(diabetes())
    model = Ridge(solver="svd")
    pipeline = make_pipeline(RobustScaler(), model)
    held = LeaveOneOutInfluence(pipeline, solver="exact").fit(X, y)
    assert held.fixed_steps_ == ["robustscaler"]
    scale = RobustScaler().fit(X).transform
    truth = influence_of(
        [[3], [50]], model, scale(X), y, scale(X_test), y_test, squared_error
    )
    matrix = held.influence(X_test, y_test)
    assert_allclose(matrix[:, [3, 50]], truth, atol=1e-9 * np.abs(truth).max())


def test_gradient_methods_hold_fitted_steps_fixed():
    X, y, X_test, y_test = uneven_columns(overlapping())
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    scale = StandardScaler().fit(X).transform
    for step in ("infinitesimal", "newton"):
        held = InfluenceFunctions(pipeline, step=step).fit(X, y)
        assert held.fixed_steps_ == ["standardscaler"]
        plain = InfluenceFunctions(LogisticRegression(), step=step).fit(scale(X), y)
        expected = plain.influence(scale(X_test), y_test)
        assert_allclose(held.influence(X_test, y_test), expected)
        assert_allclose(held.self_influence(), plain.self_influence())


@pytest.mark.parametrize(
    "step", [Normalizer(), FunctionTransformer(np.abs), "passthrough"], ids=str
)
def test_steps_without_statistics_are_exact(step):
    pipeline = make_pipeline(step, Ridge(solver="svd"))
    influence = check(pipeline, uneven_columns(diabetes()), squared_error)
    assert influence.solver_ == "exact"


def test_scaler_with_weights_of_its_own_is_not_followed():
    X, y, X_test, y_test = uneven_columns(diabetes())
    X, y = X[:40], y[:40]
    weight = uneven_weights(40)
    pipeline = make_pipeline(StandardScaler(), Ridge(solver="svd"))
    params = {"standardscaler__sample_weight": weight, "ridge__sample_weight": weight}
    influence = LeaveOneOutInfluence(pipeline).fit(X, y, **params)
    matrix = influence.influence(X_test, y_test)
    kept = np.arange(40) != 7
    full = squared_error(pipeline.fit(X, y, **params), X_test, y_test)
    params = {key: value[kept] for key, value in params.items()}
    without = squared_error(pipeline.fit(X[kept], y[kept], **params), X_test, y_test)
    scale = np.abs(matrix).max()
    assert_allclose(matrix[:, 7], without - full, atol=1e-9 * scale)


def test_scaler_before_a_penalised_intercept():
    data = uneven_columns(overlapping())
    model = LogisticRegression(solver="liblinear", tol=1e-10, max_iter=10_000)
    X, y, X_test, y_test = data
    data = X[:40], y[:40], X_test, y_test
    influence = LeaveOneOutInfluence(make_pipeline(StandardScaler(), model))
    matrix = influence.fit(*data[:2]).influence(X_test, y_test)
    scaler = StandardScaler()
    kept = np.arange(40) != 7
    pipeline = make_pipeline(scaler, model)
    full = log_loss(pipeline.fit(X[:40], y[:40]), X_test, y_test)
    without = log_loss(pipeline.fit(X[:40][kept], y[:40][kept]), X_test, y_test)
    assert_allclose(matrix[:, 7], without - full, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (LogisticRegression(class_weight="balanced", **TIGHT), log_loss),
        (RidgeClassifier(class_weight="balanced", solver="svd"), squared_margin),
    ],
    ids=["logistic", "ridge"],
)
def test_balanced_class_weights_after_a_scaler(model, loss):
    data = uneven_columns(overlapping())
    check(make_pipeline(StandardScaler(), model), data, loss)
