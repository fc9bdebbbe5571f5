"""How many threads linear algebra may use."""

from contextlib import nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller():
    # Finding the loaded libraries takes longer than a small fit: once a process.
    return ThreadpoolController()


def one_blas_thread():
    """Return a context in which BLAS and OpenMP use one thread."""
    return _controller().limit(limits=1)


def blas_threads(n, p):
    """Return a context for the algebra of n rows with p columns.

    Where matrices are small, threads wait for each other longer than they work: on
    a busy machine of two cores this alone is a factor of ten.
    """
    return one_blas_thread() if n * p**2 < 1e8 else nullcontext()
