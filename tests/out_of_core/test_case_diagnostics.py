"""Case diagnostics of dask collections against statsmodels and arrays in memory."""

from functools import partial

import dask.array as da
import numpy as np
import pytest
import tables_in_blocks
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skinfluence import case_diagnostics

N, CHUNKS = 70, (30, 1, 20, 19)
RNG = np.random.default_rng(3)
X = RNG.gamma(3.0, size=(N, 3)) * [1.0, 10.0, 0.1]
SIGNAL = X @ [0.4, 0.03, 2.0] + RNG.normal(size=N)
Y = {
    "number": SIGNAL,
    "two numbers": np.column_stack([SIGNAL, SIGNAL**2]),
    "positive": np.exp(0.3 * SIGNAL),
    "two": np.where(SIGNAL > np.median(SIGNAL), "yes", "no"),
}
TIGHT = {"tol": 1e-10, "max_iter": 10_000}
MODELS = {
    "least squares": (LinearRegression(), "number"),
    "no intercept": (Ridge(3.0, fit_intercept=False), "number"),
    "two outputs": (Ridge(0.1), "two numbers"),
    "classifier": (RidgeClassifier(), "two"),
    "logistic": (LogisticRegression(C=0.5, **TIGHT), "two"),
    "Poisson": (PoissonRegressor(alpha=0.1, **TIGHT), "positive"),
    "Gamma": (GammaRegressor(alpha=0.3, **TIGHT), "positive"),
}
WEIGHT = RNG.uniform(0.2, 3.0, size=N)
WEIGHT[5] = 0.0


pytestmark = pytest.mark.usefixtures("one_thread")


blocks = partial(tables_in_blocks.blocks, chunks=CHUNKS)


def compare(found, expected, rtol=1e-9):
    """Compare everything but tables."""
    assert list(found) == list(expected)
    for key in set(expected) - {"frame"}:
        size = np.abs(expected[key]).max()
        assert_allclose(np.asarray(found[key]), expected[key], rtol, rtol * size, key)


@pytest.mark.parametrize("step", ["exact", "one_step"])
@pytest.mark.parametrize("name", MODELS)
def test_against_memory(name, step):
    model, target = MODELS[name]
    y = Y[target]
    fitted = clone(model).fit(X, y)
    expected = case_diagnostics(fitted, X, y, step=step)
    found = case_diagnostics(fitted, blocks(X), blocks(y), step=step)
    approximate = step == "exact" and name in ("logistic", "Poisson", "Gamma")
    compare(found, expected, 2e-7 if approximate else 1e-9)
    assert isinstance(found.dfbetas, da.Array)
    assert found.dfbetas.chunks[0] == CHUNKS


@pytest.mark.parametrize("name", ["least squares", "two outputs", "logistic"])
def test_sample_weights(name):
    model, target = MODELS[name]
    y = Y[target]
    fitted = clone(model).fit(X, y, WEIGHT)
    expected = case_diagnostics(fitted, X, y, sample_weight=WEIGHT, step="one_step")
    given = blocks(X), blocks(y)
    found = case_diagnostics(
        fitted, *given, sample_weight=blocks(WEIGHT), step="one_step"
    )
    compare(found, expected)


@pytest.mark.parametrize("class_weight", [{"yes": 3.0}, "balanced"], ids=str)
@pytest.mark.parametrize("step", ["exact", "one_step"])
def test_class_weights(class_weight, step):
    y = Y["two"].copy()
    y[:10] = "no"
    for model in (
        RidgeClassifier(class_weight=class_weight),
        LogisticRegression(class_weight=class_weight, **TIGHT),
    ):
        fitted = model.fit(X, y)
        expected = case_diagnostics(fitted, X, y, step=step)
        found = case_diagnostics(fitted, blocks(X), blocks(y), step=step)
        compare(found, expected, 2e-7)


def test_against_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    fitted = LinearRegression().fit(X, SIGNAL)
    found = case_diagnostics(fitted, blocks(X), blocks(SIGNAL))
    theirs = sm.OLS(SIGNAL, sm.add_constant(X)).fit().get_influence()
    assert_allclose(found.leverage, theirs.hat_matrix_diag, rtol=1e-10)
    assert_allclose(found.cooks_distance, theirs.cooks_distance[0], rtol=1e-9)
    external = theirs.resid_studentized_external
    assert_allclose(found.resid_studentized_external, external, rtol=1e-9)
    order = [1, 2, 3, 0]  # the constant is last here
    assert_allclose(found.dfbetas.compute(), theirs.dfbetas[:, order], rtol=1e-8)
    assert_allclose(found.cov_ratio, theirs.cov_ratio, rtol=1e-9)


