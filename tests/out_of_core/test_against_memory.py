"""Removals from dask collections against those of the same rows in memory."""

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

N, CHUNKS = 120, (40, 1, 60, 19)
RNG = np.random.default_rng(0)
X = RNG.gamma(3.0, size=(N + 9, 4)) * [1.0, 1.0, 10.0, 0.1]
SIGNAL = X @ [0.4, -0.5, 0.03, 2.0] + RNG.normal(size=len(X))
TRAIN, TEST = slice(0, N), slice(N, None)
TARGETS = {
    "number": SIGNAL,
    "two numbers": np.column_stack([SIGNAL, SIGNAL**2]),
    "positive": np.exp(0.3 * SIGNAL),
    "two": np.where(SIGNAL > np.median(SIGNAL), "yes", "no"),
    "three": np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6])),
}
QUADRATIC = {
    "least squares": (LinearRegression(), "number"),
    "no intercept": (LinearRegression(fit_intercept=False), "number"),
    "ridge": (Ridge(3.0), "number"),
    "two outputs": (Ridge(0.1), "two numbers"),
    "ridge classifier": (RidgeClassifier(), "two"),
    "three classes": (RidgeClassifier(0.5), "three"),
}
SMOOTH = {
    "logistic": (LogisticRegression(C=0.5), "two"),
    "logistic, no penalty": (LogisticRegression(C=np.inf), "two"),
    "logistic, no intercept": (LogisticRegression(fit_intercept=False), "two"),
    "Poisson": (PoissonRegressor(alpha=0.1), "positive"),
    "Gamma": (GammaRegressor(alpha=0.1), "positive"),
    "Tweedie": (TweedieRegressor(power=1.5, alpha=0.01), "positive"),
}
MULTINOMIAL = {
    "multinomial": (LogisticRegression(C=0.5, max_iter=1000), "three"),
    "multinomial, no penalty": (LogisticRegression(C=np.inf, max_iter=10_000), "three"),
    "multinomial, no intercept": (LogisticRegression(fit_intercept=False), "three"),
    "multinomial, balanced": (
        LogisticRegression(class_weight="balanced", max_iter=1000),
        "three",
    ),
}
UNEVEN = {"yes": 2.0, "no": 0.3}
CLASS_WEIGHTS = {
    "logistic, weights": (LogisticRegression(class_weight=UNEVEN), "two"),
    "logistic, balanced": (LogisticRegression(class_weight="balanced"), "two"),
    "ridge, weights": (RidgeClassifier(class_weight={0: 0.2, 2: 3.0}), "three"),
    "ridge, balanced": (RidgeClassifier(class_weight="balanced"), "three"),
}
ALL = {**QUADRATIC, **SMOOTH, **CLASS_WEIGHTS, **MULTINOMIAL}
WEIGHT = RNG.uniform(0.2, 3.0, size=N)


def blocks(values, chunks=CHUNKS):
    """Return a dask array of these blocks of rows."""
    shape = (chunks, *((n,) for n in values.shape[1:]))
    return da.from_array(values, chunks=shape)


def pair(method, name, weight=None, X_blocks=None, **params):
    """Fit to collections and in memory."""
    model, target = ALL[name]
    y = TARGETS[target]
    params_of_fit = {} if weight is None else {"sample_weight": weight}
    inside = method(model, **params).fit(X[TRAIN], y[TRAIN], **params_of_fit)
    if weight is not None:
        params_of_fit = {"sample_weight": blocks(weight)}
    given = blocks(X[TRAIN]) if X_blocks is None else X_blocks
    outside = method(model, **params).fit(given, blocks(y[TRAIN]), **params_of_fit)
    return outside, inside, (X[TEST], y[TEST])


def compare(outside, inside, test, rtol=1e-9, atol=1e-9):
    """Compare everything that is asked about single rows."""
    expected = inside.influence(*test)
    found = outside.influence(*test)
    assert isinstance(found, da.Array)
    scale = atol * max(1.0, np.abs(expected).max())
    assert_allclose(found.compute(), expected, rtol=rtol, atol=scale)
    values = outside.sample_values(*test)
    assert_allclose(values, inside.sample_values(*test), rtol=rtol, atol=scale)
    own = inside.self_influence()
    size = atol * max(1.0, np.abs(own).max())
    assert_allclose(outside.self_influence(), own, rtol=rtol, atol=size)
    largest, rows = outside.influential_rows(*test, n_rows=3)
    theirs, _ = inside.influential_rows(*test, n_rows=3)
    assert_allclose(np.abs(largest), np.abs(theirs), rtol=rtol, atol=scale)
    assert_allclose(np.take_along_axis(expected, rows, 1), largest, rtol, scale)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("name", QUADRATIC)
