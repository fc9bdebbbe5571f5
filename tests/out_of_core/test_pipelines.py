"""Pipelines on dask collections: the preprocessing is fitted again without each row."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)
from tables_in_blocks import (
    SIGNAL,
    TEST,
    TRAIN,
    WEIGHT,
    N,
    X,
    Y,
    blocks,
    lazy,
    mixed,
    table,
)

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

MODELS = {
    "ridge": (Ridge(3.0), "number"),
    "least squares": (LinearRegression(), "number"),
    "two outputs": (Ridge(0.1), "two numbers"),
    "three classes": (RidgeClassifier(0.5), "three"),
    "logistic": (LogisticRegression(C=0.05), "two"),
    "multinomial": (LogisticRegression(C=0.05), "three"),
    "Poisson": (PoissonRegressor(alpha=0.1), "positive"),
    "Gamma": (GammaRegressor(alpha=0.3), "positive"),
}
SMOOTH = {"logistic", "multinomial", "Poisson", "Gamma"}


pytestmark = pytest.mark.usefixtures("one_thread")


def compare(pipeline, target, rows=X, weight=None, given=None, method=None):
    """Compare with the same rows in memory; return both."""
    y, params, lazy = Y[target], {}, {}
    if weight is not None:
        name = f"{pipeline.steps[-1][0]}__sample_weight"
        params, lazy = {name: weight}, {name: blocks(weight)}
    smooth = isinstance(
        pipeline[-1], LogisticRegression | PoissonRegressor | GammaRegressor
    )
    method = method or LeaveOneOutInfluence(pipeline, tol=1e-10 if smooth else 1e-8)
    inside = clone(method).fit(rows[TRAIN], y[TRAIN], **params)
    given = blocks(rows[TRAIN]) if given is None else given
    outside = clone(method).fit(given, blocks(y[TRAIN]), **lazy)
    rtol, atol = (1e-6, 1e-8) if smooth else (1e-9, 1e-10)
    test = rows[TEST], y[TEST]
    for found, expected in (
        (outside.influence(*test).compute(), inside.influence(*test)),
        (outside.sample_values(*test), inside.sample_values(*test)),
        (outside.self_influence(), inside.self_influence()),
    ):
        scale = atol * max(1.0, np.abs(expected).max())
        assert_allclose(found, expected, rtol=rtol, atol=scale)
    groups = np.arange(N) % 5
    found = outside.group_influence(*test, groups=groups)
    expected = inside.group_influence(*test, groups=groups)
    scale = atol * max(1.0, np.abs(expected).max())
    assert_allclose(found, expected, rtol=rtol, atol=scale)
    assert outside.fixed_steps_ == inside.fixed_steps_
    return outside, inside


@pytest.mark.parametrize("name", MODELS)
def test_scaler(name):
    model, target = MODELS[name]
    outside, inside = compare(make_pipeline(StandardScaler(), model), target)
    assert inside.solver_ == "exact"
    assert not len(inside.refitted_rows_)
    scaler, other = outside.estimator_[0], inside.estimator_[0]
    assert type(outside.estimator_) is Pipeline
    for attribute in ("mean_", "var_", "scale_", "n_samples_seen_"):
        found, expected = getattr(scaler, attribute), getattr(other, attribute)
        assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("class_weight", [{"no": 3.0}, "balanced"], ids=str)
def test_class_weights(class_weight):
    model = LogisticRegression(C=0.05, class_weight=class_weight)
    compare(make_pipeline(StandardScaler(), model), "two")


@pytest.mark.parametrize("name", ["ridge", "three classes", "logistic", "Poisson"])
def test_sample_weights_reach_the_model_alone(name):
    """A row of weight zero moves the coefficients, by the scales of the columns."""
    model, target = MODELS[name]
    pipeline = make_pipeline(StandardScaler(), model)
    outside, _ = compare(pipeline, target, weight=WEIGHT)
    assert np.abs(outside.influence(X[TEST], Y[target][TEST])[:, 5].compute()).max() > 0


@pytest.mark.parametrize("name", ["ridge", "logistic", "Poisson"])
def test_influence_functions_hold_the_steps_fixed(name):
    model, target = MODELS[name]
    pipeline = make_pipeline(StandardScaler(), model)
    outside, _ = compare(pipeline, target, method=InfluenceFunctions(pipeline))
    assert outside.fixed_steps_ == ["standardscaler"]


def refitted(pipeline, rows, y, removed, test, losses):
    """Return what ``losses(model, *test)`` is more without rows than with them."""
    kept = np.setdiff1d(np.arange(N), removed)
    tables = [rows.iloc[kept] if hasattr(rows, "iloc") else rows[kept]]
    without = clone(pipeline).fit(*tables, y[TRAIN][kept])
    whole = clone(pipeline).fit(
        rows.iloc[TRAIN] if hasattr(rows, "iloc") else rows[TRAIN], y[TRAIN]
    )
    return losses(without, *test) - losses(whole, *test)


def squared(model, rows, y):
    return (model.predict(rows) - y) ** 2


@pytest.mark.parametrize("removed", [[3], [30], [71], [3, 8, 30, 71, 72]])
def test_ridge_against_refits(removed):
    pipeline = make_pipeline(StandardScaler(), Ridge(20.0))
    loo = LeaveOneOutInfluence(pipeline).fit(blocks(X[TRAIN]), blocks(SIGNAL[TRAIN]))
    test = X[TEST], SIGNAL[TEST]
    expected = refitted(pipeline, X, SIGNAL, removed, test, squared)
    if len(removed) == 1:
        found = loo.influence(*test)[:, removed[0]].compute()
    else:
        mask = np.isin(np.arange(N), removed)[None]
        found = loo.group_influence(*test, groups=mask)[:, 0]
    assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_logistic_against_refits():
    model = LogisticRegression(C=0.05, solver="newton-cholesky", tol=1e-13)
    pipeline, y = make_pipeline(StandardScaler(), model), Y["two"]
    loo = LeaveOneOutInfluence(pipeline).fit(blocks(X[TRAIN]), blocks(y[TRAIN]))

    def losses(model, rows, y):
        each = zip(y, model.predict_proba(rows), strict=True)
        return np.array([log_loss([a], [p], labels=model.classes_) for a, p in each])

    test = X[TEST], y[TEST]
    influence = loo.influence(*test).compute()
    for row in (3, 30, 71):
        expected = refitted(pipeline, X, y, [row], test, losses)
        assert_allclose(influence[:, row], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["logistic", "Poisson"])
def test_rows_whose_bound_is_met_by_one_step(name):
    """The linear predictor is within tol, and log losses move no more than it."""
    model, target = MODELS[name]
    pipeline, tol = make_pipeline(StandardScaler(), model), 1e-3
    given = blocks(X[TRAIN]), blocks(Y[target][TRAIN])
    rough = LeaveOneOutInfluence(pipeline, tol=tol).fit(*given)
    exact = LeaveOneOutInfluence(pipeline, tol=1e-11).fit(*given)
    assert 0 < len(rough.polished_rows_) < N == len(exact.polished_rows_)
    test = X[TRAIN], Y[target][TRAIN]
    gap = np.abs(rough.influence(*test) - exact.influence(*test)).compute()
    mean = exact.predict(X[TRAIN]) if name == "Poisson" else np.ones(N)
    slope = 2 * (np.abs(Y[target][TRAIN] - mean) + mean) if name == "Poisson" else mean
    assert (gap <= 1.01 * tol * slope[:, None]).all()
    assert gap.max() > 1e-9


@pytest.mark.parametrize("size", [50.0, 1e3, 1e6])
def test_row_that_makes_up_most_of_a_variance(size):
    rows = X.copy()
    rows[42, 1] = size
    pipeline = make_pipeline(StandardScaler(), Ridge(5.0))
    loo = LeaveOneOutInfluence(pipeline).fit(blocks(rows[TRAIN]), blocks(SIGNAL[TRAIN]))
    test = rows[TEST], SIGNAL[TEST]
    influence = loo.influence(*test).compute()
    for row in (41, 42):
        expected = refitted(pipeline, rows, SIGNAL, [row], test, squared)
        assert_allclose(influence[:, row], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("intercept", [True, False])
def test_row_without_which_a_column_is_constant(intercept):
    rows = X.copy()
    rows[:N, 1] = 4.0
    rows[42, 1] = 5.0
    scaler = StandardScaler(with_mean=intercept)
    pipeline = make_pipeline(scaler, Ridge(5.0, fit_intercept=intercept))
    loo = LeaveOneOutInfluence(pipeline).fit(blocks(rows[TRAIN]), blocks(SIGNAL[TRAIN]))
    test = rows[TEST], SIGNAL[TEST]
    influence = loo.influence(*test).compute()
    for row in (41, 42):
        expected = refitted(pipeline, rows, SIGNAL, [row], test, squared)
        assert_allclose(influence[:, row], expected, rtol=1e-9, atol=1e-10)


def test_columns_far_from_zero():
    """Means of blocks are merged, not sums of squares."""
    rows = X + [1e7, 0.0, -1e6]
    pipeline = make_pipeline(StandardScaler(), Ridge())
    outside = LeaveOneOutInfluence(pipeline)
    outside.fit(blocks(rows[TRAIN]), blocks(SIGNAL[TRAIN]))
    variance = rows[TRAIN].var(axis=0)
    assert_allclose(outside.estimator_[0].var_, variance, rtol=1e-12)


def test_sparse_blocks_are_scaled_without_means():
    rows = np.where(X > np.median(X, axis=0), X, 0.0)
    sparse = blocks(rows[TRAIN]).map_blocks(sp.csr_matrix)
    pipeline = make_pipeline(StandardScaler(with_mean=False), Ridge())
    compare(pipeline, "number", rows, given=sparse)


def test_scaler_twice_and_functions():
    pipeline = make_pipeline(
        FunctionTransformer(np.log1p),
        StandardScaler(with_std=False),
        "passthrough",
        make_pipeline(StandardScaler(with_mean=False), Ridge(4.0)),
    )
    y = SIGNAL
    outside = LeaveOneOutInfluence(pipeline).fit(blocks(X[TRAIN]), blocks(y[TRAIN]))
    test = X[TEST], y[TEST]
    influence = outside.influence(*test).compute()
    expected = refitted(pipeline, X, y, [12], test, squared)
    assert_allclose(influence[:, 12], expected, rtol=1e-9, atol=1e-12)
    assert_allclose(
        outside.estimator_.predict(X[TEST]),
        clone(pipeline).fit(X[TRAIN], y[TRAIN]).predict(X[TEST]),
    )


@pytest.mark.parametrize(
    ("name", "drop"),
    [
        ("ridge", None),
        ("three classes", "first"),
        ("logistic", None),
        ("multinomial", None),
    ],
)
def test_columns_of_numbers_and_categories(name, drop):
    model, target = MODELS[name]
    frame, y = table(), Y[target]
    pipeline = mixed(model, handle_unknown="ignore", drop=drop)
    tol = 1e-10 if name in SMOOTH else 1e-8
    method = LeaveOneOutInfluence(pipeline, tol=tol)
    inside = clone(method).fit(frame.iloc[TRAIN], y[TRAIN])
    assert not len(inside.refitted_rows_)
    outside = clone(method).fit(*lazy(frame.iloc[TRAIN], y[TRAIN]))
    test = frame.iloc[TEST], y[TEST]
    expected = inside.influence(*test)
    found = outside.influence(*test).compute()
    rtol, atol = (1e-6, 1e-8) if name in SMOOTH else (1e-9, 1e-10)
    assert_allclose(found, expected, rtol=rtol, atol=atol * np.abs(expected).max())
    names = outside.estimator_[0].get_feature_names_out()
    assert (names == inside.estimator_[0].get_feature_names_out()).all()
    assert "towns__town_Zug" in names
    assert (outside.predict(frame) == outside.estimator_.predict(frame)).all()
    groups = frame["floor"][TRAIN].to_numpy() == 2
    found = outside.group_influence(*test, groups=groups[None])
    expected = inside.group_influence(*test, groups=groups[None])
    assert_allclose(found, expected, rtol=rtol, atol=atol * np.abs(expected).max())


def test_categories_against_refits():
    frame, y = table(), SIGNAL
    pipeline = mixed(Ridge(2.0), handle_unknown="ignore")
    loo = LeaveOneOutInfluence(pipeline).fit(*lazy(frame.iloc[TRAIN], y[TRAIN]))
    test = frame.iloc[TEST], y[TEST]
    influence = loo.influence(*test).compute()
    for row in (4, 30, 77):  # the last is the only row of its town
        expected = refitted(pipeline, frame, y, [row], test, squared)
        assert_allclose(influence[:, row], expected, rtol=1e-9, atol=1e-11)


def test_categories_that_a_single_row_decides_are_refused():
    frame, y = table(), SIGNAL
    given = lazy(frame.iloc[TRAIN], y[TRAIN])
    with pytest.raises(TypeError, match=r"one row of category 'Zug'.*handle_unknown"):
        LeaveOneOutInfluence(mixed(Ridge())).fit(*given)
    InfluenceFunctions(mixed(Ridge())).fit(*given)  # holds the encoder fixed
    given = lazy(table(rare=False).iloc[TRAIN], y[TRAIN])
    loo = LeaveOneOutInfluence(mixed(Ridge())).fit(*given)
    groups = (frame["floor"][TRAIN] == 2).to_numpy()[None]
    with pytest.raises(TypeError, match=r"Without group 0 the step.*__towns"):
        loo.group_influence(frame.iloc[TEST], y[TEST], groups=groups)


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (make_pipeline(MinMaxScaler(), Ridge()), "'minmaxscaler', a MinMaxScaler"),
        (mixed(Ridge(), min_frequency=2), "min_frequency=2"),
        (mixed(Ridge(), max_categories=2), "max_categories=2"),
        (mixed(Ridge(), drop=["Ulm", 1]), "drop="),
        (
            make_pipeline(StandardScaler(), Ridge(fit_intercept=False)),
            "without an intercept behind a StandardScaler",
        ),
        (
            make_pipeline(StandardScaler(), FunctionTransformer(np.tanh), Ridge()),
            "Put it before the scaler",
        ),
    ],
    ids=["other scaler", "rare", "many", "drop", "no intercept", "order"],
)
def test_pipelines_that_are_refused(pipeline, message):
    with pytest.raises(TypeError, match=message):
        LeaveOneOutInfluence(pipeline).fit(blocks(X[TRAIN]), blocks(SIGNAL[TRAIN]))


def test_several_classes_behind_an_encoder_or_steps_that_are_held_fixed():
    frame = table(rare=False)
    model = LogisticRegression(C=0.5, tol=1e-8, max_iter=10_000)
    y, columns = Y["three"], [("towns", OneHotEncoder(), ["town"])]
    steps = ColumnTransformer(columns, remainder="passthrough")
    test = frame.iloc[TEST], y[TEST]
    for method in (
        LeaveOneOutInfluence(make_pipeline(steps, model)),
        InfluenceFunctions(mixed(model)),
    ):
        inside = clone(method).fit(frame.iloc[TRAIN], y[TRAIN])
        outside = clone(method).fit(*lazy(frame.iloc[TRAIN], y[TRAIN]))
        expected = inside.influence(*test)
        found = outside.influence(*test).compute()
        assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_weights_of_steps_are_refused():
    pipeline = make_pipeline(StandardScaler(), Ridge())
    with pytest.raises(TypeError, match="standardscaler__sample_weight"):
        LeaveOneOutInfluence(pipeline).fit(
            blocks(X[TRAIN]),
            blocks(SIGNAL[TRAIN]),
            standardscaler__sample_weight=blocks(WEIGHT),
        )


def test_bad_partitions_are_named():
    rows = X[TRAIN].copy()
    rows[35, 2] = np.inf
    pipeline = make_pipeline(StandardScaler(), Ridge())
    with pytest.raises(ValueError, match="partition 2, row 4 of it"):
        LeaveOneOutInfluence(pipeline).fit(blocks(rows), blocks(SIGNAL[TRAIN]))
    frame = table().astype({"c": object})
    frame.loc[35, "c"] = "much"
    columns = [("numbers", StandardScaler(), ["a", "b", "c"])]
    pipeline = make_pipeline(ColumnTransformer(columns), Ridge())
    with pytest.raises(
        ValueError, match="numbers' must hold numbers.*partition 2: .*much"
    ):
        LeaveOneOutInfluence(pipeline).fit(*lazy(frame.iloc[TRAIN], SIGNAL[TRAIN]))
