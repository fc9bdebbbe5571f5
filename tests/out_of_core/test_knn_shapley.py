"""Shapley values of neighbours in blocks against those of the same rows in memory."""

from functools import partial

import dask.array as da
import numpy as np
import pytest
import sklearn
import tables_in_blocks
from numpy.testing import assert_allclose

from skinfluence import KNNShapley

N, CHUNKS = 80, (30, 1, 30, 19)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N + 12, 3))
SIGNAL = X @ [1.0, -0.5, 0.3] + 0.3 * RNG.normal(size=len(X))
LABELS = np.array(["a", "b", "c"])[np.digitize(SIGNAL, [-0.5, 0.5])]
TRAIN, TEST = slice(0, N), slice(N, None)


pytestmark = pytest.mark.usefixtures("one_thread")


blocks = partial(tables_in_blocks.blocks, chunks=CHUNKS)


def pair(y, **params):
    inside = KNNShapley(**params).fit(X[TRAIN], y[TRAIN])
    outside = KNNShapley(**params).fit(blocks(X[TRAIN]), blocks(y[TRAIN]))
    return outside, inside, (X[TEST], y[TEST])


@pytest.mark.parametrize(
    ("y", "params"),
    [
        (LABELS, {}),
        (LABELS, {"utility": "hard", "semivalue": "banzhaf", "metric": "manhattan"}),
        (LABELS, {"n_neighbors": 100}),
        (SIGNAL, {"utility": "squared_error", "n_neighbors": 3, "p": 3}),
        (np.column_stack([SIGNAL, SIGNAL**2]), {"utility": "squared_error"}),
    ],
    ids=["soft", "hard", "all rows", "regression", "two outputs"],
)
def test_against_memory(y, params):
    outside, inside, test = pair(y, **params)
    found, expected = outside.influence(*test), inside.influence(*test)
    assert isinstance(found, da.Array)
    assert_allclose(found.compute(), expected, rtol=0, atol=1e-13)
    values = outside.sample_values(*test)
    assert_allclose(values, inside.sample_values(*test), rtol=0, atol=1e-13)
    own = inside.self_influence()
    assert_allclose(outside.self_influence(), own, rtol=0, atol=1e-13)
    groups = np.arange(N) % 3
    found = outside.group_influence(*test, groups=groups)
    expected = inside.group_influence(*test, groups=groups)
    assert_allclose(found, expected, rtol=0, atol=1e-13)
    largest, rows = outside.influential_rows(*test, n_rows=3)
    matrix = inside.influence(*test)
    assert_allclose(np.take_along_axis(matrix, rows, 1), largest, rtol=0, atol=1e-13)
    if params.get("n_neighbors", 5) <= N:
        assert (outside.predict(X[TEST]) == inside.predict(X[TEST])).all()
        assert outside.score(*test) == pytest.approx(inside.score(*test))


def test_predictions_are_explained():
    outside, inside, (rows, _) = pair(SIGNAL, utility="squared_error")
    expected = inside.influence(rows)
    assert_allclose(outside.influence(rows).compute(), expected, rtol=0, atol=1e-13)
    outside, inside, _ = pair(LABELS)
    probabilities = outside.predict_proba(rows)
    assert_allclose(probabilities, inside.predict_proba(rows), rtol=0, atol=1e-15)


def test_memory_bounds_the_test_rows_of_a_pass(monkeypatch):
    from skinfluence.out_of_core import _neighbors

    outside, inside, test = pair(LABELS)
    whole, sizes = _neighbors.block_distances, []

    def counted(block, X, params):
        sizes.append(len(X))
        return whole(block, X, params)

    monkeypatch.setattr(_neighbors, "block_distances", counted)
    with sklearn.config_context(working_memory=5 * 16 * N / 2**20):
        values = outside.sample_values(*test)
        assert outside.influence(*test).chunks[0] == (5, 5, 2)
    assert_allclose(values, inside.sample_values(*test), rtol=0, atol=1e-13)
    assert sorted(sizes) == [2] * 4 + [5] * 8


def test_equal_distances_are_ranked_in_the_order_of_the_table():
    rows, y = np.zeros((6, 1)), np.array([0, 0, 1, 1, 0, 1])
    given = da.from_array(rows, chunks=(2, 1)), da.from_array(y, chunks=2)
    knn = KNNShapley(2).fit(*given)
    found = knn.influence([[0.0]], [1]).compute()
    spread = np.arange(6.0)[:, None] * 1e-3
    expected = KNNShapley(2).fit(spread, y).influence([[0.0]], [1])
    assert_allclose(found, expected, rtol=0, atol=1e-15)
    assert knn.predict([[0.0]]).tolist() == [0]


@pytest.mark.filterwarnings("ignore:Dask currently has limited")  # texts
def test_dataframe():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    table = dd.from_pandas(frame[TRAIN].assign(y=LABELS[TRAIN]), npartitions=3)
    outside = KNNShapley().fit(table[["a", "b", "c"]], table["y"])
    inside = KNNShapley().fit(frame[TRAIN], LABELS[TRAIN])
    test = frame[TEST], LABELS[TEST]
    found = outside.sample_values(*test)
    assert_allclose(found, inside.sample_values(*test), rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="feature names should match"):
        outside.influence(frame[TEST][["c", "b", "a"]], LABELS[TEST])


def test_refused():
    given = blocks(X[TRAIN]), blocks(LABELS[TRAIN])
    with pytest.raises(ValueError, match="'seuclidean' needs all rows.*'V'"):
        KNNShapley(metric="seuclidean").fit(*given)
    with pytest.raises(ValueError, match="must not be 'precomputed'"):
        KNNShapley(metric="precomputed").fit(*given)
    knn = KNNShapley(metric="seuclidean", metric_params={"V": np.ones(3)}).fit(*given)
    expected = KNNShapley().fit(X[TRAIN], LABELS[TRAIN])
    test = X[TEST], LABELS[TEST]
    values = knn.sample_values(*test)
    assert_allclose(values, expected.sample_values(*test), rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="classes seen during fit"):
        knn.influence(X[TEST], np.full(12, "z"))
    bad = X[TRAIN].copy()
    bad[31, 0] = np.nan
    with pytest.raises(ValueError, match="partition 2, row 0"):
        KNNShapley().fit(blocks(bad), given[1])
