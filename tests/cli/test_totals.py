"""A last row of totals is said, and no other row."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.cli.tables._read import read_table

N = 30


def said(path, frame):
    if path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False)
    table = read_table([path])
    assert len(table.typed) == len(frame)
    return [note for note in table.notes if "total" in note]


def sales(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "town": rng.choice(["Ulm", "Bonn"], N),
            "items": rng.poisson(5, N),
            "price": rng.gamma(2, 100, N).round(2),
            "label": rng.choice(["yes", "no"], N),
        }
    )


def with_last(frame, **values):
    return pd.concat([frame, pd.DataFrame([values])], ignore_index=True)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize("word", ["Total", "SUM", "Grand total:", "Summe", " total "])
def test_a_row_that_is_labelled_as_total(tmp_path, word, suffix):
    frame = with_last(sales(), town=word, items=150)
    (note,) = said(tmp_path / f"t{suffix}", frame)
    assert note.startswith(f"line {N + 2}, the last, says")
    assert note.endswith("is taken for a row like others: delete it if it is a total")


def test_a_word_in_a_column_of_numbers(tmp_path):
    frame = sales().assign(number=[str(i) for i in range(N)])
    assert said(tmp_path / "t.csv", with_last(frame, number="Total", price=1.0))


def test_sums_without_a_word(tmp_path):
    frame = sales()
    sums = {"items": frame["items"].sum(), "price": frame["price"].sum()}
    (note,) = said(tmp_path / "t.csv", with_last(frame, **sums))
    assert "holds the sums of the rows above" in note
    sums["price"] *= 1.01
    assert not said(tmp_path / "u.csv", with_last(frame, **sums))


def test_other_rows_are_not_taken_for_totals(tmp_path):
    for seed in range(5):
        assert not said(tmp_path / "t.csv", sales(seed))
    frame = sales()
    frame.loc[[3, N - 1], "town"] = "Total"  # the name of a brand
    assert not said(tmp_path / "t.csv", frame)
    frame = sales().assign(town="a total loss")
    assert not said(tmp_path / "t.csv", frame)
