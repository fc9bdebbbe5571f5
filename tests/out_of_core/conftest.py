"""A fixture for tests of dask collections."""

import dask
import pytest


@pytest.fixture
def one_thread():
    """Threads of dask take as long as the tests."""
    with dask.config.set(scheduler="synchronous"):
        yield
