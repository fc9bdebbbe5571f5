"""Files of any format are read, and what is written has the format that came."""

import gzip
import io
import json
import zipfile
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from written_tables import NARROW, N, frame, read, text_of

from skinfluence.__main__ import main
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._read import file_like, read_table
from skinfluence.cli.tables._table import Reading

pytestmark = pytest.mark.usefixtures("two_folds")

# ----------------------------------------------------------------------- containers


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
@pytest.mark.parametrize("inner", [".csv", ".tsv", ".jsonl"])
def test_compressed_texts(tmp_path, suffix, inner):
    zstandard = pytest.importorskip("zstandard")
    table = frame()
    if inner == ".jsonl":
        content = table.to_json(orient="records", lines=True).encode()
    else:
        content = text_of(table, "\t" if inner == ".tsv" else ",").encode()
    path = tmp_path / f"t{inner}{suffix}"
    if suffix == ".zip":
        path = tmp_path / "t.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"inside{inner}", content)
    else:
        compress = gzip.compress if suffix == ".gz" else zstandard.compress
        path.write_bytes(compress(content))
    read_back = read(path).typed
    pd.testing.assert_frame_equal(read_back, table, check_dtype=False)


def test_an_archive_of_two_files_is_refused(tmp_path):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(BadInput, match=r"holds 2 files \(a.csv, b.csv\)"):
        read(path)


@pytest.mark.parametrize("suffix", [".csv.zst", ".zip", ".xlsx"])
def test_bombs_of_every_container(tmp_path, suffix):
    zstandard = pytest.importorskip("zstandard")
    zeros = b"a,y\n" + b"0" * 80 * 2**20
    path = tmp_path / f"bomb{suffix}"
    if suffix == ".csv.zst":
        path.write_bytes(zstandard.compress(zeros))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/workbook.xml" if suffix == ".xlsx" else "a.csv", zeros)
    with pytest.raises(BadInput, match="decompresses to more than 64 MiB, 100 times"):
        read(path)


# ------------------------------------------------------------- sheets, columns, JSON


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_spreadsheets(tmp_path, suffix):
    pytest.importorskip("openpyxl")
    pytest.importorskip("odf")
    path = tmp_path / f"t{suffix}"
    table = frame().assign(when=pd.date_range("2024-01-01", periods=N), code="=1+1")
    table.loc[3, "price"] = np.nan
    other = pd.DataFrame({"a": [1, 2], "label": ["x", "y"]})
    with pd.ExcelWriter(str(path)) as writer:
        table.drop(columns="code").to_excel(writer, sheet_name="People", index=False)
        other.to_excel(writer, sheet_name="Other", index=False)
    back = read(path)
    assert back.typed["price"].dtype.kind == "f"
    assert back.typed["price"].equals(table["price"])
    assert back.typed["when"].dtype.kind == "M"
    assert back.typed["town"].tolist() == table["town"].tolist()
    assert back.lines.tolist() == list(range(2, N + 2))
    assert "read sheet 'People', the first of 2 (--sheet)" in back.notes
    assert len(read(path, sheet="Other").typed) == 2
    with pytest.raises(BadInput, match="no sheet 'Else'; its sheets are People, Other"):
        read(path, sheet="Else")
    # A text that begins with = is none that runs, here or where it is written.
    (tmp_path / f"u{suffix}").write_bytes(back.file.encode(table))
    again = pd.read_excel(tmp_path / f"u{suffix}", sheet_name="People")
    assert again["code"].tolist() == ["=1+1"] * N
    assert again["price"].equals(table["price"])


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_columnar_formats(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    table = frame().assign(when=pd.date_range("2024-01-01", periods=N))
    getattr(table, f"to_{suffix[1:]}")(path)
    back = read(path)
    pd.testing.assert_frame_equal(back.typed, table)
    content = io.BytesIO(back.file.encode(back.cells.iloc[[1, 3]]))
    again = getattr(pd, f"read_{suffix[1:]}")(content)
    pd.testing.assert_frame_equal(again, table.iloc[[1, 3]].reset_index(drop=True))


def test_columns_of_parquet_that_are_no_scalars(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"price": [Decimal(i) / 4 for i in range(20)]})
    frame["sizes"] = [[i % 2, 1] for i in range(20)]
    frame["bytes"] = [b"ab", None] * 10
    frame["count"] = pd.array([None, *range(19)], dtype="Int64")
    frame["day"] = [date(2021, 1, 1 + i) if i else None for i in range(20)]
    frame["parts"] = [{"x": i} for i in range(20)]
    frame["label"] = ["u", "v"] * 10
    frame.to_parquet(path)
    table = read(path)
    assert table.typed["day"].isna().tolist() == [True] + [False] * 19
    assert table.typed["day"][19] == pd.Timestamp("2021-01-20")
    assert table.cells["day"][19] == date(2021, 1, 20)
    notes = [note.split(":")[0] for note in table.notes]
    assert notes == [f"{name} holds lists or objects" for name in ("sizes", "parts")]
    assert table.typed["price"].tolist() == [i / 4 for i in range(20)]
    assert table.typed["sizes"].tolist() == ["[0 1]", "[1 1]"] * 10
    assert table.typed["bytes"].isna().tolist() == [False, True] * 10
    assert table.cells["price"][3] == Decimal("0.75")
    for command in ("clean", "audit"):
        assert main([command, str(path), "--target", "label"]) == 0


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("a, b , y", "y", "did you mean ' y'?"),
        ("a:b:y", "y", "its only column is 'a:b:y': give --separator or --header"),
    ],
)
def test_advice_about_a_missing_column(tmp_path, capsys, text, target, said):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([text, *[text.replace("a", "1")] * 20]))
    assert main(["clean", str(path), "--target", target]) == 2
    assert said in capsys.readouterr().err


