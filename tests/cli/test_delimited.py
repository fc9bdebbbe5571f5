"""Delimited texts: separators, marks, encodings and headers are told from them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_tables import NARROW, PRICES, TOWNS, N, frame, read, said_as, text_of

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._number_marks import NumberMarks
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("decimal", "thousands"),
    [(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (",", "\u202f")]
    + [(".", "'"), (".", " ")],
)
def test_separators_and_marks_are_told(tmp_path, separator, decimal, thousands):
    path = tmp_path / "t.csv"
    path.write_text(text_of(frame(), separator, decimal, thousands), encoding="utf-8")
    table = read(path)
    assert table.typed["price"].tolist() == PRICES
    assert table.typed["size"].tolist() == frame()["size"].tolist()
    assert table.typed["town"].tolist() == frame()["town"].tolist()
    assert table.cells["price"][0] == said_as(PRICES[0], decimal, thousands)
    assert table.lines.tolist() == list(range(2, N + 2))
    said = " ".join(table.notes)
    assert ("--separator" in said) == (separator != ",")
    assert ("--decimal" in said) == (decimal != ".")
    assert ("--thousands" in said) == (thousands != "")


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("cp1252", b""),
        ("latin-1", b""),
    ],
)
def test_encodings_are_told_and_kept(tmp_path, encoding, mark):
    towns = TOWNS if encoding.startswith("utf") else NARROW
    if encoding == "latin-1":
        towns = [*NARROW, "\x81\x8d"]  # not defined in cp1252
    text = text_of(frame(towns), ";", end="\r\n")
    path = tmp_path / "t.csv"
    path.write_bytes(mark + text.encode(encoding))
    table = read(path)
    assert table.typed["town"].tolist() == frame(towns)["town"].tolist()
    kept = np.arange(1, N, 2)
    lines = text.splitlines(keepends=True)
    expected = lines[0] + "".join(lines[1 + i] for i in kept)
    assert table.file.records(kept) == mark + expected.encode(encoding)
    again = tmp_path / "again.csv"
    again.write_bytes(table.file.encode(table.cells))
    pd.testing.assert_frame_equal(read(again).typed, table.typed)
    assert again.read_bytes().startswith(mark + "price;town".encode(encoding))


def test_options_stand_over_guesses(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a;b|label\n1,5;é|yes\n2,5;è|no\n".encode("cp1252"))
    table = read(path, separator="|", encoding="latin-1")
    assert list(table.typed.columns) == ["a;b", "label"]
    path.write_text("a,label\n1.499,yes\n2.500,no\n")
    assert read(path).typed["a"].tolist() == [1.499, 2.5]
    assert read(path, decimal=",", thousands=".").typed["a"].tolist() == [1499, 2500]
    path.write_bytes("a,é\n1,2\n".encode())
    with pytest.raises(BadInput, match="byte 2 is not ascii: give its encoding"):
        read(path, encoding="ascii")


def test_single_quotes_are_told(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"'a, b {i}',{i},'{'yes' if i % 2 else 'no'}'" for i in range(20)]
    path.write_text("\n".join(["note,x,label", *rows]))
    table = read(path)
    assert table.typed["note"][3] == "a, b 3"
    assert set(table.typed["label"]) == {"yes", "no"}


def test_numbers_with_units_and_a_few_texts_among_them(tmp_path):
    path = tmp_path / "t.csv"
    values = [f'"${1000 + i:,}"' for i in range(40)]
    values[7], values[9] = "on request", ""
    shares = [f"{i}%" for i in range(40)]
    rows = [f"{v},{s},{i % 2}" for i, (v, s) in enumerate(zip(values, shares))]  # noqa: B905
    path.write_text("\n".join(["price,share,label", *rows]))
    table = read(path)
    price = table.typed["price"]
    assert price.isna().to_numpy().nonzero()[0].tolist() == [7, 9]
    assert price[3] == 1003
    assert table.typed["share"].tolist() == list(range(40))
    assert any(
        "price has 1 value besides numbers, 'on request'" in n for n in table.notes
    )
    assert table.cells["price"][7] == "on request"


@given(
    st.decimals(-(10**9), 10**9, places=2, allow_nan=False),
    st.sampled_from([".", ","]),
    st.sampled_from(["", ".", ",", " ", "'"]),
)
@settings(max_examples=200, deadline=None)
def test_numbers_are_read_as_written(number, decimal, thousands):
    if decimal == thousands:
        return
    text = said_as(number, decimal, thousands)
    marks = NumberMarks(decimal, thousands)
    assert marks.is_number(text)
    assert marks.number(text) == float(number)


@pytest.mark.parametrize(
    "text",
    ["1,2,3", "12,34", "1,4999", "1.2.3", "2020-01-02", "a1", "", "-", "1 2", "$"],
)
def test_texts_that_are_no_numbers(text):
    assert not NumberMarks(".", ",").is_number(text)
    assert np.isnan(NumberMarks(".", ",").number(text))


def test_a_missing_header_is_noticed(tmp_path):
    path = tmp_path / "iris.csv"
    rows = [f"{5 + i / 10},{i},{'ab'[i % 2]}" for i in range(30)]
    path.write_text("\n".join(rows) + "\n")
    table = read_table([path])
    assert list(table.typed.columns) == ["column_1", "column_2", "column_3"]
    assert len(table.typed) == 30
    assert table.lines.tolist() == list(range(1, 31))
    assert "no header: columns are column_1" in table.notes[0]
    assert table.file.records(np.arange(2)) == "\n".join(rows[:2]).encode() + b"\n"
    assert table.file.encode(table.cells).startswith(b"5.0,0,a\n")
    assert list(read_table([path], Reading(header="yes")).typed.columns)[2] == "a"
    # The name of the target is in the first row: a header, or doubt.
    named = read_table([path], Reading(target="a"))
    assert list(named.typed.columns)[2] == "a"
    with pytest.raises(BadInput, match="say --header yes or --header no"):
        read_table([path], Reading(target="0"))


@pytest.mark.parametrize(
    "header", ["x,y,label", "country,2019,2020", "id,1,2", "x,,label", "1st,2nd,3rd"]
)
def test_headers_are_not_taken_for_data(tmp_path, header):
    path = tmp_path / "t.csv"
    path.write_text(
        "\n".join([header] + [f"{'ab'[i % 2]},{i},{i + 1}" for i in range(9)])
    )
    assert len(read_table([path]).typed) == 9


def test_lines_are_counted_as_in_a_spreadsheet(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('note,label\n"two\nlines",a\n\nx,b\n"three\n\nlines",a\ny,b\n')
    assert read(path).lines.tolist() == [2, 4, 5, 6]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_the_ends_of_lines_are_kept(tmp_path, end):
    path = tmp_path / "t.csv"
    text = text_of(frame(NARROW), ";", end=end)
    path.write_bytes(text.encode())
    table = read(path)
    assert table.lines.tolist() == list(range(2, N + 2))
    lines = [line + end for line in text.split(end)]
    kept = np.arange(1, N, 2)
    expected = lines[0] + "".join(lines[1 + i] for i in kept)
    assert table.file.records(kept) == expected.encode()
    changed = table.cells.iloc[[3]].assign(town="Elsewhere")
    first, place = lines[4].partition(";")[0], list(table.cells).index("town")
    assert first == table.cells.iloc[3, 0]
    again = table.file.records(np.array([2, 3]), changed).decode().split(end)
    assert again[:2] == [lines[0][: -len(end)], lines[3][: -len(end)]]
    assert again[2].split(";")[place] == "Elsewhere"
    assert again[3:] == [""]


def test_a_quote_that_is_never_closed_is_named_by_its_line(tmp_path):
    path = tmp_path / "t.csv"
    rows = ['1,"two\nlines",a'] * 5 + ['2,"y,b', "3,z,a", ""]
    path.write_text("\n".join(["v,note,label", *rows]))
    with pytest.raises(BadInput, match='a " is opened in line 7 and never closed: '):
        read(path)
