"""Files of verdicts as people save them, and verdicts that are about other rows."""

import json
import re

import pandas as pd
import pytest

from skinfluence.__main__ import main

pytestmark = pytest.mark.usefixtures("two_folds")

N = 40
GERMAN = "alter;preis;größe\r\n" + "".join(
    f"{i};{10 * i},5{i % 10};{'klein' if i % 3 else 'groß'}\r\n" for i in range(N)
)


def apply(folder, content, target="y", name="verdicts.csv", table="t.csv"):
    file = folder / name
    if content is not None:
        file.write_bytes(content)
    arguments = ["apply", str(folder / table), str(file), "--target", target]
    return main([*arguments, "--force"])


@pytest.fixture
def labels(tmp_path):
    rows = [f"{i},{'yes' if i % 2 else 'no'}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows, ""]))
    del rows[1]
    rows[1] = "2,yes"
    return tmp_path, "\n".join(["x,y", *rows, ""])


AS_SAVED = {
    "capitals": "row,verdict,value\n1,Drop,\n2,RELABEL,yes\n",
    "byte order mark": "\ufeffrow,verdict,value\n1,drop,\n2,relabel,yes\n",
    "semicolons": "row;verdict;value;note;given\n1;drop;;;yes\n2;relabel;yes;;no\n",
    "tabs": "row\tverdict\tvalue\n1\tdrop\t\n2\trelabel\tyes\n",
    "spaces": "row, verdict, value\n1, drop, \n2, relabel, yes\n",
    "header in capitals": "Row,Verdict,Value\n1,drop,\n2,relabel,yes\n",
    "points behind rows": "row,verdict,value\n1.0,drop,\n2.0,relabel,yes\n",
    "empty lines": "row,verdict,value\n1,drop,\n,,\n2,relabel,yes\n\n",
    "a note": "row,verdict,value,note\n1,drop,,größer\n2,relabel,yes,\n",
}


@pytest.mark.parametrize("saved", AS_SAVED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_verdicts_as_people_save_them(labels, saved, encoding):
    folder, expected = labels
    text = AS_SAVED[saved]
    if encoding != "utf-8":
        text = text.removeprefix("\ufeff")
    assert apply(folder, text.encode(encoding)) == 0
    assert (folder / "t.reviewed.csv").read_text() == expected


def test_verdicts_in_a_spreadsheet(labels):
    folder, expected = labels
    verdicts = pd.DataFrame({"row": [1, 2], "verdict": ["drop", "relabel"]})
    verdicts["value"] = [None, "yes"]
    verdicts.to_excel(folder / "v.xlsx", index=False)
    assert apply(folder, None, name="v.xlsx") == 0
    assert (folder / "t.reviewed.csv").read_text() == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("12,75", "12,75"), ("12.75", "12,75"), ("1.234,5", "1234,5"), ("7", "7")],
)
def test_numbers_with_the_marks_of_the_table(tmp_path, written, expected):
    (tmp_path / "t.csv").write_bytes(GERMAN.encode("cp1252"))
    content = f'row,verdict,value\n1,drop,\n2,relabel,"{written}"\n'.encode()
    assert apply(tmp_path, content, "preis") == 0
    lines = GERMAN.splitlines(keepends=True)
    lines[3] = f"2;{expected};klein\r\n"
    del lines[2]
    reviewed = (tmp_path / "t.reviewed.csv").read_bytes()
    assert reviewed == "".join(lines).encode("cp1252")
    log = pd.read_csv(tmp_path / "t.changes.csv", sep=";", dtype=str)
    assert log["before"].tolist() == ["10,51", "20,52"]
    assert log["after"].tolist()[1] == expected


