"""Estimators that may overwrite the rows they are given (``copy=False``)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import (
    DownsamplingInfluence,
    InfluenceFunctions,
    LeaveOneOutInfluence,
    case_diagnostics,
)

RNG = np.random.default_rng(0)
X = 3 * RNG.normal(size=(40, 2)) + 5
TEST = 3 * RNG.normal(size=(6, 2)) + 5
Y, LABELS = X[:, 0] + RNG.normal(size=40), (X[:, 1] > 5).astype(int)
MODELS = {
    "ridge": (Ridge(), Ridge(copy_X=False), Y),
    "least squares": (LinearRegression(), LinearRegression(copy_X=False), Y),
    "scaled ridge": (
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(copy=False), Ridge(copy_X=False)),
        Y,
    ),
    "scaled logistic": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(copy=False), LogisticRegression()),
        LABELS,
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "method",
    [
        LeaveOneOutInfluence(Ridge()),
        LeaveOneOutInfluence(Ridge(), solver="refit"),
        InfluenceFunctions(Ridge()),
        DownsamplingInfluence(Ridge(), n_retrainings=4, random_state=0),
    ],
    ids=lambda method: f"{type(method).__name__}-{getattr(method, 'solver', '')}",
)
def test_rows_are_read_again_after_the_fit(method, name):
    careful, careless, y = MODELS[name]
    given, asked = X.copy(), TEST.copy()
    target = y[:6]
    expected = method.set_params(estimator=careful).fit(X, y).influence(TEST, target)
    found = method.set_params(estimator=careless).fit(given, y)
    found = found.influence(asked, target)
    assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())
    assert_array_equal(given, X)
    assert_array_equal(asked, TEST)


def test_blocks_of_dask_are_read_again():
    da = pytest.importorskip("dask.array")
    asked, values = TEST.copy(), []
    for copy in (True, False):
        model = make_pipeline(StandardScaler(copy=copy), Ridge())
        blocks = da.from_array(X.copy(), chunks=(20, 2)), da.from_array(Y, chunks=20)
        loo = LeaveOneOutInfluence(model).fit(*blocks)
        values.append(loo.influence(asked, Y[:6]).compute())
    assert_allclose(*values, atol=1e-12)
    assert_array_equal(asked, TEST)


def careless_scaler():
    """Return a fitted scaler that overwrites the rows it transforms."""
    return StandardScaler(copy=False).fit(X.copy())


PARTS_OF_COLUMNS = ColumnTransformer([("all", StandardScaler(copy=False), slice(0, 2))])
FROZEN = {
    "step": lambda: make_pipeline(FrozenEstimator(careless_scaler()), Ridge()),
    "twice": lambda: make_pipeline(
        FrozenEstimator(FrozenEstimator(careless_scaler())), Ridge()
    ),
    "pipeline": lambda: make_pipeline(
        FrozenEstimator(make_pipeline(careless_scaler()).fit(X.copy())), Ridge()
    ),
    "columns": lambda: make_pipeline(
        FrozenEstimator(clone(PARTS_OF_COLUMNS).fit(X.copy())), Ridge()
    ),
    "in columns": lambda: make_pipeline(
        ColumnTransformer(
            [("all", FrozenEstimator(careless_scaler()), slice(0, 2))],
        ),
        Ridge(),
    ),
    "union": lambda: make_pipeline(
        FeatureUnion([("all", FrozenEstimator(careless_scaler()))]), Ridge()
    ),
    "stack": lambda: StackingRegressor(
        [("one", make_pipeline(FrozenEstimator(careless_scaler()), Ridge()))],
        final_estimator=Ridge(),
        cv=2,
    ),
}


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_estimators_read_rows_as_they_are(name):
    """The user's own frozen estimator stays as it is."""
    model, given, asked = FROZEN[name](), X.copy(), TEST.copy()
    solver = "refit" if name == "stack" else "exact"
    loo = LeaveOneOutInfluence(model, solver=solver).fit(given, Y)
    found = loo.influence(asked, Y[:6])
    # Scaled beforehand: a model of rows that no step overwrites.
    scaler = StandardScaler().fit(X)
    rows, test, last = scaler.transform(X), scaler.transform(TEST), Ridge()
    if name == "stack":
        last = StackingRegressor([("one", Ridge())], final_estimator=Ridge(), cv=2)
    plain = LeaveOneOutInfluence(last, solver=solver).fit(rows, Y)
    expected = plain.influence(test, Y[:6])
    assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
    assert_array_equal(given, X)
    assert_array_equal(asked, TEST)
    if name == "step":
        assert model[0].estimator.copy is False


def test_blocks_that_stay_in_memory_are_not_overwritten():
    da = pytest.importorskip("dask.array")
    steps = make_pipeline(FrozenEstimator(careless_scaler()), Ridge())
    scaled = LeaveOneOutInfluence(Ridge()).fit(StandardScaler().fit_transform(X), Y)
    expected = scaled.self_influence()
    rows, y = da.from_array(X.copy(), chunks=(20, 2)).persist(), da.from_array(Y)
    for _ in range(2):
        loo = LeaveOneOutInfluence(steps).fit(rows, y)
        assert_allclose(loo.self_influence(), expected, atol=1e-12)
    assert_array_equal(rows.compute(), X)


@pytest.mark.parametrize("lazy", [False, True])
def test_diagnostics_of_a_fitted_model_keep_the_rows(lazy):
    careful = make_pipeline(StandardScaler(), Ridge()).fit(X, Y)
    careless = make_pipeline(StandardScaler(copy=False), Ridge()).fit(X.copy(), Y)
    expected, rows, y = case_diagnostics(careful, X, Y), X.copy(), Y
    if lazy:
        da = pytest.importorskip("dask.array")
        rows, y = da.from_array(rows, chunks=(20, 2)).persist(), da.from_array(Y)
    found = case_diagnostics(careless, rows, y)
    assert_allclose(found.cooks_distance, expected.cooks_distance, rtol=1e-9)
    assert_array_equal(np.asarray(rows), X)