def test_quadratic_leave_one_out(name, weighted):
    weight = WEIGHT if weighted else None
    compare(*pair(LeaveOneOutInfluence, name, weight), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", {**SMOOTH, **MULTINOMIAL})
def test_smooth_leave_one_out(name):
    """Both are within 1e-10 of the minimisers in the linear predictor."""
    outside, inside, test = pair(LeaveOneOutInfluence, name, tol=1e-10)
    compare(outside, inside, test, rtol=1e-6, atol=1e-8)
    assert len(outside.polished_rows_) > 0


@pytest.mark.parametrize("name", ["logistic", "Poisson", "Tweedie", "multinomial"])
def test_sample_weights_of_smooth_losses(name):
    """A row takes its share of the penalty of a mean loss with it."""
    fitted = pair(LeaveOneOutInfluence, name, WEIGHT, tol=1e-10)
    compare(*fitted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_class_weights(name):
    """Balanced ones change with every removal."""
    outside, inside, test = pair(LeaveOneOutInfluence, name, tol=1e-10)
    compare(outside, inside, test, rtol=1e-6, atol=1e-8)
    groups = np.arange(N) % 3
    found = outside.group_influence(*test, groups=groups)
    expected = inside.group_influence(*test, groups=groups)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_balanced_classes_of_counted_rows_take_sample_weights():
    fitted = pair(LeaveOneOutInfluence, "ridge, balanced", WEIGHT)
    compare(*fitted, rtol=1e-8, atol=1e-10)


def test_balanced_classes_of_weighed_rows_need_equal_weights():
    model, given = ALL["logistic, balanced"][0], (X[TRAIN], TARGETS["two"][TRAIN])
    given, weight = tuple(map(blocks, given)), blocks(WEIGHT)
    with pytest.raises(TypeError, match="needs equal sample weights"):
        LeaveOneOutInfluence(model).fit(*given, sample_weight=weight)
    with pytest.raises(TypeError, match="no first-order step"):
        InfluenceFunctions(model).fit(*given)
    compare(*pair(InfluenceFunctions, "logistic, balanced", step="newton"))


def test_a_row_that_outweighs_all_others():
    """Without it the penalty is not a difference."""
    weight = WEIGHT.copy()
    weight[5] = 1e9
    fitted = pair(LeaveOneOutInfluence, "Poisson", weight, tol=1e-9)
    outside, inside, test = fitted
    found, expected = outside.influence(*test).compute(), inside.influence(*test)
    assert_allclose(found[:, 5], expected[:, 5], rtol=1e-6)


def test_groups_of_unequal_weights():
    outside, inside, test = pair(LeaveOneOutInfluence, "Gamma", WEIGHT)
    groups = np.arange(N) % 7
    found = outside.group_influence(*test, groups=groups)
    expected = inside.group_influence(*test, groups=groups)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("step", ["infinitesimal", "newton"])
@pytest.mark.parametrize("name", ["ridge", "two outputs", "logistic", "multinomial"])
def test_influence_functions(name, step):
    compare(*pair(InfluenceFunctions, name, WEIGHT, step=step), rtol=1e-8)


@pytest.mark.parametrize("name", ["Poisson", "Gamma"])
def test_influence_functions_of_mean_losses(name):
    compare(*pair(InfluenceFunctions, name, WEIGHT), rtol=1e-7)


@pytest.mark.parametrize(
    "name", ["ridge", "three classes", "logistic", "Poisson", "multinomial"]
)
def test_groups(name):
    outside, inside, test = pair(LeaveOneOutInfluence, name)
    groups = np.arange(N) % 7
    found = outside.group_influence(*test, groups=groups)
    expected = inside.group_influence(*test, groups=groups)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    outside, inside, test = pair(InfluenceFunctions, name)
    found = outside.group_influence(*test, groups=groups)
    expected = inside.group_influence(*test, groups=groups)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_sparse_blocks():
    sparse = blocks(X[TRAIN]).map_blocks(sp.csr_matrix)
    compare(*pair(LeaveOneOutInfluence, "ridge", X_blocks=sparse), atol=1e-10)


def test_dataframe():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    names = ["a", "b", "c", "d"]
    frame = pd.DataFrame(X[TRAIN], columns=names).astype({"a": "float32"})
    table = dd.from_pandas(frame.assign(y=SIGNAL[TRAIN]), npartitions=3)
    loo = LeaveOneOutInfluence(Ridge()).fit(table[names], table["y"])
    inside = LeaveOneOutInfluence(Ridge()).fit(frame, SIGNAL[TRAIN])
    rows = pd.DataFrame(X[TEST], columns=names)
    test = rows, SIGNAL[TEST]
    assert_allclose(loo.influence(*test).compute(), inside.influence(*test), atol=1e-10)
    assert loo.estimator_.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names should match"):
        loo.influence(rows[names[::-1]], SIGNAL[TEST])


def test_estimator_is_scikit_learns_at_the_optimum():
    outside, inside, test = pair(LeaveOneOutInfluence, "logistic")
    tight = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000)
    tight.fit(X[TRAIN], TARGETS["two"][TRAIN])
    assert_allclose(outside.estimator_.coef_, tight.coef_, rtol=1e-5)
    assert_allclose(outside.estimator_.intercept_, tight.intercept_, rtol=1e-4)
    assert (outside.predict(test[0]) == tight.predict(test[0])).all()


def test_row_of_leverage_one_is_refused_by_number():
    rows = X[TRAIN].copy()
    rows[:, 3] = 0.0
    rows[17, 3] = 1.0
    y = blocks(SIGNAL[TRAIN])
    with pytest.raises(TypeError, match=r"single row.*rows: \[17\]"):
        LeaveOneOutInfluence(LinearRegression()).fit(blocks(rows), y)
    loo = LeaveOneOutInfluence(Ridge(1e-3)).fit(blocks(rows), y)
    inside = LeaveOneOutInfluence(Ridge(1e-3)).fit(rows, SIGNAL[TRAIN])
    test = X[TEST], SIGNAL[TEST]
    assert_allclose(
        loo.influence(*test).compute(), inside.influence(*test), rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize(
    ("model", "target", "message"),
    [
        (
            LogisticRegression(solver="liblinear", fit_intercept=False),
            "three",
            "solver='liblinear'|multiclass",  # refused by newer scikit-learn itself
        ),
        (Ridge(positive=True), "number", "positive=True"),
        (Ridge(alpha=np.array([1.0, 50.0])), "two numbers", r"alpha=array\(.*50"),
        (TweedieRegressor(power=3), "positive", "1 <= power <= 2"),
    ],
    ids=["liblinear", "positive", "several alphas", "power"],
)
def test_settings_that_are_refused(model, target, message):
    given = blocks(X[TRAIN]), blocks(TARGETS[target][TRAIN])
    with pytest.raises((TypeError, ValueError), match=message):
        LeaveOneOutInfluence(model).fit(*given)


def test_bad_partitions_are_named():
    rows = X[TRAIN].copy()
    rows[45, 2] = np.nan
    with pytest.raises(ValueError, match="partition 2, row 4 of it"):
        LeaveOneOutInfluence(Ridge()).fit(blocks(rows), blocks(SIGNAL[TRAIN]))


def test_separable_classes_without_penalty_are_refused():
    """The gradient vanishes far out, where there is no minimum either."""
    y = (X[TRAIN, 0] > 3.0).astype(int)
    model = LogisticRegression(C=np.inf)
    with pytest.raises(TypeError, match="no unique finite optimum"):
        LeaveOneOutInfluence(model).fit(blocks(X[TRAIN]), blocks(y))
    least = X[TRAIN, 0].argmin()
    y[least] = 1  # without this row they are separable
    with pytest.raises(TypeError, match=rf"rows: \[{least}\]"):
        LeaveOneOutInfluence(model).fit(blocks(X[TRAIN]), blocks(y))


def test_a_class_needs_two_rows_of_positive_weight():
    y, weight = np.zeros(N, dtype=int), np.ones(N)
    y[[3, 70]], weight[70] = 1, 0.0
    given = blocks(X[TRAIN]), blocks(y)
    with pytest.raises(ValueError, match="Every class needs two rows"):
        LeaveOneOutInfluence(LogisticRegression()).fit(
            *given, sample_weight=blocks(weight)
        )


def test_missing_and_missized_targets():
    y = TARGETS["two"][TRAIN].astype(object)
    y[45] = None
    with pytest.raises(ValueError, match="partition 2"):
        LeaveOneOutInfluence(LogisticRegression()).fit(blocks(X[TRAIN]), blocks(y))
    y = da.from_array(SIGNAL[: N - 1], chunks=40)
    with pytest.raises(ValueError, match="X and y must have as many rows"):
        LeaveOneOutInfluence(Ridge()).fit(blocks(X[TRAIN]), y)


def test_a_killed_run_goes_on(monkeypatch, tmp_path):
    """Partitions that were finished are read from disk, with the same numbers."""
    from skinfluence.out_of_core import _passes

    given = blocks(X[TRAIN]), blocks(TARGETS["two"][TRAIN])
    test = X[TEST], TARGETS["two"][TEST]
    expected = LeaveOneOutInfluence(LogisticRegression()).fit(*given)
    expected = expected.sample_values(*test)
    whole, sizes = _passes.BlockRemovals.mean_influence, []

    def killed(self, *args):
        sizes.append(len(self.block.X))
        if len(sizes) == 3:
            raise KeyboardInterrupt
        return whole(self, *args)

    def fit():
        method = LeaveOneOutInfluence(LogisticRegression(), memory=tmp_path)
        return method.fit(*given)

    monkeypatch.setattr(_passes.BlockRemovals, "mean_influence", killed)
    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(KeyboardInterrupt):
            fit().sample_values(*test)
        done = sizes[:2]  # CHUNKS are all different
        monkeypatch.setattr(
            _passes.BlockRemovals,
            "mean_influence",
            lambda self, *args: sizes.append(len(self.block.X)) or whole(self, *args),
        )
        sizes.clear()
        assert_allclose(fit().sample_values(*test), expected, rtol=0, atol=0)
    assert sorted([*sizes, *done]) == sorted(CHUNKS)


def test_arrays_beside_collections_are_refused():
    with pytest.raises(TypeError, match="'X' parameter must be a dask array"):
        LeaveOneOutInfluence(Ridge()).fit(X[TRAIN], blocks(SIGNAL[TRAIN]))


def test_partitions_without_rows_have_nothing_to_add():
    rows, y = X[TRAIN], SIGNAL[TRAIN]
    given = blocks(rows, (40, 0, 60, 20)), blocks(y, (50, 70, 0))
    loo = LeaveOneOutInfluence(Ridge()).fit(*given)
    inside = LeaveOneOutInfluence(Ridge()).fit(rows, y)
    test = X[TEST], SIGNAL[TEST]
    expected = inside.influence(*test)
    assert_allclose(loo.influence(*test).compute(), expected, atol=1e-10)


@pytest.mark.parametrize("method", [LeaveOneOutInfluence, InfluenceFunctions])
def test_fitted_again_to_arrays(method):
    test = X[TEST], SIGNAL[TEST]
    fitted = method(Ridge()).fit(blocks(X[TRAIN]), blocks(SIGNAL[TRAIN]))
    again = fitted.fit(X[TRAIN], SIGNAL[TRAIN]).influence(*test)
    expected = method(Ridge()).fit(X[TRAIN], SIGNAL[TRAIN]).influence(*test)
    assert isinstance(again, np.ndarray)
    assert_allclose(again, expected, rtol=1e-12)


def test_no_warning_about_the_few_rows_of_the_set_up():
    given = blocks(X[TRAIN]), blocks(SIGNAL[TRAIN])
    least_squares = LeaveOneOutInfluence(LinearRegression()).fit(*given).estimator_
    logistic = LeaveOneOutInfluence(LogisticRegression()).fit(
        given[0], blocks(TARGETS["two"][TRAIN])
    )
    assert not {"rank_", "singular_"} & vars(least_squares).keys()
    assert "n_iter_" not in vars(logistic.estimator_)


class Unread:
    """Fails if it is read."""

    def __call__(self, block):
        raise AssertionError("a block was read")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (LeaveOneOutInfluence(Ridge(), solver="refit"), "solver='refit'"),
        (InfluenceFunctions(Ridge(), hessian="ekfac"), "'hessian' parameter"),
        (InfluenceFunctions(Ridge(), group_order=2), "'group_order' parameter"),
        (InfluenceFunctions(Ridge(), loss=lambda y, p: (y - p) ** 2), "no gradient"),
    ],
    ids=["refit", "hessian", "group order", "loss"],
)
def test_bad_parameters_are_refused_before_a_block_is_read(method, message):
    rows = blocks(X[TRAIN]).map_blocks(Unread(), dtype=float, meta=X[:0])
    with pytest.raises((TypeError, ValueError), match=message):
        method.fit(rows, blocks(SIGNAL[TRAIN]))


def test_long_passes_are_announced(monkeypatch):
    monkeypatch.setattr("skinfluence.out_of_core._single_rows.LONG", 0)
    given = blocks(X[TRAIN]), blocks(TARGETS["two"][TRAIN])
    with pytest.warns(
        UserWarning, match=r"rows? of 120 (is|are) further than tol"
    ) as seen:
        LeaveOneOutInfluence(LogisticRegression()).fit(*given)
    assert seen[0].filename == __file__
