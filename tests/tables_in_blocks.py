"""Tables in uneven blocks, for Pipelines on dask collections."""

import dask.array as da
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

N, CHUNKS = 90, (30, 1, 40, 19)
RNG = np.random.default_rng(0)
X = RNG.gamma(3.0, size=(N + 8, 3)) * [1.0, 10.0, 0.1]
SIGNAL = X @ [0.4, 0.03, 2.0] + RNG.normal(size=len(X))
TRAIN, TEST = slice(0, N), slice(N, None)
Y = {
    "number": SIGNAL,
    "two numbers": np.column_stack([SIGNAL, SIGNAL**2]),
    "positive": np.exp(0.3 * SIGNAL),
    "two": np.where(SIGNAL > np.median(SIGNAL), "yes", "no"),
    "three": np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6])),
}
WEIGHT = RNG.uniform(0.2, 3.0, size=N)
WEIGHT[5] = 0.0


def blocks(values, chunks=CHUNKS):
    """Return a dask array of these blocks of rows."""
    shape = (chunks, *((n,) for n in values.shape[1:]))
    return da.from_array(values, chunks=shape)


def table(rare=True):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(1)
    town = rng.choice(["Ulm", "Bonn", "Aachen"], size=len(X)).astype(object)
    town[TEST] = "Bonn"
    if rare:
        town[77] = "Zug"
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    return frame.assign(town=town, floor=rng.integers(0, 4, len(X)))


def mixed(model, **encoder):
    columns = [
        ("numbers", StandardScaler(), make_column_selector(dtype_include=float)),
        ("towns", OneHotEncoder(**encoder), ["town", "floor"]),
    ]
    return make_pipeline(ColumnTransformer(columns), model)


def lazy(frame, y):
    """Return a dask dataframe of uneven partitions, one of them a single row."""
    dd = pytest.importorskip("dask.dataframe")
    chunks = (*CHUNKS[:-1], len(y) - sum(CHUNKS[:-1]))
    starts = np.concatenate([[0], np.cumsum(chunks)])
    parts = [frame.iloc[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    from dask import delayed

    return dd.from_delayed([delayed(part) for part in parts]), blocks(y, chunks)
