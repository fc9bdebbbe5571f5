"""Processes are sent the columns that they need, and not the cells of the file."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from skinfluence.cleaning._run import Cleaning
from skinfluence.cli import _comparison, _without_groups
from skinfluence.cli._analysis import default_model
from skinfluence.cli._settings import Settings
from skinfluence.cli._task import read_task


def pickled(n_jobs=None, return_as="list"):
    """Stand in for Parallel: calls travel as bytes."""

    def run(calls):
        copies = (pickle.loads(pickle.dumps(call)) for call in calls)
        done = (call.function(*args, **params) for call, args, params in copies)
        return done if return_as == "generator" else list(done)

    return run


@pytest.fixture
def task(table):
    task = read_task([table], "label")
    # Neither has a copy for another process.
    return replace(task, table=lambda: task.table, source=lambda: task.source)


def test_neither_comparison_nor_groups_send_the_file(task, monkeypatch):
    model, _ = default_model(task.X, True)
    cleaning = Cleaning(model, task.X, task.y, Settings().of_cleaning(model), 0)
    kept = np.arange(len(task.y)) > 0
    here = _comparison.compare(cleaning, kept, task, 0, lambda: None)
    names = np.array(["a", "b", "c"])[np.arange(len(task.y)) % 3]
    worth = _without_groups.worth_of_groups(names, ["a", "b"], task, cleaning, 0)
    for module in (_comparison, _without_groups):
        monkeypatch.setattr(module, "Parallel", pickled)
    held_out, separation = _comparison.compare(cleaning, kept, task, 0, lambda: None)
    np.testing.assert_array_equal(held_out.losses, here[0].losses)
    assert separation == here[1]
    again = _without_groups.worth_of_groups(names, ["a", "b"], task, cleaning, 0)
    assert again == worth
