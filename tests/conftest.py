"""One thread for small matrices, and helpers that every test can import."""

import os
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

# Thousands of tiny fits: threads would wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that tests start
threadpool_limits(1)

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("skinfluence.testing")
