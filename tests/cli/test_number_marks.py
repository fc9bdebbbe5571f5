"""Numbers as people write them: read rightly, or with a word."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.cli.tables._number_marks import NumberMarks
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

N = 40


def column(tmp_path, texts, **reading):
    """Read a column of some texts, again and again, beside a label."""
    path = tmp_path / "t.csv"
    rows = [f"{texts[i % len(texts)]};{'no' if i % 2 else 'yes'}" for i in range(N)]
    path.write_text("\n".join(["v;label", *rows, ""]), encoding="utf-8")
    table = read_table([path], Reading(target="label", **reading))
    return table.typed["v"].tolist()[: len(texts)], " ".join(table.notes)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("\u22125.25", -5.25),
        ("(1,709.42)", -1709.42),
        ("($12.50)", -12.5),
        ("12.50-", -12.5),
        ("$-3", -3),
        ("-$3", -3),
        ("EUR 1,200.50", 1200.5),
        ("99.90 kr", 99.9),
        ("7 zł", 7),
    ],
)
def test_ways_of_writing(text, number):
    assert NumberMarks(".", ",").number(text) == number


@pytest.mark.parametrize("text", ["--5", "+-5", "(-5)", "(5", "5)", "-5-", "-$-5"])
def test_no_ways_of_writing(text):
    assert not NumberMarks(".", ",").is_number(text)


def test_a_zero_begins_no_group_of_thousands(tmp_path):
    values, said = column(tmp_path, ["0,536", "1,250", "12,400"])
    assert values == [0.536, 1.25, 12.4]
    assert "--decimal" in said


def test_points_that_may_be_marks_of_thousands_are_reported(tmp_path):
    values, said = column(tmp_path, ["636.818", "1.499", "12.001"])
    assert values == [636.818, 1.499, 12.001]
    assert "v: '636.818' is read with a decimal point (--decimal .)" in said
    assert "--thousands . reads it as 636818" in said
    values, said = column(tmp_path, ["636.818", "1.499"], thousands=".")
    assert values == [636818, 1499]
    _, said = column(tmp_path, ["636.818", "1.499"], decimal=".")
    assert "decimal point" not in said
    for texts in (["636.818", "0.499"], ["636.818", "1.4"], ["1636.818"], ["5", "6"]):
        assert "decimal point" not in column(tmp_path, texts)[1]


def test_points_that_must_be_marks_of_thousands(tmp_path):
    values, said = column(tmp_path, ["950", "1.200", "1.499"])
    assert values == [950, 1200, 1499]
    assert "thousands mark '.' (--thousands)" in said
    assert column(tmp_path, ["950", "1.2", "1.499"])[0] == [950, 1.2, 1.499]


def test_signs_of_missing_values_may_be_many(tmp_path):
    values, said = column(tmp_path, ["4", "?", "Unknown", "7"])
    assert values[::3] == [4, 7]
    assert values[1] != values[1]
    assert "v has 20 values besides numbers, '?', say: taken as missing" in said


def test_mixed_columns_are_reported(tmp_path):
    values, said = column(tmp_path, ["4", "low", "7"])
    assert values == ["4", "low", "7"]
    assert "v holds numbers in 68% of its values, and others, 'low', say" in said


def test_ledgers_and_units_are_reported(tmp_path):
    values, said = column(tmp_path, ["(4.50)", "5%", "0.07"])
    assert values == [-4.5, 5, 0.07]
    assert (
        "v has 14 values in brackets or with the minus behind, '(4.50)', say: read"
        in said
    )
    assert "v has several units (none, %): read without them" in said


@pytest.mark.parametrize("suffix", [".jsonl", ".xlsx"])
def test_numbers_in_texts_of_other_formats(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    prices = ["1.200,50", "7,25", "10,00"] * 10
    frame = pd.DataFrame({"price": prices, "town": "Köln", "label": ["u", "v"] * 15})
    frame.insert(1, "size", np.arange(30))
    frame["zip"] = [f"{i:04d}" for i in range(90, 120)]
    if suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    table = read_table([path], Reading(target="label"))
    assert table.typed["price"].tolist() == [1200.5, 7.25, 10] * 10
    assert table.typed["town"].tolist() == ["Köln"] * 30
    assert table.cells["price"].tolist() == prices
    assert table.typed["zip"].tolist() == frame["zip"].tolist()
    said = " ".join(table.notes)
    assert "decimal mark ',' (--decimal), thousands mark '.' (--thousands)" in said


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["180,3 cm", "171,0 cm", "165,5 cm"], "cm"),
        (["12 km/h", "7.5 km/h"], "km/h"),
        (["3 Jahre", "11 Jahre"], "Jahre"),
    ],
)
def test_an_unknown_unit_is_reported(tmp_path, texts, unit):
    values, notes = column(tmp_path, texts)
    assert values == texts
    assert f"v holds numbers with '{unit}' behind them: taken for text" in notes


@pytest.mark.parametrize("texts", [["12 cm", "3 kg"], ["4a", "B7"], ["red", "2 blue"]])
def test_words_that_differ_are_no_unit(tmp_path, texts):
    assert "behind them" not in column(tmp_path, texts)[1]


def test_numbers_with_other_marks_than_the_table_are_reported(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"2.{i:03d},40 €;0.{i + 125}1;a" for i in range(N)]
    path.write_text("\n".join(["price;grade;label", *rows, ""]), encoding="utf-8")
    table = read_table([path], Reading(target="label"))
    assert table.typed["grade"][0] == 0.1251
    assert table.typed["price"].dtype.kind == "O"
    said = "price holds numbers such as '2.000,40 €', unlike columns with the"
    assert said in " ".join(table.notes)


def test_groups_of_thousands_have_no_exponent(tmp_path):
    numbers, said = column(tmp_path, ["2,345e+03", "1,5e-02"])
    assert numbers == [2345.0, 0.015]
    assert "decimal mark ','" in said
    assert not NumberMarks(".", ",").is_number("2,345e+03")
    assert NumberMarks(".", ",").number("2.345e+03") == 2345
