"""Titles, comments and totals around a table, and rows longer than its header."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

pytestmark = pytest.mark.usefixtures("two_folds")

ROWS = [f"{i},{i / 4},{'yes' if i % 2 else 'no'}" for i in range(30)]
HEADER = "n,price,label"


def read(path, target="label", **reading):
    return read_table([path], Reading(target=target, **reading))


@pytest.mark.parametrize(
    "above",
    ["Sales 2023,,\n\n", "# a tool\n# v1.2, beta\n", '"a title\nof two lines"\n'],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_header_holds_the_target(tmp_path, above, encoding):
    path = tmp_path / "t.csv"
    text = above + "\n".join([HEADER, *ROWS, "Total,100,"]) + "\n"
    path.write_bytes(text.encode(encoding))
    table = read(path)
    assert list(table.typed.columns) == HEADER.split(",")
    assert table.typed["price"].tolist() == [*(np.arange(30) / 4), 100]
    assert table.typed["label"].isna().tolist() == [False] * 30 + [True]
    line = 2 if "title" in above else 3
    assert table.lines[0] == line + 1
    assert f"the header is taken from line {line}" in " ".join(table.notes)
    assert table.file.records(np.arange(31)) == path.read_bytes()
    first = table.file.records(np.arange(2))
    assert first.decode(encoding) == above + "\n".join([HEADER, *ROWS[:2], ""])
    if above.startswith("Sales"):
        assert read(path, header="yes").typed.columns[0] == "Sales 2023"


def test_a_plain_header_is_not_looked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *ROWS, "n,price,label"]))
    assert read(path).lines[0] == 2
    assert not any("header" in note for note in read(path).notes)


def test_a_line_that_names_the_separator_for_excel(tmp_path):
    path = tmp_path / "t.csv"
    rows = [row.replace(",", ";").replace(".", ",") for row in [HEADER, *ROWS]]
    path.write_text("\n".join(["sep=;", *rows, ""]))
    for target in ("label", None):
        table = read(path, target)
        assert list(table.typed.columns) == HEADER.split(",")
        assert table.typed["price"].tolist() == (np.arange(30) / 4).tolist()
        assert table.lines[0] == 3
        assert table.file.records(np.arange(30)) == path.read_bytes()


def test_a_sheet_with_a_title(tmp_path):
    path = tmp_path / "t.xlsx"
    rows = [[i, i / 4, "no"] for i in range(12)]
    above = [["Sales 2023", None, None], [None] * 3, HEADER.split(",")]
    pd.DataFrame([*above, *rows]).to_excel(path, index=False, header=False)
    table = read(path)
    assert list(table.typed.columns) == HEADER.split(",")
    assert table.typed["price"].tolist() == (np.arange(12) / 4).tolist()
    assert table.lines[0] == 4
    assert "the header is taken from line 3" in " ".join(table.notes)


@pytest.mark.filterwarnings("error")
def test_empty_values_behind_the_last_separator(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *(f"{row}," for row in ROWS), ""]))
    table = read(path)
    assert table.typed["label"].tolist() == ["no", "yes"] * 15
    assert table.file.records(np.arange(30)) == path.read_bytes()


@pytest.mark.parametrize("above", ["", "a title\n\n"])
def test_the_first_longer_row_is_named(tmp_path, above):
    path = tmp_path / "t.csv"
    note = '5,"two\nlines",yes'
    path.write_text(above + "\n".join([HEADER, note, *ROWS[:9], "1,234,5,no", *ROWS]))
    line = 12 + 2 * bool(above)
    with pytest.raises(
        BadInput, match=f"line {line} has 4 values, line {line - 11} has"
    ):
        read(path)
    path.write_text("\n".join([HEADER, *(f"{i},{row}" for i, row in enumerate(ROWS))]))
    with pytest.raises(BadInput, match="line 2 has 4 values, line 1 has 3"):
        read(path)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_titles_stay_with_every_action_and_not_above_the_ranking(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    rows = [row.split(",") for row in [HEADER, *ROWS]]
    rows = [["Sales 2023", None, None], ["by town", None, None], *rows]
    sheet = pd.DataFrame(rows)
    if suffix == ".csv":
        sheet.to_csv(path, header=False, index=False)
    else:
        sheet.to_excel(path, header=False, index=False)

    def cells(path):
        if suffix == ".csv":
            return [line.split(",") for line in path.read_text().splitlines()]
        return pd.read_excel(path, header=None).fillna("").astype(str).values.tolist()

    arguments = ["clean", str(path), "--target", "label", "--drop", "0.1", "--force"]
    for action in ("drop", "relabel", "weight"):
        assert main([*arguments, "--action", action]) == 0
        cleaned = cells(tmp_path / f"t.cleaned{suffix}")
        assert [row[0] for row in cleaned[:2]] == ["Sales 2023", "by town"]
        assert cleaned[2][:3] == HEADER.split(",")
        assert len(cleaned) == 3 + (27 if action == "drop" else 30)
    assert cleaned[2][3] == "sample_weight"
    assert float(cleaned[3][3]) <= 1
    assert cells(tmp_path / f"t.suspects{suffix}")[0][0] == "row"
