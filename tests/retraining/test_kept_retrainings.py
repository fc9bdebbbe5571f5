"""Retrainings that are kept on disk: runs that were killed go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sklearn
from checks.coalition_tasks import evaluation, subsets_of
from hanging import HANGING
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge

import skinfluence
from skinfluence.retraining.engine._coalitions import Coalitions


class Counting(RegressorMixin, BaseEstimator):
    """Ridge regression that leaves a line in a file at every fit.

    After four lines it waits, as long as there is a file ``hold``.
    """

    def __init__(self, log=None, hold=None):
        self.log = log
        self.hold = hold

    def fit(self, X, y):
        while self.hold and os.path.exists(self.hold) and fits(Path(self.log)) >= 4:
            time.sleep(0.01)
        with open(self.log, "a") as log:
            log.write(f"{len(X)}\n")
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


def fits(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def run_counting(tmp_path, table, count=12, **options):
    X, y = table
    coalitions = Coalitions(
        Counting(tmp_path / "fits"), X, y, {}, seed=0, memory=tmp_path / "m", **options
    )
    return coalitions.losses(subsets_of(40)[:count], range(count), evaluation(X, y))


def test_a_larger_budget_reuses_the_smaller_one(tmp_path, table):
    few = run_counting(tmp_path, table, 5)
    assert fits(tmp_path / "fits") == 5
    many = run_counting(tmp_path, table, 12, n_jobs=2)
    assert fits(tmp_path / "fits") == 12
    assert_array_equal(many[:5], few)
    assert_array_equal(run_counting(tmp_path, table), many)
    assert fits(tmp_path / "fits") == 12
    # Other data, another estimator, other rows to evaluate: other retrainings.
    X, y = table
    run_counting(tmp_path, (X, y + 1))
    assert fits(tmp_path / "fits") == 24


def test_another_scikit_learn_trains_again(tmp_path, table, monkeypatch):
    run_counting(tmp_path, table, 2)
    monkeypatch.setattr(sklearn, "__version__", "another")
    run_counting(tmp_path, table, 2)
    assert fits(tmp_path / "fits") == 4


def test_objects_without_a_name_on_disk_are_refused_before_training(tmp_path, table):
    X, y = table
    log = tmp_path / "fits"
    counting = Counting(log)
    counting.hold = lambda: 0
    with pytest.raises(ValueError, match=r"(?s)'memory' parameter.*lambda"):
        Coalitions(counting, X, y, {}, seed=0, memory=tmp_path)
    coalitions = Coalitions(Counting(log), X, y, {}, seed=0, memory=tmp_path)
    with pytest.raises(ValueError, match=r"(?s)'memory' parameter.*lambda"):
        coalitions.losses([np.arange(9)], [0], lambda model: np.zeros(1))
    assert fits(log) == 0


# A shell's background jobs, and what they start, ignore SIGINT unless told otherwise.
SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = {path!r}
from sklearn.datasets import load_diabetes
from test_kept_retrainings import *
X, y = load_diabetes(return_X_y=True)
X, y = X[:40], y[:40]
coalitions = Coalitions(
    Counting({log!r}, {hold!r}), X, y, {{}}, seed=0, memory={memory!r}, n_jobs={n_jobs}
)
losses = coalitions.losses(subsets_of(40), range(12), evaluation(X, y))
np.save({losses!r}, losses)
"""


@pytest.mark.parametrize(
    ("how", "n_jobs"),
    [
        (signal.SIGKILL, 1),
        pytest.param(signal.SIGKILL, 2, marks=pytest.mark.slow),
        (signal.SIGINT, 1),
        pytest.param(signal.SIGINT, 2, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes(tmp_path, table, how, n_jobs):
    X, y = table
    log, memory, losses = tmp_path / "fits", tmp_path / "m", tmp_path / "losses.npy"
    hold = tmp_path / "hold"
    package = Path(skinfluence.__file__).parents[1]
    command = SCRIPT.format(
        path=[*map(str, Path(__file__).parents[:2]), str(package)],
        log=str(log),
        hold=str(hold),
        memory=str(memory),
        losses=str(losses),
        n_jobs=n_jobs,
    )
    run = [sys.executable, "-c", command]
    hold.touch()
    process = subprocess.Popen(run, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + HANGING
    while fits(log) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, how)
    process.wait(HANGING)
    hold.unlink()
    started = fits(log)
    finished = len(list(memory.rglob("output.pkl")))
    assert 4 <= started < 12
    assert finished >= started - n_jobs - 1  # but what was being trained or written
    subprocess.run(run, check=True, timeout=HANGING)
    assert fits(log) - started == 12 - finished
    expected = [(Ridge().fit(X[s], y[s]).predict(X) - y) ** 2 for s in subsets_of(40)]
    np.testing.assert_allclose(np.load(losses), expected, rtol=1e-12)
