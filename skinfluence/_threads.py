"""Threads: how many linear algebra and loops over blocks use, what they leave alone."""

import warnings
from contextlib import nullcontext
from functools import cache

from joblib import cpu_count, effective_n_jobs, parallel_config
from sklearn.utils import parallel
from sklearn.utils.parallel import delayed
from threadpoolctl import ThreadpoolController


class Parallel(parallel.Parallel):
    """scikit-learn's class, whose threads leave the filters of warnings as they were.

    Every task enters `warnings.catch_warnings`. Before Python 3.14 that replaces the
    filters of the process, and of tasks that overlap the one that ends last puts back
    the filters of another task.
    """

    def __call__(self, iterable):
        """Run the tasks."""
        with warnings.catch_warnings():
            return super().__call__(iterable)


@cache
def _controller():
    # Cached, since finding the loaded libraries takes longer than a small fit.
    return ThreadpoolController()


def one_blas_thread():
    """Return a context in which BLAS and OpenMP use one thread."""
    return _controller().limit(limits=1)


def blas_threads(n, p):
    """Return a context for the algebra of n rows with p columns.

    With small matrices threads wait for each other longer than they compute, which can
    cost a factor of ten on a busy machine.
    """
    return one_blas_thread() if n * p**2 < 1e8 else nullcontext()


def n_threads(n_jobs):
    """Return how many threads of this machine ``n_jobs`` gives; None: as joblib says.

    Workers of a cluster count up to the cores of this machine.
    """
    return min(effective_n_jobs(n_jobs), cpu_count())


def worker_threads(n_jobs):
    """Return a context in which `in_threads` uses the threads that ``n_jobs`` gives."""
    return parallel_config("threading", n_jobs=n_threads(n_jobs))


def in_threads(function, parts):
    """Yield a function of each of several parts of the work, in their order.

    The parts are done one after the other, except in a context of `worker_threads`,
    where threads share them and each does the linear algebra of its part in one thread.
    The function may write to arrays at the places of its part only.
    """
    pool = Parallel(require="sharedmem", return_as="generator")
    if pool.n_jobs == 1 or len(parts) < 2:
        yield from map(function, parts)
        return

    def alone(part):
        with one_blas_thread():  # OpenMP asks each thread
            return function(part)

    with one_blas_thread(), warnings.catch_warnings():  # tasks go on after the call
        yield from pool(delayed(alone)(part) for part in parts)
