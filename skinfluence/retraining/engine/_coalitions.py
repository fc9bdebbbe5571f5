"""The retraining engine: subsets of rows in, fitted models or their losses out."""

import pickle
import sys
import warnings
from concurrent.futures import BrokenExecutor, CancelledError
from itertools import takewhile
from numbers import Integral, Real
from time import monotonic

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._disk_entries import (
    UNPICKLABLE,
    entry_key,
    open_entries,
    take_problems,
    versions,
)
from skinfluence._memory import check_memory
from skinfluence._progress import Progress
from skinfluence._sklearn import (
    HasMethods,
    StrOptions,
    n_rows,
    refuse_pairwise,
)
from skinfluence._threads import one_blas_thread
from skinfluence.retraining.engine._deadline import Deadline
from skinfluence.retraining.engine._evaluation import evaluate, failed_fit
from skinfluence.retraining.engine._retrain import retrain, which

# How often a round of retrainings is tried whose workers died.
TRIES = 4
# A round takes about this long: then stopping rules, progress and Ctrl-C act.
ROUND_SECONDS = 1.0

# Of the parameters that every estimator on this engine has.
RETRAINING_CONSTRAINTS = {
    "n_jobs": [Integral, None],
    "memory": [str, HasMethods(["__fspath__"]), HasMethods(["cache"]), None],
    "error_score": [StrOptions({"raise"}), Real],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


class Coalitions:
    """One table, one estimator, many subsets of the rows: each is trained on once.

    A retraining depends on its subset and its index alone, never on the number of
    workers, the backend or the order. Rows travel to the workers once, tasks carry
    indices. Where workers die, what they had not finished is done again.

    Work is handed out in rounds of lists, since not every joblib backend has
    generators, and since what joblib fetches ahead could not be stopped.

    Parameters
    ----------
    estimator : estimator
        Unfitted; cloned for every retraining.
    X, y : array-like
        All training rows.
    fit_params : dict
        Passed to ``fit``; entries with one element per row are indexed as the rows.
    seed : int
        Unset random states get seeds from ``(seed, index)``.
    n_jobs : int, default=None
        Workers; None leaves it to ``joblib.parallel_config``.
    memory : str, path or joblib.Memory, default=None
        Keeps every retraining on disk as soon as it is finished, see `Entries`; what
        is damaged is trained again. The entries are pickles: name no folder that
        others can write to. Code is known by its name: an estimator or loss that is
        edited keeps its entries.
    verbose : int, default=0
        Above 0, progress is printed.
    error_score : "raise" or float, default="raise"
        What a failed fit does: its own error, or this loss for every row.
    callbacks : FitCallbacks or None, default=None
        Who is told about progress.
    """

    def __init__(
        self,
        estimator,
        X,
        y,
        fit_params,
        *,
        seed,
        n_jobs=None,
        memory=None,
        verbose=0,
        error_score="raise",
        callbacks=None,
    ):
        refuse_pairwise(estimator)
        self.table = estimator, X, y, fit_params
        self.seed, self.n_jobs, self.verbose = seed, n_jobs, verbose
        self.error_score, self.callbacks = error_score, callbacks
        self.store = open_entries(memory)
        if self.store is not None:
            # Hashed once: hashing the table anew would cost more than a fit.
            params = sorted(fit_params.items(), key=lambda item: item[0])
            self.key = entry_key(estimator, X, y, params, versions(estimator))

    def models(self, subsets, indices, deadline=None):
        """Return a fitted model per subset, a list; of the first until the deadline.

        Parameters
        ----------
        subsets : sequence of ndarray of int
            Rows to train on, ascending. See `retrain` for none, or one class.
        indices : sequence of int
            The number of each retraining, which seeds it.
        """
        tasks = list(zip(subsets, indices, strict=True))
        return self.map(_model, tasks, deadline=deadline)

    def losses(self, subsets, indices, evaluation, deadline=None):
        """Return the losses of a model per subset, and keep none of the models.

        Returns
        -------
        losses : ndarray of shape (n_subsets, len(evaluation))
        """
        tasks = list(zip(subsets, indices, strict=True))
        rows = self.map(_model, tasks, evaluation, deadline=deadline)
        return np.stack(rows) if rows else np.empty((0, len(evaluation)))

    def map(self, function, tasks, evaluation=None, what="retrainings", deadline=None):
        """Call ``function(retrain, *task)`` for every task, on the workers.

        Parameters
        ----------
        function : callable
            Of a module, so that it can travel. ``retrain(subset, index)`` returns a
            fitted model, or, with an evaluation, its losses.
        tasks : list of tuple
            Arguments.
        evaluation : callable, default=None
            Takes a fitted model, returns an array.
        what : str, default="retrainings"
            What is counted, for progress.
        deadline : Deadline, default=None
            No task is started after it.

        Returns
        -------
        results : list
            In the order of the tasks, of the first ones where time ended.
        """
        cached, key = _result, None
        if self.store is not None:
            cached = self.store.cache(_result, ignore=_SENT)
            key = self.key if evaluation is None else entry_key(self.key, evaluation)
        deadline = deadline or Deadline()
        shared = (cached, function, *self.table, self.seed, self.error_score, deadline)
        calls = [
            delayed(_task)(*shared, evaluation, key, number, task)
            for number, task in enumerate(tasks)
        ]
        progress = Progress(what, len(tasks), self.verbose, self.callbacks)
        try:
            # Here as well as in each retraining: threads that set and restored the
            # limit of their process in turn would leave it set.
            with one_blas_thread():
                return self._in_rounds(calls, progress, deadline)
        finally:
            progress.close()

    def _in_rounds(self, calls, progress, deadline):
        results, size, failures = [], 1, 0
        while len(results) < len(calls) and not deadline.passed():
            # joblib decides once what to do with its workers: with a single one it
            # does not use it at all. So it is asked anew where a cluster changes. It
            # is where workers were lost as well: an object whose call failed hands out
            # batches of that call again, and their results would come first.
            workers = effective_n_jobs(self.n_jobs)
            with Parallel(n_jobs=self.n_jobs) as parallel:
                while len(results) < len(calls) and not deadline.passed():
                    one_first = self.store is not None and self.store.one_first
                    alone = one_first and not results
                    start = monotonic()
                    todo = calls[len(results) :][: 1 if alone else size * workers]
                    try:
                        answers = parallel(todo)
                    except _worker_failures() as error:
                        failures += 1
                        if failures == TRIES:
                            raise
                        _warn_of_lost_workers(error)
                        break
                    failures = 0
                    finished = self._finished(answers, len(results), len(todo))
                    results += finished
                    progress.advance(len(finished))
                    if monotonic() - start < ROUND_SECONDS / 2:
                        size *= 2
                    if effective_n_jobs(self.n_jobs) != workers:
                        break
        return results

    def _finished(self, answers, first, count):
        """Results of the first tasks of a round: those before one that came too late.

        Whoever asked knows results by their place, so what was finished behind a gap
        is of no use but on disk.
        """
        numbers = [number for number, _, _, _ in answers]
        if numbers != list(range(first, first + count)):
            raise RuntimeError(
                f"The joblib backend was given tasks {first} to {first + count - 1} "
                f"and returned {len(numbers)} results, not one of each in their "
                "order. Use another backend."
            )
        if self.store is not None:
            self.store.tell(set().union(*(problems for *_, problems in answers)))
        in_time = takewhile(lambda answer: answer[1], answers)
        return [result for _, _, result, _ in in_time]


def _model(retrain, subset, index):
    return retrain(subset, index)


def _task(
    cached,
    function,
    estimator,
    X,
    y,
    fit_params,
    seed,
    error_score,
    deadline,
    evaluation,
    key,
    number,
    task,
):
    """Run one task on a worker, unless the deadline has passed.

    Returns
    -------
    number : int
        That of the task, as it was given.
    in_time : bool
        Whether the task was run.
    result : object
        Of the task; None where it was not run.
    problems : set of str
        What went wrong on disk.

    The table comes as arguments of their own: that is how joblib's backends recognise
    and send it once.
    """
    if deadline.passed():
        return number, False, None, set()

    def retrain_or_score(subset, index):
        subset = np.asarray(subset, dtype=np.intp)
        table = estimator, X, y, fit_params
        try:
            return cached(*table, evaluation, key, seed, int(index), subset)
        except _worker_failures():  # workers of the fit itself: no failed fit
            raise
        except Exception as error:
            failed = failed_fit(error, error_score)
            return failed if evaluation is None else evaluation(failed)

    with one_blas_thread():  # once a task: a limit costs as much as a tiny fit
        result = function(retrain_or_score, *task)
    return number, True, result, take_problems(cached)


# Arguments of `_result` that its ``key`` stands for on disk.
_SENT = ["estimator", "X", "y", "fit_params", "evaluation"]


def _result(estimator, X, y, fit_params, evaluation, key, seed, index, subset):
    """Retrain and evaluate, or find both on disk. Failures are not kept there."""
    model = retrain(estimator, X, y, fit_params, subset, seed, index)
    if evaluation is None:
        return model
    return evaluate(
        model, evaluation, lambda: which(model, subset, n_rows(X), seed, index)
    )


def _warn_of_lost_workers(error):
    warnings.warn(
        f"Workers were lost ({type(error).__name__}); what they were doing is done "
        "again.",
        RuntimeWarning,
        stacklevel=4,
    )


def _worker_failures():
    """Return the exceptions that speak of workers, not of what they computed."""
    failures = [BrokenExecutor, CancelledError]
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        failures += [KilledWorker, FutureCancelledError]
    return tuple(failures)


def check_models(model, count, instead):
    """Refuse to keep more models than fit into memory, by the size of one of them."""
    try:
        size = len(pickle.dumps(model))
    except UNPICKLABLE:  # local classes, say
        return
    check_memory(count * size, f"Keeping {count} models", instead)
