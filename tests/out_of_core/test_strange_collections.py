"""Collections as users have them: dtypes, unknown sizes, odd blocks and indices."""

from functools import partial

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import tables_in_blocks
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skinfluence import KNNShapley, LeaveOneOutInfluence

pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")
N, CHUNKS, NAMES = 70, (30, 1, 20, 19), list("abc")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
SIGNAL = X @ [1.0, -0.5, 0.3] + RNG.normal(size=N)
LABELS = (SIGNAL > 0).astype(int)
ROWS, Y = RNG.normal(size=(5, 3)), RNG.normal(size=5)
WEIGHT = RNG.uniform(0.1, 2.0, size=N)


pytestmark = pytest.mark.usefixtures("one_thread")


blocks = partial(tables_in_blocks.blocks, chunks=CHUNKS)


def frame(index=None, **columns):
    return pd.DataFrame(X, columns=NAMES, index=index).assign(**columns)


def compare(given, rows, targets, test=(ROWS, Y), model=None, **weights):
    """Compare with the same rows in memory."""
    method = LeaveOneOutInfluence(model or Ridge(), tol=1e-10)
    found = method.fit(*given, **weights).influence(*test).compute()
    inside = {name: np.asarray(weight) for name, weight in weights.items()}
    expected = method.fit(rows, targets, **inside).influence(*test)
    assert_allclose(found, expected, rtol=0, atol=1e-10)


DTYPES = {
    "integers": np.rint(5 * X).astype(np.int32),
    "small integers": np.rint(5 * np.abs(X)).astype(np.uint8),
    "booleans": X > 0,
    "half": X.astype(np.float16),
    "single": X.astype(np.float32),
}


@pytest.mark.parametrize("name", DTYPES)
def test_numbers_of_other_types(name):
    rows = DTYPES[name]
    compare((blocks(rows), blocks(SIGNAL)), rows, SIGNAL)
    test = ROWS, (Y > 0).astype(int)
    model = LogisticRegression()
    compare((blocks(rows), blocks(LABELS)), rows, LABELS, test, model)


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, np.ma.asarray, sp.csr_array, sp.csc_matrix, sp.coo_matrix],
)
def test_blocks_of_other_kinds(change):
    compare((blocks(X).map_blocks(change), blocks(SIGNAL)), X, SIGNAL)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.int8])
def test_labels_of_other_types(dtype):
    y, test = LABELS.astype(dtype), (ROWS, (Y > 0).astype(dtype))
    compare((blocks(X), blocks(y)), X, y, test, LogisticRegression())
    compare((blocks(X), blocks(y)), X, y, (ROWS, Y), Ridge())


def test_numbers_of_rows_that_are_not_known():
    lazy = dd.from_pandas(frame(y=SIGNAL), npartitions=3)
    compare((lazy[NAMES].values, lazy["y"].values), X, SIGNAL)
    compare((lazy[NAMES].values, blocks(SIGNAL)), X, SIGNAL)
    few, kept = lazy[lazy.a > 0.1], X[:, 0] > 0.1
    test = pd.DataFrame(ROWS, columns=NAMES), Y
    compare((few[NAMES], few["y"]), frame()[kept], SIGNAL[kept], test)
    rows, y = blocks(X), blocks(SIGNAL)
    part = rows[:, 0] > 0.1
    compare((rows[part], y[part]), X[kept], SIGNAL[kept])