def test_labels_that_look_alike_are_reported(tmp_path, capsys):
    path = tmp_path / "t.csv"
    labels = ["yes", "YES", "yes ", "no"]
    rows = [f"{i % 7},{labels[i % 4]}" for i in range(60)]
    path.write_text("\n".join(["a,label", *rows]))
    assert main(["audit", str(path), "--target", "label"]) == 0
    said = "label: 'YES', 'yes', 'yes ' differ in case or spaces only"
    assert said in capsys.readouterr().out


def test_json_lines(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [{"a": i / 2, "zip": f"00{i}", "tags": ["x", i], "label": "ab"[i % 2]}
            for i in range(12)]  # fmt: skip
    rows[4].pop("a")
    lines = [json.dumps(row, indent=None) for row in rows]
    path.write_text("\n".join([*lines[:5], "", *lines[5:]]))
    table = read(path)
    assert np.isnan(table.typed["a"][4])
    assert table.typed["zip"][3] == "003"
    assert table.typed["tags"][3] == '["x", 3]'
    assert [note.split(":")[0] for note in table.notes] == [
        "tags holds lists or objects"
    ]
    assert table.lines.tolist() == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13]
    assert table.file.records([0, 11]) == f"{lines[0]}\n{lines[11]}\n".encode()
    path.write_text(json.dumps([1, 2]))
    with pytest.raises(BadInput, match="line 1 is a list"):
        read(path)


# ----------------------------------------------------------------- several and stdin


def test_several_files_are_one_table(tmp_path):
    first, second, third = (tmp_path / name for name in ("a.csv", "b.csv", "c.csv"))
    table = frame()
    first.write_text(text_of(table.iloc[:15]).removesuffix("\n"))
    second.write_text(text_of(table.iloc[15:]))
    both = read_table([first, second])
    pd.testing.assert_frame_equal(both.typed, table, check_dtype=False)
    assert both.lines.tolist() == [*range(2, 17), *range(2, 27)]
    assert both.files.tolist() == [str(first)] * 15 + [str(second)] * 25
    lines = text_of(table).splitlines(keepends=True)
    kept = [0, 14, 15, 39]
    expected = lines[0] + "".join(lines[1 + i] for i in kept)
    assert both.file.records(np.array(kept)) == expected.encode()
    # Another separator: the rows are written in the manner of the first.
    second.write_text(text_of(table.iloc[15:], ";"))
    mixed = read_table([first, second])
    pd.testing.assert_frame_equal(mixed.typed, table, check_dtype=False)
    assert mixed.file.records(np.array(kept)) is None
    assert mixed.file.encode(mixed.cells).decode() == text_of(table)
    third.write_text("price,town,size\n1,b,2\n")
    with pytest.raises(BadInput, match="different columns: 'label' is in one"):
        read_table([first, third])


