"""A collection of dask is refused before any of it is computed."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skinfluence import InfluenceCleaner

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


def lazy(values):
    """Return a dask array of blocks that must not be computed."""
    da = pytest.importorskip("dask.array")

    def computed(block):
        raise AssertionError("a block was computed")

    blocks = da.from_array(values, chunks=5)
    return blocks.map_blocks(computed, dtype=values.dtype, meta=values[:0])


@pytest.mark.parametrize("name", ["X", "y"])
def test_arrays_are_refused_before_a_block_is_computed(name):
    table = {"X": X, "y": Y}
    table[name] = lazy(table[name])
    with pytest.raises(TypeError, match=rf"expects {name} in memory.*{name}.compute"):
        InfluenceCleaner(LogisticRegression()).fit(**table)


def test_dataframes_are_refused():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b"]), npartitions=2)
    with pytest.raises(TypeError, match="expects X in memory, got a DataFrame of dask"):
        InfluenceCleaner(LogisticRegression()).fit(frame, Y)
