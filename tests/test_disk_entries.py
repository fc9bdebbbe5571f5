"""The parameter ``memory``: damaged entries, full disks, folders that are none."""

import errno
import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import pytest
import sklearn
from hanging import HANGING
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

import skinfluence
from skinfluence import (
    DownsamplingInfluence,
    InfluenceCleaner,
    InfluenceSampler,
    LeaveOneOutInfluence,
    ShapleyInfluence,
    TracIn,
    _disk_entries,
)
from skinfluence._disk_entries import Entries, open_entries, versions

X, Y = (part[:24] for part in load_diabetes(return_X_y=True))


class Logged(RegressorMixin, BaseEstimator):
    """Ridge regression that leaves a line in a file at every fit."""

    def __init__(self, log=None):
        self.log = log

    def fit(self, X, y):
        with open(self.log, "a") as log:
            log.write(f"{len(X)}\n")
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def run(tmp_path, memory=None, **options):
    """Fit; return the influences, and how many models were trained on 23 rows."""
    log = tmp_path / "fits"
    log.write_text("")
    memory = tmp_path / "kept" if memory is None else memory
    loo = LeaveOneOutInfluence(Logged(log), memory=memory, **options).fit(X, Y)
    return loo.influence(X[:3], Y[:3]), log.read_text().split().count("23")


def entries(tmp_path):
    return sorted((tmp_path / "kept").rglob("output.pkl"))


# ----------------------------------------------------------------- damaged entries

