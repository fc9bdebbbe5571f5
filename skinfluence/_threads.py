"""The number of threads of linear algebra."""

from contextlib import nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController


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
