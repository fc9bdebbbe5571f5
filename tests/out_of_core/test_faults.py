"""Bad partitions are named with their numbers; a killed worker changes no number."""

import os
import signal

import dask
import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import KNNShapley, LeaveOneOutInfluence, case_diagnostics

N, SIZES = 60, (20, 0, 1, 39)  # the partition without rows has a number too
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
SIGNAL = X @ [1.0, -0.5, 0.3] + RNG.normal(size=N)
LABELS = (SIGNAL > 0).astype(int)
FITS = {
    "leave-one-out": LeaveOneOutInfluence(Ridge()).fit,
    "pipeline": LeaveOneOutInfluence(make_pipeline(StandardScaler(), Ridge())).fit,
    "neighbours": KNNShapley(utility="squared_error").fit,
    "diagnostics": lambda *given: case_diagnostics(Ridge().fit(X, SIGNAL), *given),
}


def parts(values):
    ends = np.cumsum(SIZES)
    return [values[end - size : end] for size, end in zip(SIZES, ends, strict=True)]


def blocks(values, replaced=None):
    """Return a dask array; ``replaced`` is a partition and what stands there."""

    def read(block, block_id=None):
        here = replaced is not None and block_id[0] == replaced[0]
        return replaced[1] if here else block

    chunks = (SIZES, *((n,) for n in values.shape[1:]))
    lazy = da.from_array(values, chunks=chunks)
    return lazy.map_blocks(read, dtype=values.dtype, meta=values[:0])


@pytest.mark.parametrize("name", FITS)
def test_bad_values_are_named_with_their_partition(name):
    bad = X.copy()
    bad[25, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in partition 3, row 4 of it"):
        FITS[name](blocks(bad), blocks(SIGNAL))
    texts = np.full((1, 3), "much", dtype=object)
    with pytest.raises(ValueError, match="other values? in partition 2: .*much"):
        FITS[name](blocks(X, (2, texts)), blocks(SIGNAL))
    with pytest.raises(ValueError, match="y must hold numbers.*partition 2: .*much"):
        FITS[name](blocks(X), blocks(SIGNAL, (2, texts[:, 0])))
    missing = np.array([np.nan])
    with pytest.raises(ValueError, match="y must hold finite numbers.*partition 2"):
        FITS[name](blocks(X), blocks(SIGNAL, (2, missing)))


def test_labels_of_two_types_are_named():
    given = blocks(X), blocks(LABELS, (2, np.array(["1"])))
    with pytest.raises(ValueError, match="Got 0 in partition 0 and '1' in partition 2"):
        LeaveOneOutInfluence(LogisticRegression()).fit(*given)


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("name", FITS)
def test_other_columns_are_named(name):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frames = [pd.DataFrame(part, columns=["a", "b", "c"]) for part in parts(X)]
    frames[3] = frames[3][["a", "c", "b"]]
    lazy = [dask.delayed(frame) for frame in frames]
    table = dd.from_delayed(lazy, meta=frames[0].iloc[:0], verify_meta=False)
    with pytest.raises(ValueError, match=r"Got \['a', 'c', 'b'\] in partition 3"):
        FITS[name](table, blocks(SIGNAL))


class Fatal:
    """Kills the process that computes a block, once, after some blocks."""

    def __init__(self, folder, after):
        self.folder, self.after = folder, after

    def __call__(self, block):
        with open(self.folder / "calls", "ab") as file:
            file.write(b".")
        done = os.path.getsize(self.folder / "calls")
        if done >= self.after and not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of distributed, about the worker
def test_a_killed_worker_changes_no_number(tmp_path, monkeypatch):
    """It dies in the passes of the exact removal, after those of the fit."""
    distributed = pytest.importorskip("distributed")
    from skinfluence.out_of_core._model import BlockModel

    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    test = X[:5], LABELS[:5]
    expected = LeaveOneOutInfluence(pipeline).fit(X, LABELS)
    chunks = (20, 1, 30, 9)
    y = da.from_array(LABELS, chunks=(chunks,))
    exact = BlockModel.exact

    def counted(self, *args):
        (tmp_path / "fitted").write_text(str(os.path.getsize(tmp_path / "calls")))
        return exact(self, *args)

    def rows(after):
        return da.from_array(X, chunks=(chunks, 3)).map_blocks(
            Fatal(tmp_path, after), dtype=float, meta=X[:0]
        )

    monkeypatch.setattr(BlockModel, "exact", counted)
    with dask.config.set(scheduler="synchronous"):
        LeaveOneOutInfluence(pipeline).fit(rows(np.inf), y)
    in_fit = int((tmp_path / "fitted").read_text())
    (tmp_path / "calls").unlink()
    monkeypatch.undo()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        loo = LeaveOneOutInfluence(pipeline).fit(rows(in_fit + 6), y)
        found = loo.sample_values(*test)
    assert (tmp_path / "killed").exists()
    assert_allclose(found, expected.sample_values(*test), rtol=0, atol=1e-8)