DAMAGES = {
    "flipped": lambda sealed, other: sealed[:-9] + b"?" + sealed[-8:],
    "flipped digest": lambda sealed, other: bytes([sealed[0] ^ 1]) + sealed[1:],
    "truncated": lambda sealed, other: sealed[: len(sealed) // 2],
    "less than a digest": lambda sealed, other: sealed[:20],
    "empty": lambda sealed, other: b"",
    "longer": lambda sealed, other: sealed + b"\0",
    "a pickle of something": lambda sealed, other: pickle.dumps({"a": 1}),
    "another entry": lambda sealed, other: other,
}


@pytest.mark.parametrize(
    ("damage", "n_jobs"), [*((damage, 1) for damage in DAMAGES), ("flipped", 2)]
)
def test_damaged_entries_are_computed_again_with_one_warning(
    tmp_path, damage, n_jobs, caplog
):
    first, count = run(tmp_path)
    assert count == 24
    paths = entries(tmp_path)
    assert len(paths) == 24
    before = [path.read_bytes() for path in paths]
    for i in (3, 7, 20):
        paths[i].write_bytes(DAMAGES[damage](before[i], before[i + 1]))
    with pytest.warns() as caught:
        again, count = run(tmp_path, n_jobs=n_jobs)
    assert count == 3
    assert_array_equal(again, first)
    (message,) = [str(w.message) for w in caught]
    assert message == (
        f"memory={str(tmp_path / 'kept')!r}: Damaged entries were found and are "
        "computed again."
    )
    assert caplog.text == ""  # nor does a log show data
    assert [path.read_bytes() for path in paths] == before
    assert run(tmp_path)[1] == 0


def test_damaged_entries_are_not_unpickled(tmp_path):
    run(tmp_path)
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    path = entries(tmp_path)[0]
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.warns(match="Damaged"):
        run(tmp_path)
    assert not trap.exists()


def test_a_folder_in_the_place_of_an_entry(tmp_path):
    first, _ = run(tmp_path)
    path = entries(tmp_path)[0]
    path.unlink()
    path.mkdir()
    with pytest.warns() as caught:
        again, count = run(tmp_path)
    assert count == 1
    assert_array_equal(again, first)
    assert len(caught) == 2  # damaged, and not to be written


def test_damaged_values_of_the_cleaner(tmp_path):
    def values(kind=InfluenceCleaner):
        return kind(Ridge(), memory=tmp_path, random_state=0).fit(X, Y).sample_values_

    first = values()
    (path,) = tmp_path.rglob("output.pkl")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(match=r"memory=.*Damaged entries") as caught:
        assert_array_equal(values(), first)
    assert len(caught) == 1
    path.write_bytes(b"")
    with pytest.warns(match=r"memory=.*Damaged entries"):
        assert_array_equal(values(InfluenceSampler), first)


# ------------------------------------------------------------------ sound entries


def test_an_entry_that_does_not_unpickle_any_more(tmp_path):
    kept = Entries(tmp_path)
    kept.write("key", Vanishing())
    assert kept.read("key")[0]
    globals()["Vanished"] = globals().pop("Vanishing")
    try:
        assert kept.read("key") == (False, None)
    finally:
        globals()["Vanishing"] = globals().pop("Vanished")
    with pytest.warns(match="Damaged"):
        kept.tell()


class Vanishing:
    """A class whose name will mean nothing."""


def test_results_that_cannot_be_pickled_are_not_kept(tmp_path):
    kept = Entries(tmp_path)
    kept.write("key", lambda: 0)
    assert kept.read("key") == (False, None)
    with pytest.warns(match="pickle cannot write"):
        kept.tell()
    assert not list(tmp_path.rglob("*.pkl"))


@pytest.mark.parametrize("library", ["skinfluence", "sklearn", "numpy", "scipy"])
def test_another_version_of_a_library_computes_again(tmp_path, library, monkeypatch):
    assert run(tmp_path)[1] == 24
    monkeypatch.setattr(sys.modules[library], "__version__", "another")
    assert run(tmp_path)[1] == 24
    monkeypatch.undo()
    assert run(tmp_path)[1] == 0


def test_versions_are_those_of_the_libraries_in_use():
    assert dict(versions(Ridge())).keys() == {
        "skinfluence",
        "sklearn",
        "numpy",
        "scipy",
    }
    torch, skorch = pytest.importorskip("torch"), pytest.importorskip("skorch")
    net = skorch.NeuralNetRegressor(type("Mine", (torch.nn.Linear,), {}))
    assert {"torch", "skorch"} <= dict(versions(Ridge(), net)).keys()


def test_a_cleaner_of_another_version_values_again(tmp_path, monkeypatch):
    cleaner = InfluenceCleaner(Ridge(), memory=tmp_path, random_state=0)
    cleaner.fit(X, Y)
    monkeypatch.setattr(sklearn, "__version__", "another")
    cleaner.fit(X, Y)
    assert len(list(tmp_path.rglob("output.pkl"))) == 2


def test_memories_of_joblib(tmp_path):
    memory = joblib.Memory(tmp_path / "kept", verbose=0)
    assert run(tmp_path, memory)[1] == 24
    assert run(tmp_path, memory)[1] == 0
    memory.reduce_size(items_limit=20)
    assert run(tmp_path, memory)[1] == 4
    memory.clear(warn=False)
    assert run(tmp_path, memory)[1] == 24
    assert open_entries(joblib.Memory(None)) is None
    assert run(tmp_path, joblib.Memory(None, verbose=0))[1] == 24


class OwnMemory:
    """Has the interface of joblib's, and is none."""

    def __init__(self, folder):
        self.folder = folder

    def cache(self, function, ignore=None):
        return joblib.Memory(self.folder, verbose=0).cache(function, ignore=ignore)


def test_other_memories(tmp_path):
    first, count = run(tmp_path, OwnMemory(tmp_path / "own"))
    assert count == 24
    again, count = run(tmp_path, OwnMemory(tmp_path / "own"), n_jobs=2)
    assert count == 0
    assert_array_equal(first, again)


SCRIPT = """
import sys
import numpy as np
from pathlib import Path
from skinfluence._disk_entries import Entries
kept, other = Entries(Path(sys.argv[1])), int(sys.argv[2])
for i in range(100):
    found, result = kept.read("key")
    assert not found or (result == result[0]).all(), result
    kept.write("key", np.full(20_000, i + other))
assert not kept.problems, kept.problems
"""


def test_two_processes_that_write_the_same(tmp_path):
    package = Path(skinfluence.__file__).parents[1]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path, str(other)],
            env={"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
        )
        for other in (0, 1000)
    ]
    assert [process.wait(HANGING) for process in runs] == [0, 0]
    assert [path.name for path in (tmp_path / "skinfluence/key").iterdir()] == [
        "output.pkl"
    ]