def test_standard_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    contents = {
        "csv": text_of(frame(), ";", ",").encode(),
        "csv.gz": gzip.compress(text_of(frame()).encode()),
        "jsonl": frame().to_json(orient="records", lines=True).encode(),
    }
    for write in ("parquet", "feather", "excel"):
        buffer = io.BytesIO()
        keywords = {"index": False} if write == "excel" else {}
        getattr(frame(), f"to_{write}")(buffer, **keywords)
        contents[write] = buffer.getvalue()

    class Stdin:
        def __init__(self, content):
            self.buffer = io.BytesIO(content)

    for content in contents.values():
        monkeypatch.setattr("sys.stdin", Stdin(content))
        pd.testing.assert_frame_equal(read("-").typed, frame(), check_dtype=False)
    monkeypatch.setattr("sys.stdin", Stdin(contents["csv"]))
    assert main(["clean", "-", "--target", "label", "--drop", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "read with separator ';' (--separator), decimal mark ',' (--decimal)" in out
    lines = contents["csv"].decode().splitlines()
    cleaned = (tmp_path / "stdin.cleaned.csv").read_text().splitlines()
    assert len(cleaned) == 37
    assert set(cleaned) < set(lines)


# ----------------------------------------------------------------------- end to end


def test_a_cleaned_table_has_the_manner_of_the_table(tmp_path, capsys):
    path = tmp_path / "umsätze.csv"
    text = text_of(frame(NARROW), ";", ",", ".", end="\r\n")
    path.write_bytes(text.encode("cp1252"))
    arguments = ["clean", str(path), "--target", "label", "--drop", "0.1"]
    assert main(arguments) == 0
    ranking = pd.read_csv(
        tmp_path / "umsätze.suspects.csv", sep=";", decimal=",", encoding="cp1252"
    )
    assert ranking["value"].dtype.kind == "f"
    assert (ranking["line"] == ranking["row"] + 2).all()
    out = capsys.readouterr().out
    worst = ranking.iloc[0]
    assert f"  line {worst['line']}: " in out
    lines = text.splitlines(keepends=True)
    kept = sorted(ranking["row"][~ranking["suspect"]])
    expected = lines[0] + "".join(lines[1 + i] for i in kept)
    cleaned = tmp_path / "umsätze.cleaned.csv"
    assert cleaned.read_bytes() == expected.encode("cp1252")
    # Another format where its name says so.
    options = [
        "--force",
        "--action",
        "relabel",
        "--output",
        str(tmp_path / "c.parquet"),
    ]
    assert main([*arguments, *options]) == 0
    assert len(pd.read_parquet(tmp_path / "c.parquet")) == N


def test_the_ranking_of_a_workbook_holds_no_formula(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    table = frame().assign(label=["=1+1" if i % 3 else "yes" for i in range(N)])
    path.write_bytes(file_like(path).encode(table))
    assert main(["clean", str(path), "--target", "label", "--drop", "0.1"]) == 0
    for name in ("t.suspects.xlsx", "t.cleaned.xlsx"):
        sheet = openpyxl.load_workbook(tmp_path / name).active
        cells = [cell for row in sheet.iter_rows() for cell in row]
        assert not [cell for cell in cells if cell.data_type == "f"]
        assert len(cells) > 100


def test_a_price_is_never_808_classes(tmp_path, capsys):
    path = tmp_path / "t.csv"
    rng = np.random.default_rng(0)
    prices = rng.integers(900, 1900, 200)
    rows = [f'{p / 100:.2f},"{p:,}",n{p % 97}' for p in prices]
    path.write_text("\n".join(["x,price,model", *rows]))
    assert main(["clean", str(path), "--target", "price"]) == 0
    out = capsys.readouterr().out
    assert "different whole numbers, taken for amounts (--task classification" in out
    assert "price: regression" in out
    assert main(["clean", str(path), "--target", "model", "--force"]) == 2
    err = capsys.readouterr().err
    assert "fewer than 10 rows of a class. If they are labels, say --task" in err


def test_the_first_sheet_with_the_target_is_read(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        notes = pd.DataFrame({"Read me": ["first"]})
        notes.to_excel(book, sheet_name="notes", index=False)
        frame().to_excel(book, sheet_name="rows", index=False)
        frame().to_excel(book, sheet_name="more", index=False)
    table = read_table([path], Reading(target="town"))
    assert table.typed["town"].tolist() == frame()["town"].tolist()
    assert "read sheet 'rows', the first with the target of 3 (--sheet)" in table.notes
    assert read_table([path], Reading(target="none")).cells.shape == (1, 1)


def test_formulas_become_values_with_a_note(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    frame().to_excel(path, index=False)
    assert "formulas" not in " ".join(read(path).notes)
    book = openpyxl.load_workbook(path)
    book.active["A2"] = "=1+1"
    book.save(path)
    assert "formulas are read as the values" in " ".join(read(path).notes)


def test_a_list_is_no_line_of_json(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(frame().to_json(orient="records"))
    with pytest.raises(BadInput, match="line 1 is a list: write one object a line"):
        read(path)
