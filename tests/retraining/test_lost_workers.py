"""Results belong to their tasks: after lost workers, late workers and Ctrl-C."""

import threading
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack

import joblib
import numpy as np
import pytest
from hanging import HANGING
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge

from skinfluence._losses import SquaredError
from skinfluence.retraining.engine import _coalitions
from skinfluence.retraining.engine._coalitions import TRIES, Coalitions
from skinfluence.retraining.engine._evaluation import Evaluation

N_TASKS = 30
rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
SUBSETS = [np.arange(k + 2) for k in range(N_TASKS)]  # of k + 2 rows: tells which
EXPECTED = np.array([(Ridge().fit(X[s], y[s]).predict(X) - y) ** 2 for s in SUBSETS])


class Hooked(RegressorMixin, BaseEstimator):
    """Ridge regression that tells the number of its task before it is fitted."""

    hook = staticmethod(lambda task: None)

    def fit(self, X, y):
        Hooked.hook(len(X) - 2)
        self.model_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.fixture(params=[None, "threading"])
def backend(request):
    """In this thread, or in two others: the hook is called in both."""
    if request.param is None:
        yield
    else:
        with joblib.parallel_config(request.param, n_jobs=2):
            yield


@pytest.fixture(autouse=True)
def _rounds_that_double(monkeypatch):
    monkeypatch.setattr(_coalitions, "ROUND_SECONDS", np.inf)


class Done:
    """Counts progress, as callbacks of an estimator do."""

    def __init__(self):
        self.count = 0

    def begin(self, what, n_tasks):
        pass

    def advance(self, n_tasks):
        self.count += n_tasks

    def end(self):
        pass


def losses(deadline=None, **options):
    coalitions = Coalitions(Hooked(), X, y, {}, seed=0, **options)
    evaluation = Evaluation(X, y[:, None], SquaredError(), None)
    return coalitions.losses(SUBSETS, range(N_TASKS), evaluation, deadline)


# ------------------------------------------------------------------------ lost workers


def test_results_left_over_from_a_broken_call_are_not_used(monkeypatch):
    # Two threads, a third round of tasks 6 to 13, of which joblib hands out four. When
    # 9 is finished it takes two more from the list: it hands out 12 and keeps 13.
    # Then 7 loses its worker, while the other worker is held up until all is over.
    kept, lost, over = threading.Event(), threading.Event(), threading.Event()

    def hook(task):
        if lost.is_set():
            return
        if task == 10:
            kept.set()
            assert over.wait(HANGING)
        if task == 7:
            assert kept.wait(HANGING)
            lost.set()
            raise BrokenExecutor("lost")

    monkeypatch.setattr(Hooked, "hook", hook)
    with ExitStack() as stack:
        stack.callback(over.set)
        stack.enter_context(joblib.parallel_config("threading", n_jobs=2))
        with pytest.warns(RuntimeWarning, match="Workers were lost"):
            assert_allclose(losses(), EXPECTED, rtol=1e-12)


@pytest.mark.parametrize("task", [0, 1, 5, N_TASKS - 1])
def test_workers_may_be_lost_in_every_round(task, monkeypatch, backend):
    calls = []

    def hook(fitted):
        if fitted == task:
            calls.append(task)
            if len(calls) < TRIES:
                raise BrokenExecutor("lost")

    monkeypatch.setattr(Hooked, "hook", hook)
    done = Done()
    with pytest.warns(RuntimeWarning, match="Workers were lost") as record:
        # A worker that is lost is not a fit that failed.
        out = losses(error_score=np.nan, callbacks=done)
    # A thread of an earlier try may fail after its round was given up, unheard.
    assert 0 < len(record) < TRIES
    assert_allclose(out, EXPECTED, rtol=1e-12)
    assert done.count == N_TASKS


def test_workers_that_are_always_lost_are_an_error(monkeypatch, backend):
    calls = []

    def hook(task):
        if task == 3:
            calls.append(task)
            raise BrokenExecutor("lost")

    monkeypatch.setattr(Hooked, "hook", hook)
    with pytest.warns(RuntimeWarning), pytest.raises(BrokenExecutor, match="lost"):
        losses()
    assert len(calls) == TRIES


