"""One thread for small matrices; nothing is left to chance or to the next test."""

import os
import random
import sys
import threading
from multiprocessing.dummy import DummyProcess
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

# Thousands of tiny fits: threads would wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that tests start
threadpool_limits(1)

sys.path.insert(0, str(Path(__file__).parent))
from hanging import HANGING  # noqa: E402

pytest.register_assert_rewrite("skinfluence.testing")

# The same examples in every run, of which none is too slow for a busy machine.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Seed the generators of the process, which unset random states draw from."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown():
    """Wait for the threads that a failed call of joblib has left at work.

    Many functions of scikit-learn enter `warnings.catch_warnings`. Before Python 3.14,
    a thread that leaves it sets the filters and the record of warnings of the whole
    process back, which may by then be those of another test.
    """
    for thread in threading.enumerate():
        if isinstance(thread, DummyProcess):  # of joblib's pools of threads
            thread.join(HANGING)
            assert not thread.is_alive(), f"{thread} goes on after the test"
