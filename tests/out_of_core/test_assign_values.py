"""Values beside the rows of a dask dataframe."""

import dask.array as da
import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier

from skinfluence import LeaveOneOutInfluence, assign_values

pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(30, 3)), columns=["a", "b", "y"]).assign(
    name=[f"row {i}" for i in range(30)]
)
FRAME.index = [f"r{i:02}" for i in range(30)]
PARTS = [FRAME.iloc[:9], FRAME.iloc[9:9], FRAME.iloc[9:10], FRAME.iloc[10:]]


def table():
    import dask

    return dd.from_delayed([dask.delayed(part) for part in PARTS])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # dask of pandas
def test_written_to_parquet(tmp_path):
    """With uneven, empty and one-row partitions, each of which stays one."""
    pytest.importorskip("pyarrow")
    rows = table()
    loo = LeaveOneOutInfluence(Ridge()).fit(rows[["a", "b"]], rows["y"])
    test = FRAME[["a", "b"]][:4], FRAME["y"][:4]
    values = loo.sample_values(*test)
    found = assign_values(rows, value=values, first=loo.influence(*test)[0])
    assert [len(part.compute()) for part in found.partitions] == [9, 0, 1, 20]
    found.to_parquet(tmp_path / "values")
    written = dd.read_parquet(tmp_path / "values").compute()
    first = loo.influence(*test)[0].compute()
    expected = FRAME.assign(value=values, first=first)
    pd.testing.assert_frame_equal(
        written, expected, check_dtype=False, check_index_type=False
    )


def test_only_sizes_are_computed():
    lazy = da.from_array(np.arange(30.0), chunks=7).map_blocks(
        lambda block: 1 / 0, dtype=float, meta=np.empty(0)
    )
    found = assign_values(table(), value=lazy)
    with pytest.raises(ZeroDivisionError):
        found.compute()


def test_bad_input():
    with pytest.raises(TypeError, match="must be a dask dataframe. Got DataFrame"):
        assign_values(FRAME, value=np.arange(30))
    with pytest.raises(ValueError, match=r"'value' parameter.*\(30,\).*\(29,\)"):
        assign_values(table(), value=np.arange(29))


def test_parquet_of_small_parts_keeps_its_partitions(tmp_path):
    """dask merges parts where few columns are read, and counting rows reads none."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 6)), columns=list("abcdef"))
    for k in range(12):
        frame[10 * k : 10 * k + 10].to_parquet(tmp_path / f"part.{k}.parquet")
    rows = dd.read_parquet(tmp_path)
    loo = LeaveOneOutInfluence(Ridge()).fit(rows[["a", "b"]], rows["f"])
    inside = LeaveOneOutInfluence(Ridge()).fit(frame[["a", "b"]], frame["f"])
    test = frame[["a", "b"]][:7], frame["f"][:7]
    values = loo.sample_values(*test)
    np.testing.assert_allclose(values, inside.sample_values(*test), atol=1e-12)
    beside = assign_values(rows[["a"]], value=values).compute()
    np.testing.assert_array_equal(beside["value"], values)
    np.testing.assert_array_equal(beside["a"], frame["a"])


def test_targets_in_memory_may_be_texts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.where(X[:, 0] > 0, "yes", "no").astype(object)
    blocks = da.from_array(X, chunks=(25, 3))
    loo = LeaveOneOutInfluence(RidgeClassifier()).fit(blocks, y)
    inside = LeaveOneOutInfluence(RidgeClassifier()).fit(X, y)
    expected = inside.sample_values(X[:9], y[:9])
    np.testing.assert_allclose(loo.sample_values(X[:9], y[:9]), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", ["boolean", "Int64"])
def test_targets_of_nullable_types(dtype):
    rows = pd.DataFrame(
        np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc")
    )
    y = pd.Series(rows["a"] > 0, dtype=dtype)
    given = dd.from_pandas(rows, npartitions=3), dd.from_pandas(y, npartitions=3)
    loo = LeaveOneOutInfluence(RidgeClassifier()).fit(*given)
    inside = LeaveOneOutInfluence(RidgeClassifier()).fit(rows, y)
    found, expected = (m.sample_values(rows[:9], y[:9]) for m in (loo, inside))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    beside = assign_values(given[0], value=given[0]["a"]).compute()
    np.testing.assert_array_equal(beside["value"], rows["a"])
    y[35] = pd.NA
    given = given[0], dd.from_pandas(y, npartitions=3)
    with pytest.raises(ValueError, match="partition 1"):
        LeaveOneOutInfluence(RidgeClassifier()).fit(*given)