@pytest.mark.parametrize(
    "index", [np.arange(N) // 3, RNG.permutation(N)], ids=["repeated", "unsorted"]
)
def test_rows_belong_together_by_their_order(index):
    """Not by their index."""
    lazy = dd.from_pandas(frame(index, y=SIGNAL), npartitions=3, sort=False)
    test = pd.DataFrame(ROWS, columns=NAMES), Y
    compare((lazy[NAMES], lazy["y"]), frame(), SIGNAL, test)
    weight = pd.Series(WEIGHT)
    for given in (weight, WEIGHT, list(WEIGHT), dd.from_pandas(weight, npartitions=2)):
        pair = lazy[NAMES], lazy[["y"]]
        compare(pair, frame(), SIGNAL, test, sample_weight=given)


def test_an_empty_partition_and_classes_of_the_last_one():
    empty, full = (dd.from_pandas(f, npartitions=1) for f in (frame()[:0], frame()))
    test = pd.DataFrame(ROWS, columns=NAMES), Y
    compare((dd.concat([empty, full]), blocks(SIGNAL)), frame(), SIGNAL, test)
    y = np.where(np.arange(N) > 55, 2 + LABELS, LABELS)
    test = ROWS, np.array([0, 1, 2, 3, 0])
    compare((blocks(X), blocks(y)), X, y, test, RidgeClassifier())
    model = LogisticRegression(max_iter=1000)
    compare((blocks(X), blocks(y)), X, y, test, model)


def test_tables_and_test_rows_that_are_computed():
    compare((blocks(X).persist(), blocks(SIGNAL).persist()), X, SIGNAL)
    loo = LeaveOneOutInfluence(Ridge()).fit(blocks(X), blocks(SIGNAL))
    expected = loo.sample_values(ROWS, Y, sample_weight=np.arange(5))
    lazy = [da.from_array(values, chunks=2) for values in (ROWS, Y, np.arange(5))]
    found = loo.sample_values(*lazy[:2], sample_weight=lazy[2])
    assert_allclose(found, expected, rtol=1e-14)
    rows = pd.DataFrame(ROWS, columns=NAMES)
    rows, y = (dd.from_pandas(v, npartitions=2) for v in (rows, pd.Series(Y)))
    loo.fit(dd.from_pandas(frame(), npartitions=2), blocks(SIGNAL))
    assert_allclose(loo.sample_values(rows, y, sample_weight=lazy[2]), expected)
    assert_allclose(loo.influence(rows, y).mean(axis=0), loo.sample_values(rows, y))


TOWNS = np.array(["Bonn", "Ulm", "Jena"])[np.arange(N) % 3]
TOWNS[:30], TOWNS[50:] = "Ulm", "Bonn"
COLUMNS = make_column_transformer(
    (StandardScaler(), NAMES), (OneHotEncoder(handle_unknown="ignore"), ["town"])
)


@pytest.mark.parametrize("dtype", ["string[pyarrow]", "string[python]", "category"])
def test_texts_and_categories(dtype):
    table = frame(town=TOWNS)
    test = pd.DataFrame(ROWS, columns=NAMES).assign(town=TOWNS[28:33]), Y
    lazy = dd.from_pandas(table.astype({"town": dtype}), npartitions=3)
    model = make_pipeline(COLUMNS, Ridge())
    compare((lazy, blocks(SIGNAL)), table, SIGNAL, test, model)


def test_categories_that_differ_from_partition_to_partition():
    table = frame(town=TOWNS)
    lazy = dd.from_pandas(table, npartitions=3).map_partitions(
        lambda part: part.astype({"town": "category"}),
        meta=table[:0].astype({"town": "category"}),
    )
    test = pd.DataFrame(ROWS, columns=NAMES).assign(town=TOWNS[28:33]), Y
    model = make_pipeline(COLUMNS, Ridge())
    compare((lazy, blocks(SIGNAL)), table, SIGNAL, test, model)


@pytest.mark.parametrize(("row", "part"), [(41, "partition 1"), (2, "the first rows")])
def test_missing_texts_are_named(row, part):
    table = frame(town=np.where(np.arange(N) == row, None, TOWNS))
    lazy = dd.from_pandas(table.astype({"town": "string"}), npartitions=2)
    with pytest.raises(ValueError, match=rf"{part}: .*NA.*fillna"):
        LeaveOneOutInfluence(make_pipeline(COLUMNS, Ridge())).fit(lazy, blocks(SIGNAL))


def masked(values):
    return da.ma.masked_where(blocks(values) > 1.5, blocks(values))


@pytest.mark.parametrize(
    ("X", "y", "weight", "message"),
    [
        (masked(X), SIGNAL, None, "X must not hold masked values.*partition"),
        (X, masked(SIGNAL), None, "y must not hold masked values.*partition"),
        (X, SIGNAL, masked(WEIGHT), "sample_weight must not hold masked values"),
        (X + 0j, SIGNAL, None, "partition.*complex numbers"),
        (X[:, 0], SIGNAL, None, r"two dimensions.*shape \(70,\)"),
        (X[:, :, None], SIGNAL, None, "two dimensions"),
        (X, X[:, :, None], None, r"y must have a number per row, or several"),
        (X, SIGNAL, WEIGHT[:, None], r"sample_weight must have a number per row\. "),
        (X, SIGNAL, 2.0, r"sample_weight.*shape \(\)"),
        (dask.delayed(X), SIGNAL, None, "Got a Delayed"),
        (dd.from_pandas(frame(), npartitions=2)["a"], SIGNAL, None, "to_frame"),
    ],
)
@pytest.mark.parametrize(
    "model", [Ridge(), make_pipeline(StandardScaler(), Ridge())], ids=["", "pipeline"]
)
def test_refused(X, y, weight, message, model):
    X, y = (blocks(v) if isinstance(v, np.ndarray) else v for v in (X, y))
    params = {}
    if weight is not None:
        name = "sample_weight" if isinstance(model, Ridge) else "ridge__sample_weight"
        params = {name: weight}
    if "complex" in message and not isinstance(model, Ridge):
        message = "[Cc]omplex"  # in scikit-learn's words
    with pytest.raises((TypeError, ValueError), match=message):
        LeaveOneOutInfluence(model).fit(X, y, **params)


def test_no_rows_and_several_labels():
    none = da.from_array(X[:0], chunks=(0, 3)), da.from_array(SIGNAL[:0], chunks=0)
    with pytest.raises(ValueError, match=r"must have rows\. Got none"):
        LeaveOneOutInfluence(Ridge()).fit(*none)
    labels = blocks(np.column_stack([LABELS, LABELS]))
    with pytest.raises(ValueError, match=r"one class label per row\. Got 2"):
        LeaveOneOutInfluence(LogisticRegression()).fit(blocks(X), labels)
    with pytest.raises(ValueError, match="masked"):
        KNNShapley().fit(masked(X), blocks(LABELS))
