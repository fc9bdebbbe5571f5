"""The retraining engine: subsets of rows in, fitted models or their losses out."""

import os
import sys
import warnings
from concurrent.futures import BrokenExecutor, CancelledError
from numbers import Integral, Real
from pickle import PicklingError
from time import monotonic

import numpy as np
import sklearn
from joblib import Memory, effective_n_jobs, hash
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._progress import Progress
from skinfluence._sklearn import HasMethods, StrOptions, n_rows
from skinfluence._threads import one_blas_thread
from skinfluence.retraining._evaluation import evaluate, failed_fit
from skinfluence.retraining._retraining import retrain, which

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
        Keeps every retraining on disk as soon as it is finished. A path is
        compressed, which also finds out damaged entries: these are trained again.
        Code is known by its name: an estimator or loss that is edited keeps its
        entries.
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
        self.table = estimator, X, y, fit_params
        self.seed, self.n_jobs, self.verbose = seed, n_jobs, verbose
        self.error_score, self.callbacks = error_score, callbacks
        self.store = _open(memory)
        if self.store is not None:
            # Hashed once: hashing the table anew would cost more than a fit.
            params = sorted(fit_params.items(), key=lambda item: item[0])
            self.key = _key(estimator, X, y, params, sklearn.__version__)

    def models(self, subsets, indices):
        """Return a fitted model per subset, a list.

        Parameters
        ----------
        subsets : sequence of ndarray of int
            Rows to train on, ascending. See `retrain` for none, or one class.
        indices : sequence of int
            The number of each retraining, which seeds it.
        """
        return self.map(_model, list(zip(subsets, indices, strict=True)))

    def losses(self, subsets, indices, evaluation):
        """Return the losses of a model per subset, and keep none of the models.

        Returns
        -------
        losses : ndarray of shape (n_subsets, len(evaluation))
        """
        tasks = list(zip(subsets, indices, strict=True))
        rows = self.map(_model, tasks, evaluation)
        return np.stack(rows) if rows else np.empty((0, len(evaluation)))

    def map(self, function, tasks, evaluation=None, what="retrainings"):
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

        Returns
        -------
        results : list
            In the order of the tasks.
        """
        cached, key = _result, None
        if self.store is not None:
            cached = self.store.cache(_result, ignore=_SENT)
            key = self.key if evaluation is None else _key(self.key, evaluation)
        shared = (cached, function, *self.table, self.seed, self.error_score)
        calls = [delayed(_task)(*shared, evaluation, key, task) for task in tasks]
        progress = Progress(what, len(tasks), self.verbose, self.callbacks)
        try:
            # Here as well as in each retraining: threads that set and restored the
            # limit of their process in turn would leave it set.
            with one_blas_thread():
                return self._in_rounds(calls, progress)
        finally:
            progress.close()

    def _in_rounds(self, calls, progress):
        results, size = [], 1
        while len(results) < len(calls):
            # joblib decides once what to do with its workers: with a single one it
            # does not use it at all. So it is asked anew where a cluster changes.
            workers = effective_n_jobs(self.n_jobs)
            with Parallel(n_jobs=self.n_jobs) as parallel:
                while len(results) < len(calls):
                    # On disk the first goes alone: joblib writes down what its
                    # entries are of, and would drop them where two workers did so at
                    # the same time.
                    alone = self.store is not None and not results
                    start = monotonic()
                    todo = calls[len(results) :][: 1 if alone else size * workers]
                    results += _persevere(parallel, todo)
                    progress.advance(len(todo))
                    if monotonic() - start < ROUND_SECONDS / 2:
                        size *= 2
                    if effective_n_jobs(self.n_jobs) != workers:
                        break
        return results


def _open(memory):
    if isinstance(memory, str | os.PathLike):
        return Memory(memory, verbose=0, compress=True)
    return memory


def _key(*parts):
    """Return what retrainings are kept under on disk."""
    try:
        return hash(parts)
    except (AttributeError, PicklingError, TypeError) as error:
        raise ValueError(
            "The 'memory' parameter needs an estimator, data and loss that pickle can "
            f"name. Got {str(error)[:200]}. Replace lambdas and local functions or "
            "classes by those of a module, or set memory=None."
        ) from error


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
    evaluation,
    key,
    task,
):
    """Run one task on a worker; the table comes as arguments of their own.

    That is how joblib's backends recognise and send it once.
    """

    def retrain_or_score(subset, index):
        subset = np.asarray(subset, dtype=np.intp)
        table = estimator, X, y, fit_params
        try:
            return cached(*table, evaluation, key, seed, int(index), subset)
        except Exception as error:
            failed = failed_fit(error, error_score)
            return failed if evaluation is None else evaluation(failed)

    with one_blas_thread():  # once a task: a limit costs as much as a tiny fit
        return function(retrain_or_score, *task)


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


def _persevere(parallel, tasks):
    """Run tasks; do them again where it is the workers that failed."""
    for left in range(TRIES - 1, -1, -1):
        try:
            return parallel(tasks)
        except _worker_failures() as error:
            if not left:
                raise
            warnings.warn(
                f"Workers were lost ({type(error).__name__}); what they were doing is "
                "done again.",
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
