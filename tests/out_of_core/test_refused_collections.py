"""A collection of dask is refused before any of it is computed."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skinfluence import (
    LeaveOneOutInfluence,
    PartitionClassifier,
    PredictionCertificate,
    ShapleyInfluence,
    TargetDetector,
    audit_table,
    find_flip_set,
)
from skinfluence.metrics import removal_curve

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


def lazy(values):
    """Return a dask array of blocks that must not be computed."""
    da = pytest.importorskip("dask.array")

    def computed(block):
        raise AssertionError("a block was computed")

    blocks = da.from_array(values, chunks=5)
    return blocks.map_blocks(computed, dtype=values.dtype, meta=values[:0])


MODEL = LogisticRegression()
TAKERS = {
    "certificate": lambda X, y: PredictionCertificate(MODEL).fit(X, y),
    "partitions": lambda X, y: PartitionClassifier(MODEL).fit(X, y),
    "detector": lambda X, y: TargetDetector(LeaveOneOutInfluence(MODEL)).fit(X, y),
    "removal curve": lambda X, y: removal_curve(MODEL, np.arange(20), X, y, X, y),
    "audit": audit_table,
}


@pytest.mark.parametrize("name", ["X", "y"])
@pytest.mark.parametrize("taker", TAKERS)
def test_arrays_are_refused_before_a_block_is_computed(taker, name):
    table = {"X": X, "y": Y}
    table[name] = lazy(table[name])
    with pytest.raises(TypeError, match=rf"expects {name} in memory.*{name}.compute"):
        TAKERS[taker](**table)


@pytest.mark.parametrize("method", [ShapleyInfluence(MODEL)])
def test_methods_without_blocks(method):
    with pytest.raises(TypeError, match="does not take dask collections"):
        method.fit(lazy(X), lazy(Y))


def test_sets_need_rows_in_memory():
    da = pytest.importorskip("dask.array")
    given = da.from_array(X, chunks=5), da.from_array(Y, chunks=5)
    loo = LeaveOneOutInfluence(MODEL).fit(*given)
    with pytest.raises(TypeError, match="fitted to rows in memory"):
        find_flip_set(loo, X[:1])


def test_dataframes_are_refused():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b"]), npartitions=2)
    with pytest.raises(TypeError, match="expects X in memory, got a DataFrame of dask"):
        PartitionClassifier(LogisticRegression()).fit(frame, Y)
