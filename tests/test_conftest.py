"""No test leaves threads, or random numbers, to the next one."""

import random
import threading
import warnings
from multiprocessing.dummy import DummyProcess

import joblib
import numpy as np
import pytest
import torch
from hanging import HANGING


def test_a_failed_call_leaves_a_thread_in_catch_warnings():
    held, leave = threading.Event(), threading.Event()

    def task(k):
        if k == 1:
            assert held.wait(HANGING)
            raise RuntimeError("lost")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held.set()
            assert leave.wait(HANGING)

    with pytest.raises(RuntimeError, match="lost"):
        joblib.Parallel(2, backend="threading")(map(joblib.delayed(task), range(2)))
    threading.Timer(0.3, leave.set).start()


def test_which_is_gone_before_the_next_test():
    assert not any(isinstance(t, DummyProcess) for t in threading.enumerate())
    with pytest.warns(RuntimeWarning, match="heard"):
        warnings.warn("heard", RuntimeWarning, stacklevel=1)


@pytest.mark.parametrize("test", ["one", "the next"])
def test_each_test_draws_the_same_numbers(test):
    drawn = random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002
    generator = np.random.RandomState(0)
    assert drawn[0] == random.Random(0).random()
    assert drawn[1] == generator.random_sample()
    seeded = torch.Generator().manual_seed(0)
    assert drawn[2] == torch.rand(1, generator=seeded).item()
