"""What tests of dask collections share."""

import dask
import pytest


@pytest.fixture
def one_thread():
    """Threads of dask take as long as the tests."""
    with dask.config.set(scheduler="synchronous"):
        yield
