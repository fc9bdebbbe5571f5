"""Dates in texts are dates where they can be read in one way."""

import datetime

import pandas as pd
import pytest

from skinfluence.__main__ import main
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

pytestmark = pytest.mark.usefixtures("two_folds")

DAYS = [
    datetime.datetime(2021, 3, 1, 10, 20) + i * datetime.timedelta(3) for i in range(30)
]


def read(tmp_path, texts):
    path = tmp_path / "t.csv"
    rows = [f"{text},{'no' if i % 2 else 'yes'}" for i, text in enumerate(texts)]
    path.write_text("\n".join(["when,label", *rows]))
    table = read_table([path], Reading(target="label"))
    assert table.cells["when"].tolist() == texts
    return table.typed["when"], " ".join(table.notes)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%Y-%m-%d", ""),
        ("%Y-%m-%dT%H:%M:%S", ""),
        ("%Y-%m-%d %H:%M", ""),
        ("%d.%m.%Y", "when is read as dates, day first"),
        ("%d/%m/%Y %H:%M", "when is read as dates, day first"),
        ("%m/%d/%Y", "when is read as dates, month first"),
    ],
)
def test_dates_are_read_as_written(tmp_path, form, said):
    texts = [day.strftime(form) for day in DAYS]
    expected = [datetime.datetime.strptime(text, form) for text in texts]
    read_dates, notes = read(tmp_path, ["", *texts])
    assert read_dates.isna().tolist() == [True] + [False] * 30
    assert read_dates[1:].tolist() == expected
    assert notes == said


def test_dates_that_can_be_read_in_two_ways(tmp_path):
    dates, notes = read(tmp_path, ["03/04/2021", "05/06/2021"] * 10)
    assert dates[0] == "03/04/2021"
    assert "day or month first, '03/04/2021', say: taken for text" in notes
    for text in ("30/30/2021", "2021-02-30", "1.2.21", "2021-13-01", "3/4.2021"):
        assert (
            read(tmp_path, ["2021-02-01" if "-" in text else text, text] * 10)[0][1]
            == text
        )


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["2021-02-01", "13.02.2021", "02/20/2021"], "several forms, '2021-02-01' and"),
        (["13.02.2021", "13/02/2021"], "'13.02.2021' and '13/02/2021', say"),
        (["2021-02-01", "2021-02-30"], "holds a date that does not exist"),
        (["31.01.2021", "30.02.2021"], "holds a date that does not exist"),
        (["13/13/2021", "14/13/2021"], "holds a date that does not exist"),
        (["13/02/2021", "02/13/2021"], "with the day first and some with the month"),
    ],
)
def test_dates_that_cannot_be_read_are_said(tmp_path, texts, said):
    dates, notes = read(tmp_path, texts * 10)
    assert dates.tolist() == texts * 10
    assert notes.count("when holds") == 1
    assert said in notes
    assert "taken for text" in notes


def test_a_table_with_dates(tmp_path, capsys):
    path = tmp_path / "t.csv"
    when = [day.strftime("%d.%m.%Y") for day in DAYS] * 2
    frame = pd.DataFrame(
        {"when": when, "x": range(60), "label": ["u"] * 30 + ["v"] * 30}
    )
    frame.to_csv(path, index=False)
    for command in (["clean", "--drop", "0.05", "--by", "when"], ["audit"]):
        assert main([*command, str(path), "--target", "label"]) == 0
    frame.to_csv(path, index=False)
    assert "when is read as dates, day first" in capsys.readouterr().out
    kept = (tmp_path / "t.cleaned.csv").read_text().splitlines()
    assert set(kept) <= set(path.read_text().splitlines())