# -------------------------------------------------------------- disks and folders


@pytest.fixture
def full_disk(monkeypatch):
    """Every file that entries are written to has no room."""
    make = tempfile.mkstemp

    def full(*args, **kwargs):
        handle, name = make(*args, **kwargs)
        os.close(handle)
        return os.open("/dev/full", os.O_WRONLY), name

    monkeypatch.setattr(_disk_entries.tempfile, "mkstemp", full)


needs_dev_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs Linux's device /dev/full"
)


@needs_dev_full
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_full_disk_is_one_warning(tmp_path, full_disk, n_jobs):
    with pytest.warns() as caught, joblib.parallel_config("threading"):
        influence, count = run(tmp_path, n_jobs=n_jobs)
    (message,) = [str(w.message) for w in caught]
    assert re.fullmatch(
        r"memory=.*: Results could not be written and are not kept \(No space left on "
        r"device\): the run continues without them\.",
        message,
    )
    assert count == 24
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".part"] == []
    truth = LeaveOneOutInfluence(Ridge(), solver="refit").fit(X, Y)
    assert_array_equal(influence, truth.influence(X[:3], Y[:3]))


@needs_dev_full
def test_a_cleaner_on_a_full_disk(tmp_path, full_disk):
    cleaner = InfluenceCleaner(Ridge(), memory=tmp_path, random_state=0)
    with pytest.warns(match="No space left on device") as caught:
        cleaner.fit(X, Y)
    assert len(caught) == 1
    assert_array_equal(
        cleaner.sample_values_, cleaner.set_params(memory=None).fit(X, Y).sample_values_
    )


@pytest.mark.parametrize(
    "influence",
    [
        LeaveOneOutInfluence,
        DownsamplingInfluence,
        ShapleyInfluence,
        TracIn,
        InfluenceCleaner,
    ],
)
@pytest.mark.parametrize("kind", ["a file", "below a file", "read-only"])
def test_paths_that_are_no_folders_are_refused_before_training(
    tmp_path, influence, kind, monkeypatch
):
    memory = tmp_path / "there"
    if kind == "read-only":
        # By a patch, since the superuser may write to every folder.
        def denied(*args, **kwargs):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(_disk_entries.tempfile, "TemporaryFile", denied)
    else:
        memory.write_text("")
        memory = memory / "below" if kind == "below a file" else memory
    log = tmp_path / "fits"
    estimator = influence(Logged(log), memory=str(memory))
    with pytest.raises(ValueError, match=r"'memory' parameter.*folder that can be"):
        estimator.fit(X, Y)
    assert not log.exists()


def test_a_disk_that_is_full_from_the_start_is_no_error(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_disk_entries.tempfile, "TemporaryFile", full)
    monkeypatch.setattr(_disk_entries.tempfile, "mkstemp", full)
    with pytest.warns(match="No space left on device"):
        assert run(tmp_path)[1] == 24


# ------------------------------------------------------------------- documentation


@pytest.mark.parametrize(
    "name", [name for name in skinfluence.__all__ if name[0].isupper()]
)
def test_every_memory_parameter_documents_its_format(name):
    kind = getattr(skinfluence, name)
    text = " ".join((kind.__doc__ or "").split())
    documented = re.search(r" memory : .*? [a-z_]+ : ", text)
    if not documented:
        assert "memory" not in getattr(kind, "_parameter_constraints", {})
        return
    pickles = "The entries are pickles: name no folder that others can write to."
    numbers = re.search(r"numbers are read( from it)? and no pickled code", text)
    assert pickles in documented[0] or numbers
