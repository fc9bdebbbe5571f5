"""Exact answers in several threads equal those of one."""

import warnings
from threading import Barrier, Event
from time import sleep

import numpy as np
import pytest
from hanging import HANGING
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.parallel import delayed

from skinfluence import KNNShapley, LeaveOneOutInfluence
from skinfluence._threads import Parallel, in_threads, n_threads, worker_threads
from skinfluence.cleaning.surprise._scorer import score_rows

METHODS = [
    LeaveOneOutInfluence(LogisticRegression()),
    LeaveOneOutInfluence(LogisticRegression()),  # of three classes
    LeaveOneOutInfluence(Ridge()),
    LeaveOneOutInfluence(GaussianNB()),
    LeaveOneOutInfluence(KNeighborsClassifier()),
    KNNShapley(),
]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_threads_give_equal_results(method, monkeypatch):
    monkeypatch.setattr("skinfluence._threads.cpu_count", lambda: 3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 4))
    y = np.searchsorted([-1, 1], X[:, 0] + rng.normal(size=700))
    if method is METHODS[0]:
        y = (y == 1).astype(int)
    data, test = (X[:600], y[:600]), (X[600:], y[600:])
    one = method.fit(*data)
    expected = [
        one.influence(*test),
        one.sample_values(*test),
        one.self_influence(),
        one.influential_rows(*test)[0],
        one.group_influence(*test, groups=np.arange(600) % 40),
    ]
    for n_jobs, context in [(3, 1), (None, 3)]:
        with parallel_config(n_jobs=context):
            several = type(method)(**method.get_params(deep=False))
            several.set_params(n_jobs=n_jobs).fit(*data)
            assert several._n_threads == 3
            found = [
                several.influence(*test),
                several.sample_values(*test),
                several.self_influence(),
                several.influential_rows(*test)[0],
                several.group_influence(*test, groups=np.arange(600) % 40),
            ]
        for a, b in zip(found, expected, strict=True):
            assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_parts_are_worked_on_at_once_and_keep_their_order(monkeypatch):
    monkeypatch.setattr("skinfluence._threads.cpu_count", lambda: 3)
    meeting = Barrier(3, timeout=HANGING)  # breaks unless three threads come

    def part(i):
        meeting.wait()
        return i

    with worker_threads(3):
        assert list(in_threads(part, list(range(9)))) == list(range(9))
    assert list(in_threads(lambda i: -i, [1, 2])) == [-1, -2]
    with parallel_config("loky", n_jobs=2):
        assert n_threads(None) == 2
    assert n_threads(1000) == 3


def test_the_fixed_scorer_gives_equal_values_in_threads():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    y = (X[:, 0] > 0) ^ (X[:, 1] > 0.5) ^ (X[:, 2] > 0)
    halves = [(np.arange(0, 1000, 2), np.arange(1, 1000, 2))]
    one = score_rows(X, y, True, halves)
    assert one.plain is not None
    with worker_threads(2):
        several = score_rows(X, y, True, halves)
    assert_array_equal(several.values, one.values)


def test_an_error_in_a_thread_is_raised():
    def fails(part):
        raise RuntimeError(f"part {part}")

    with worker_threads(2), pytest.raises(RuntimeError, match="part"):
        list(in_threads(fails, [0, 1, 2]))


@pytest.mark.parametrize("run", ["parts", "tasks"])
def test_overlapping_threads_leave_the_filters_of_warnings_alone(run, monkeypatch):
    monkeypatch.setattr("skinfluence._threads.cpu_count", lambda: 3)
    entered, second, left = Event(), Event(), Event()

    def task(k):
        if k == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                entered.set()
                assert second.wait(HANGING)
        elif k == 1:  # so that the next one is given to the other thread
            assert entered.wait(HANGING)
        elif k == 2:
            second.set()
            assert left.wait(HANGING)
            sleep(0.05)  # ends last
        else:
            left.set()  # by the thread that has left the filters of 0

    before = warnings.filters[:]
    with worker_threads(2):
        if run == "parts":
            list(in_threads(task, range(4)))
        else:
            Parallel()(delayed(task)(k) for k in range(4))
    assert warnings.filters == before