def test_marks_of_thousands(tmp_path):
    rows = [f'{i},"{1000 + 37 * i:,}"' for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows, ""]))
    assert apply(tmp_path, b'row,verdict,value\n2,relabel,"1,499"\n') == 0
    rows[2] = "2,1499"
    expected = "\n".join(["x,y", *rows, ""])
    assert (tmp_path / "t.reviewed.csv").read_text() == expected


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1.234", "which may be one of two: write 1,234 or 1234"),
        ("viel", "relabelled to 'viel': write a number, with the decimal mark ','"),
        ("", "relabel needs a value: write one, or make it drop or unsure"),
        (" ", "relabel needs a value: write one, or make it drop or unsure"),
        ("nan", "relabelled to 'nan': write a number"),
    ],
)
@pytest.mark.parametrize("command", ["apply", "clean"])
def test_bad_numbers_name_their_line(tmp_path, written, said, command, capsys):
    (tmp_path / "t.csv").write_bytes(GERMAN.encode("cp1252"))
    file = tmp_path / "v.csv"
    file.write_text(f'row,verdict,value\n1,drop,\n2,relabel,"{written}"\n')
    arguments = [command, str(tmp_path / "t.csv"), "--target", "preis"]
    arguments += ["--verdicts"] * (command == "clean") + [str(file)]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert f"{file}, line 3: " in err
    assert said in err


def test_the_log_of_dropped_amounts_in_parquet(tmp_path):
    frame = pd.DataFrame({"x": range(N), "y": [1.5 * i for i in range(N)]})
    frame.to_parquet(tmp_path / "t.parquet")
    content = b"row,verdict,value\n1,drop,\n2,relabel,7.25\n3,keep,\n"
    assert apply(tmp_path, content, table="t.parquet") == 0
    log = pd.read_parquet(tmp_path / "t.changes.parquet")
    assert log["before"].tolist() == [1.5, 3.0, 4.5]
    assert log["after"].tolist()[1:] == [7.25, 4.5]
    assert pd.isna(log["after"][0])


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """A table of equal targets, and a verdict of its page."""
    folder = tmp_path_factory.mktemp("checked")
    rows = [f"{i / 2:.2f},{'TRUE' if i > 50 else 'FALSE'},{i % 7}" for i in range(100)]
    rows[10] = "5.00,TRUE,3"
    text = "\n".join(["x,y,z", *rows, ""])
    path, page = folder / "t.csv", folder / "r.html"
    path.write_text(text)
    arguments = ["clean", str(path), "--target", "y", "--drop", "0.01"]
    assert main([*arguments, "--report", str(page)]) == 0
    data = re.search('id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1]
    (suspect,) = json.loads(data)["suspects"]
    assert suspect["row"] == 10
    verdict = f"row,verdict,value,note,given,check\n10,drop,,,TRUE,{suspect['check']}\n"
    return text, verdict


def test_rows_that_moved_are_refused(reviewed, tmp_path, capsys):
    text, verdict = reviewed
    moved = text.replace("0.00,FALSE,0\n", "").replace("5.50,FALSE", "5.50,TRUE")
    (tmp_path / "t.csv").write_text(moved)  # the target at row 10 is TRUE again
    assert apply(tmp_path, verdict.encode()) == 2
    err = capsys.readouterr().err
    assert "verdicts.csv, line 2: line 12 of " in err
    assert "is not the row that was reviewed" in err
    assert "delete the column check" in err
    unchecked = "\n".join(line.rpartition(",")[0] for line in verdict.splitlines())
    assert apply(tmp_path, unchecked.encode()) == 0


def test_a_spreadsheet_may_save_the_table(reviewed, tmp_path):
    text, verdict = reviewed
    saved = text.replace(".00,", ",").replace("TRUE", "True").replace(",", ";")
    (tmp_path / "t.csv").write_text(saved)
    assert apply(tmp_path, verdict.encode()) == 0
    expected = saved.replace("5;True;3\n", "")
    assert (tmp_path / "t.reviewed.csv").read_text() == expected


def test_cells_that_changed_are_noticed(reviewed, tmp_path, capsys):
    text, verdict = reviewed
    (tmp_path / "t.csv").write_text(text.replace("5.00,TRUE,3", "5.01,TRUE,3"))
    assert apply(tmp_path, verdict.encode()) == 2
    assert "or its cells were changed since" in capsys.readouterr().err
