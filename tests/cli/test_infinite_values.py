"""Infinite values of a table are named with their column and line."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.cli._task import read_task


def _table():
    numbers = np.random.default_rng(0).normal(size=(30, 2))
    table = pd.DataFrame(numbers, columns=["a", "b"])
    table["y"] = ["p", "q"] * 15
    return table


@pytest.mark.parametrize("sign", [1, -1])
def test_infinite_features_are_named_with_their_line(tmp_path, sign):
    table = _table()
    table.loc[[17, 20], "b"] = sign * np.inf
    table.to_csv(tmp_path / "t.csv", index=False)
    task = read_task([tmp_path / "t.csv"], "y")
    # The header is line 1, so row 17 is on line 19.
    (note,) = [n for n in task.source.notes if "infinite" in n]
    assert note == (
        "column b: infinite values are taken for missing ones (line 19; 2 in all)"
    )
    assert np.flatnonzero(task.X["b"].isna()).tolist() == [17, 20]


def test_an_infinite_target_is_named_with_its_file(tmp_path):
    table = _table()
    paths = [tmp_path / "s.csv", tmp_path / "t.csv"]
    table.to_csv(paths[0], index=False)
    table.loc[4, "b"] = np.inf
    table.to_csv(paths[1], index=False)
    task = read_task(paths, "b", ignore=["y"])
    (note,) = [n for n in task.source.notes if "infinite" in n]
    assert "column b" in note
    assert "t.csv, line 6" in note
    assert task.n_missing == 1


def test_ignored_columns_and_finite_tables_are_not_mentioned(tmp_path):
    table = _table()
    table.loc[4, "b"] = np.inf
    table.to_csv(tmp_path / "t.csv", index=False)
    task = read_task([tmp_path / "t.csv"], "y", ignore=["b"])
    assert not any("infinite" in n for n in task.source.notes)