def test_logistic_against_refits():
    model = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-13)
    fitted = clone(model).fit(X, Y["two"])
    found = case_diagnostics(fitted, blocks(X), blocks(Y["two"])).dfbeta.compute()
    for row in (3, 30, 69):
        kept = np.arange(N) != row
        other = clone(model).fit(X[kept], Y["two"][kept])
        move = np.append(
            fitted.coef_ - other.coef_, fitted.intercept_ - other.intercept_
        )
        assert_allclose(found[row], move, rtol=0, atol=1e-7)


def test_row_that_makes_up_nearly_all_squares():
    """Sums without the row are sums of the other rows, not differences."""
    y = X @ [0.4, 0.03, 2.0] + 1e-4 * RNG.normal(size=N)
    y[33] += 1e3
    fitted = LinearRegression().fit(X, y)
    found = case_diagnostics(fitted, blocks(X), blocks(y))
    kept = np.arange(N) != 33
    left = y[kept] - clone(fitted).fit(X[kept], y[kept]).predict(X[kept])
    scale = left @ left / (N - 1 - 4)
    own = (y - fitted.predict(X))[33]
    expected = own / np.sqrt(scale * (1 - found.leverage[33]))
    assert_allclose(found.resid_studentized_external[33], expected, rtol=1e-6)
    compare(found, case_diagnostics(fitted, X, y), 1e-6)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # dask of pandas
def test_table_beside_the_rows(tmp_path):
    """It has the index and the partitions of X, and is written to Parquet with it."""
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    pytest.importorskip("pyarrow")
    index = [f"row {i:03}" for i in range(N)]
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=index)
    starts = np.concatenate([[0], np.cumsum(CHUNKS)])
    parts = [frame.iloc[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    table = dd.concat([dd.from_pandas(part, npartitions=1) for part in parts])
    steps = StandardScaler(), PolynomialFeatures(2, include_bias=False)
    fitted = make_pipeline(*steps, Ridge(0.3)).fit(frame, SIGNAL)
    found = case_diagnostics(fitted, table, blocks(SIGNAL))
    expected = case_diagnostics(fitted, frame, SIGNAL)
    compare(found, expected, 1e-8)
    found.frame.to_parquet(tmp_path / "diagnostics")
    written = dd.read_parquet(tmp_path / "diagnostics")
    assert written.npartitions == table.npartitions
    pd.testing.assert_frame_equal(
        written.compute(), expected.frame, check_index_type=False, rtol=1e-8
    )


def test_other_rows_are_noticed():
    fitted = LinearRegression().fit(X, SIGNAL)
    with pytest.warns(ConvergenceWarning, match="not at the optimum") as seen:
        case_diagnostics(fitted, blocks(X), blocks(SIGNAL + X[:, 0]))
    assert seen[0].filename == __file__
    with pytest.raises(ValueError, match="3 features"):
        case_diagnostics(fitted, blocks(X[:, :2]), blocks(SIGNAL))
    fitted = RidgeClassifier().fit(X, Y["two"])
    y = np.where(Y["two"] == "no", "maybe", "yes")
    with pytest.raises(ValueError, match=r"classes.*\['maybe'\]"):
        case_diagnostics(fitted, blocks(X), blocks(y))


def test_long_passes_are_announced(monkeypatch):
    monkeypatch.setattr("skinfluence.out_of_core._single_rows.LONG", 0)
    model, y = LogisticRegression(**TIGHT), Y["two"]
    with pytest.warns(UserWarning, match="step='one_step'") as seen:
        case_diagnostics(model.fit(X, y), blocks(X), blocks(y))
    assert seen[0].filename == __file__


def test_refused():
    given = blocks(X), blocks(SIGNAL)
    fitted = Ridge().fit(X, SIGNAL)
    with pytest.raises(ValueError, match="'groups' parameter must be None"):
        case_diagnostics(fitted, *given, groups=np.arange(N))
    rows = X.copy()
    rows[:, 2] = 0.0
    rows[17, 2] = 1.0
    fitted = LinearRegression().fit(rows, SIGNAL)
    with pytest.raises(TypeError, match=r"by a single row \(the first .*: \[17\]"):
        case_diagnostics(fitted, blocks(rows), given[1])
    y = np.digitize(SIGNAL, [1.0, 2.0])
    fitted = LogisticRegression(max_iter=1000).fit(X, y)
    with pytest.raises(TypeError, match="classes|linear predictors"):
        case_diagnostics(fitted, given[0], blocks(y))