@pytest.mark.parametrize(
    "mix",
    [
        lambda answers: [answers[-1], *answers],
        lambda answers: [answers[-1], *answers[:-1]],
        lambda answers: answers[:-1],
    ],
    ids=["more", "another order", "less"],
)
def test_a_backend_that_mixes_results_up_is_refused(mix, monkeypatch):
    class Mixing(_coalitions.Parallel):
        def __call__(self, iterable):
            return mix(super().__call__(iterable))

    monkeypatch.setattr(_coalitions, "Parallel", Mixing)
    with pytest.raises(
        RuntimeError, match=r"given tasks \d+ to \d+ and returned \d+ res"
    ):
        losses()


# ------------------------------------------------------------------------ late workers


class WorkersAhead:
    """A deadline that has passed for some tasks and not for those behind them.

    Parameters
    ----------
    late : list of int
        The workers that ask, in the order of time, to whom it has passed.
    for_all : bool
        Whether it has then passed for who hands out tasks as well.
    """

    def __init__(self, late, for_all):
        self.late, self.for_all = set(late), for_all
        self.asked, self.over, self.lock = 0, False, threading.Lock()

    def passed(self):
        with self.lock:
            if threading.current_thread() is threading.main_thread():
                return self.over and self.for_all
            self.asked += 1
            self.over |= self.asked in self.late
            return self.asked in self.late


@pytest.mark.parametrize("late", [[1], [4], [5, 6, 8], [15, 17, 30, 33]])
def test_missing_entries_are_computed_without_moving_the_others(
    late, tmp_path, monkeypatch, capsys
):
    fits, done = [], Done()
    monkeypatch.setattr(Hooked, "hook", fits.append)
    with joblib.parallel_config("threading", n_jobs=2):
        out = losses(
            WorkersAhead(late, False), memory=tmp_path, callbacks=done, verbose=1
        )
    assert_allclose(out, EXPECTED, rtol=1e-12)
    assert sorted(fits) == list(range(N_TASKS))  # what followed a gap is on disk
    assert done.count == N_TASKS
    assert f"{N_TASKS}/{N_TASKS} retrainings" in capsys.readouterr().out


@pytest.mark.parametrize("late", [1, 4, 8, 20])
def test_time_that_ends_in_a_round_leaves_the_first_results(late, monkeypatch):
    fits, done = [], Done()
    monkeypatch.setattr(Hooked, "hook", fits.append)
    with joblib.parallel_config("threading", n_jobs=2):
        out = losses(WorkersAhead([late], True), callbacks=done)
    assert len(out) <= late
    assert len(out) not in fits
    assert_allclose(out, EXPECTED[: len(out)], rtol=1e-12)
    assert done.count == len(out)


def test_no_try_follows_the_deadline(monkeypatch):
    deadline = WorkersAhead([], True)

    def hook(task):
        if task == 5:
            deadline.over = True
            raise BrokenExecutor("lost")

    monkeypatch.setattr(Hooked, "hook", hook)
    with joblib.parallel_config("threading", n_jobs=2):
        with pytest.warns(RuntimeWarning, match="Workers were lost"):
            assert_allclose(losses(deadline), EXPECTED[:2], rtol=1e-12)


# ----------------------------------------------------------------------------- Ctrl-C


def test_an_interrupt_keeps_finished_models(tmp_path, monkeypatch, backend):
    def interrupt(task):
        if task == 11:
            raise KeyboardInterrupt

    monkeypatch.setattr(Hooked, "hook", interrupt)
    with pytest.raises(KeyboardInterrupt):
        losses(memory=tmp_path, error_score=np.nan)
    again = []
    monkeypatch.setattr(Hooked, "hook", again.append)
    assert_allclose(losses(memory=tmp_path), EXPECTED, rtol=1e-12)
    # Of the round of tasks 6 to 13 the other thread may not have finished some.
    alone = joblib.effective_n_jobs(None) == 1
    finished = range(11) if alone else range(6)
    assert 11 in again
    assert not set(again) & set(finished)
