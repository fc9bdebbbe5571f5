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
from sklearn.utils.parallel import delayed

from skinfluence._counts import counted
from skinfluence._disk_entries import (
    UNPICKLABLE,
    entry_key,
    open_entries,
    take_problems,
    versions,
)
from skinfluence._memory import check_memory
from skinfluence._progress import Progress, bar_for
from skinfluence._sklearn import (
    HasMethods,
    StrOptions,
    n_rows,
    refuse_pairwise,
)
from skinfluence._skorch import jobs_of_training
from skinfluence._threads import Parallel, one_blas_thread
from skinfluence.retraining.engine._deadline import Deadline
from skinfluence.retraining.engine._evaluation import evaluate, failed_fit
from skinfluence.retraining.engine._retrain import describe_retraining, retrain

# Number of attempts at a round of retrainings whose workers die.
TRIES = 4
# Target duration of a round. Stopping rules, progress and Ctrl-C act between rounds.
ROUND_SECONDS = 1.0

# Constraints of the parameters that all estimators on this engine share.
RETRAINING_CONSTRAINTS = {
    "n_jobs": [Integral, None],
    "memory": [str, HasMethods(["__fspath__"]), HasMethods(["cache"]), None],
    "error_score": [StrOptions({"raise"}), Real],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


class Coalitions:
    """Trains clones of one estimator on many subsets of the rows of one table.

    A retraining depends on its subset and its index alone, never on the number of
    workers, the backend or the order. The table is sent to the workers once; tasks
    carry indices. If workers die, their unfinished tasks are run again.

    Tasks are submitted in rounds, as lists: not every joblib backend supports
    generators, and tasks that joblib fetches ahead of time could not be stopped.

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
        others can write to. Code is identified by its qualified name: editing the
        source of an estimator or a loss does not invalidate its entries.
    verbose : int, default=0
        Above 0, progress is printed.
    error_score : "raise" or float, default="raise"
        Result of a failed fit: its own error, or this loss for every row.
    callbacks : FitCallbacks or None, default=None
        Told about progress.
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
        self.seed, self.verbose = seed, verbose
        self.n_jobs = jobs_of_training(estimator, n_jobs)
        self.error_score, self.callbacks = error_score, callbacks
        self.bar = bar_for(verbose)
        self.store = open_entries(memory)
        if self.store is not None:
            # Hashed once: hashing the table anew would cost more than a fit.
            params = sorted(fit_params.items(), key=lambda item: item[0])
            self.key = entry_key(estimator, X, y, params, versions(estimator))

    def models(self, subsets, indices, deadline=None):
        """Return a list of fitted models, one per subset that was started in time.

        Parameters
        ----------
        subsets : sequence of ndarray of int
            Rows to train on, ascending. Empty subsets and subsets of one class are
            treated as in `retrain`.
        indices : sequence of int
            The number of each retraining, which seeds it.
        """
        tasks = list(zip(subsets, indices, strict=True))
        return self.map(_model, tasks, deadline=deadline)

    def losses(self, subsets, indices, evaluation, deadline=None):
        """Return the losses of a model per subset, without keeping the models.

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
            A module-level function, so that it can be pickled. ``retrain(subset,
            index)`` returns a fitted model, or, with an evaluation, its losses.
        tasks : list of tuple
            Arguments.
        evaluation : callable, default=None
            Takes a fitted model, returns an array.
        what : str, default="retrainings"
            Noun for the progress message.
        deadline : Deadline, default=None
            No task is started after it.

        Returns
        -------
        results : list
            In the order of the tasks; of the first ones only, if the deadline passed.
        """
        cached, key = _result, None
        if self.store is not None:
            cached = self.store.cache(_result, ignore=_REPRESENTED_BY_KEY)
            key = self.key if evaluation is None else entry_key(self.key, evaluation)
        deadline = deadline or Deadline()
        shared = (cached, function, *self.table, self.seed, self.error_score, deadline)
        calls = [
            delayed(_task)(*shared, evaluation, key, number, task)
            for number, task in enumerate(tasks)
        ]
        shown = self.verbose, self.callbacks, self.bar
        progress = Progress(what, len(tasks), *shown)
        try:
            # Set here as well as in each retraining: on joblib's threading backend,
            # threads that set and restore the limit of the process in turn could
            # leave it set.
            with one_blas_thread():
                return self._in_rounds(calls, progress, deadline)
        finally:
            progress.close()

    def _in_rounds(self, calls, progress, deadline):
        results, size, failures = [], 1, 0
        while len(results) < len(calls) and not deadline.passed():
            # A Parallel object chooses its workers once; with a single one it runs
            # tasks in this process. A new object is made when the number of workers
            # of a cluster changes. The same holds after workers were lost: an object
            # whose call failed dispatches leftover batches of that call again, and
            # their results would come first.
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
        """Return the results of a round up to the first task that was not run in time.

        Results are identified by their position, so that those after a gap are
        dropped; with ``memory`` they remain on disk.
        """
        numbers = [number for number, _, _, _ in answers]
        if numbers != list(range(first, first + count)):
            raise RuntimeError(
                f"The joblib backend was given tasks {first} to {first + count - 1} "
                f"and returned {len(numbers)} results, which are not one result per "
                "task in the order of the tasks. Use another backend."
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
        Number of the task, as it was given.
    in_time : bool
        Whether the task was run.
    result : object
        Result of the task; None if it was not run.
    problems : set of str
        Problems with the entries on disk.

    Notes
    -----
    The parts of the table are separate arguments, so that joblib's backends recognise
    them and send each only once.
    """
    if deadline.passed():
        return number, False, None, set()

    def retrain_or_score(subset, index):
        subset = np.asarray(subset, dtype=np.intp)
        table = estimator, X, y, fit_params
        try:
            return cached(*table, evaluation, key, seed, int(index), subset)
        except _worker_failures():  # lost workers of the fit itself: not a failed fit
            raise
        except Exception as error:
            failed = failed_fit(error, error_score)
            return failed if evaluation is None else evaluation(failed)

    with one_blas_thread():  # once per task: setting it costs as much as a small fit
        result = function(retrain_or_score, *task)
    return number, True, result, take_problems(cached)


# Arguments of `_result` that are represented by ``key`` in the name of an entry.
_REPRESENTED_BY_KEY = ["estimator", "X", "y", "fit_params", "evaluation"]


def _result(estimator, X, y, fit_params, evaluation, key, seed, index, subset):
    """Retrain and evaluate. Results are cached on disk, exceptions are not."""
    model = retrain(estimator, X, y, fit_params, subset, seed, index)
    if evaluation is None:
        return model
    return evaluate(
        model,
        evaluation,
        lambda: describe_retraining(model, subset, n_rows(X), seed, index),
    )


def _warn_of_lost_workers(error):
    warnings.warn(
        f"Workers were lost ({type(error).__name__}); their unfinished tasks are run "
        "again.",
        RuntimeWarning,
        stacklevel=4,
    )


def _worker_failures():
    """Return the exceptions that mean lost workers rather than failed computations."""
    failures = [BrokenExecutor, CancelledError]
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        failures += [KilledWorker, FutureCancelledError]
    return tuple(failures)


def check_models(model, count, instead):
    """Raise if so many models, of the pickled size of this one, exceed the memory."""
    try:
        size = len(pickle.dumps(model))
    except UNPICKLABLE:  # local classes, say
        return
    check_memory(count * size, f"Keeping {counted(count, 'model')}", instead)
