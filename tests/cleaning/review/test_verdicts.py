"""Verdicts are checked before anything is done."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.cleaning.review._reviewable import decided_in

Y = np.array(["a", "b", "a", "b", "c", "a"])
GOOD = {"row": [0, 1, 2, 5], "verdict": ["keep", "drop", "relabel", "unsure"]}


def lines(**columns):
    return {"row": [0], "verdict": ["keep"], **columns}


def test_masks_and_targets():
    value, given = ["", "", "c", ""], ["a", "b", "", "a"]
    decided, verdicts = decided_in({**GOOD, "value": value, "given": given}, Y, True)
    assert decided.asked.tolist() == [True, True, True, False, False, True]
    assert np.flatnonzero(decided.wrong).tolist() == [1, 2]
    assert np.flatnonzero(decided.right).tolist() == [0]
    assert np.flatnonzero(decided.dropped).tolist() == [1]
    assert np.flatnonzero(decided.relabelled).tolist() == [2]
    assert np.flatnonzero(decided.sure).tolist() == [0, 1, 2]
    assert decided.left.tolist() == [0, 2, 3, 4, 5]
    assert decided.y.tolist() == ["a", "b", "c", "b", "c", "a"]
    part = decided.part(np.array([2, 3]))
    assert part.wrong.tolist() == [True, False]
    assert part.y.tolist() == ["c", "b"]


@pytest.mark.parametrize("kind", ["frame", "dict", "list"])
def test_tables_of_any_kind(kind):
    columns = {
        "row": [0, 3, 4, 1],
        "verdict": ["drop", "relabel", np.nan, None],
        "value": [np.nan, 2.0, np.nan, np.nan],
    }
    table = {
        "frame": pd.DataFrame(columns),
        "dict": columns,
        "list": pd.DataFrame(columns).to_dict("records"),
    }[kind]
    y = np.array([1, 2, 1, 1, 2])
    decided, _ = decided_in(table, y, True)
    assert decided.y.tolist() == [1, 2, 1, 2, 2]
    assert np.flatnonzero(decided.asked).tolist() == [0, 3]


def test_empty_verdicts_change_no_row():
    decided, _ = decided_in([], Y, True)
    assert not decided.asked.any()
    decided, _ = decided_in({"row": [], "verdict": []}, Y, True)
    assert decided.y.tolist() == Y.tolist()


def test_numbers_are_relabelled_to_numbers():
    y = np.array([1, 2, 3])
    decided, _ = decided_in(lines(verdict=["relabel"], value=["2.5"]), y, False)
    assert decided.y.tolist() == [2.5, 2, 3]


BAD = {
    "no table": (7, "must be a table with columns row, verdict, value, note, given"),
    "no column": ({"row": [1]}, "verdicts has no column 'verdict'"),
    "lengths": (lines(value=["a", "b"]), "must have equal lengths. Got row: 1"),
    "too far": (lines(row=[6]), "entry 0: row must be a position in the table, 0 to 5"),
    "negative": (lines(row=[-1]), "row must be a position in the table"),
    "a half": (lines(row=[1.5]), "not '1.5'"),
    "text": (lines(row=["x"]), "row must be a position in the table"),
    "unknown": (lines(verdict=["burn"]), "one of keep, drop, relabel, unsure, not 'bu"),
    "no value": (lines(verdict=["relabel"]), "entry 0: relabel needs a value"),
    "twice": (
        {"row": [1, 1], "verdict": ["drop", "drop"]},
        "entry 1: row 1 is decided on more than once, twice (first at verdicts, entry",
    ),
    "contradiction": (
        {"row": [1, 1], "verdict": ["relabel", "keep"], "value": ["a", ""]},
        "more than once, as relabel a and keep",
    ),
    "another table": (
        lines(given=["b"]),
        "row 0 of y is 'a', and the row that was reviewed had 'b'",
    ),
    "one class": (
        {"row": [1, 3, 4], "verdict": ["drop"] * 3},
        "leaves rows of one class only, a",
    ),
    "nothing": ({"row": range(6), "verdict": ["drop"] * 6}, "drops all rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_verdicts(name):
    verdicts, message = BAD[name]
    with pytest.raises((ValueError, TypeError)) as error:
        decided_in(verdicts, Y, True)
    assert message in str(error.value)


def test_numbers_are_not_relabelled_to_texts():
    table = lines(verdict=["relabel"], value=["much"])
    with pytest.raises(ValueError, match="holds numbers, and a row is relabelled to"):
        decided_in(table, np.array([1.0, 2.0]), False)


def test_several_columns_have_no_verdicts():
    with pytest.raises(ValueError, match="must be None unless y is one column"):
        decided_in(lines(), np.zeros((3, 2)), False)
