"""``python -m skinfluence``: what it refuses, in one line, and writes nothing."""

import sys
from pathlib import Path

import pytest
from people_table import names

from skinfluence.__main__ import main
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._task import read_task

BAD_OPTIONS = {
    "no column, close name": (["--target", "Label"], "did you mean 'label'"),
    "no column at all": (["--target", "income"], "its columns are a, b"),
    "share of one": (
        ["--target", "label", "--drop", "1"],
        "in [0, 1), not 1; 0.1 is 10%",
    ),
    "share below zero": (["--target", "label", "--drop", "-0.1"], "in [0, 1)"),
    "share no number": (["--target", "label", "--drop", "some"], "invalid share"),
    "share in percent": (
        ["--target", "label", "--drop", "10%"],
        "invalid share value: '10%'; 0.1 is 10%",
    ),
    "no target": ([], "--target"),
    "two targets": (
        ["--target", "a", "--target", "label"],
        "takes one column, not 'a', 'label': run once for each",
    ),
    "two targets in one": (
        ["--target", "a,label"],
        "takes one column, not 'a', 'label'",
    ),
    "few rows": (["--target", "label", "--max-rows", "9"], "at least 10, not 9"),
    "unknown method": (["--target", "label", "--method", "magic"], "magic"),
    "unknown option": (["--target", "label", "--fast"], "--fast"),
    "text to regress": (
        ["--target", "label", "--task", "regression"],
        "it holds 'big', for instance (line 2)",
    ),
    "one class": (["--target", "same"], "has one class only, x"),
    "no labels": (
        ["--target", "code", "--task", "classification"],
        "too many for labels",
    ),
    "no jobs": (["--target", "label", "--jobs", "0"], "--jobs must not be 0"),
    "negative seed": (["--target", "label", "--seed", "-1"], "--seed must be"),
    "classes of amounts": (
        ["--target", "size", "--drop", ".1", "--per-class"],
        "'size' holds amounts",
    ),
    "same outputs": (
        ["--target", "label", "--output", "a.csv", "--suspects", "a.csv"],
        "the same file",
    ),
    "a page that is none": (
        ["--target", "label", "--report", "a.pdf"],
        "must end in .html or .htm",
    ),
    "a page in no folder": (
        ["--target", "label", "--report", "no/a.html"],
        "no such folder",
    ),
    "a page instead of a table": (
        ["--target", "label", "--output", "a.html"],
        "end in the format",
    ),
    "unknown action": (["--target", "label", "--action", "burn"], "burn"),
    "no column of groups": (
        ["--target", "label", "--groups", "codes"],
        "did you mean 'code'",
    ),
    "groups are the target": (
        ["--target", "label", "--groups", "label"],
        "are the same column",
    ),
    "one group": (["--target", "label", "--groups", "same"], "are all equal, x"),
    "groups with holes": (
        ["--target", "label", "--groups", "colour"],
        "without a value of 'colour', the first on line 4: --groups needs",
    ),
    "groups in order": (
        ["--target", "label", "--groups", "code", "--time-ordered"],
        "exclude each other",
    ),
    "the table itself": (
        ["--target", "label", "--output", "people.csv", "--force"],
        "is the table itself",
    ),
    "unknown format": (
        ["--target", "label", "--output", "a.doc"],
        "end in the format",
    ),
    "no folder": (["--target", "label", "--output", "no/a.csv"], "no such folder"),
    "folder as output": (["--target", "label", "--output", "folder.csv"], "folder"),
}


@pytest.mark.parametrize(
    ("options", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys()
)
def test_bad_options_get_one_line(table, options, message, capsys, monkeypatch):
    monkeypatch.chdir(table.parent)
    (table.parent / "folder.csv").mkdir()
    before = names(table.parent)
    assert main(["clean", "people.csv", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("skinfluence: ")
    assert err.count("\n") == 1
    assert names(table.parent) == before


BAD_TABLES = {
    "missing.csv": (None, "does not exist"),
    "table.doc": (b"", "end in the format"),
    "broken.xlsx": (b"this is no workbook", "cannot read"),
    "broken.ods": (b"this is no document", "cannot read"),
    "broken.csv.zst": (b"this is no archive", "cannot read"),
    "broken.zip": (b"this is no archive", "cannot read"),
    "broken.feather": (b"this is no Feather", "cannot read"),
    "broken.jsonl": (b'{"a": 1, "y": 0}\n{"a": 1,', "line 2 is no JSON"),
    "empty.csv": (b"", "is empty"),
    "header.csv": (b"a,y\n", "a header and no rows"),
    "short.csv": (b"a,y\n" + b"1,0\n2,1\n" * 4, "at least 10 are needed"),
    "alone.csv": (b"y\n" + b"0\n1\n" * 10, "no column besides"),
    "ragged.csv": (b"a,y\n1,2\n1,2,3,4\n", "cannot read"),
    "longer.csv": (b"a,y\n" + b"1,2,0\n2,2,1\n" * 10, "cannot read"),
    "broken.csv.gz": (b"this is no archive", "cannot read"),
    "broken.parquet": (b"this is no Parquet", "cannot read"),
    "same.csv": (b"a,y\n" + b"1,2.5\n2,2.5\n" * 10, "is always 2.5"),
    "dates.csv": (
        b"a,y\n" + b"1,2024-01-01\n2,2024-02-01\n" * 10,
        "target 'y' of",
    ),
    "unlabelled.csv": (b"a,y\n" + b"1,\n2,\n" * 10, "0 rows with a value of 'y'"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_get_one_line(tmp_path, name, capsys):
    content, message = BAD_TABLES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = names(tmp_path)
    outputs = [
        "--output",
        str(tmp_path / "o.csv"),
        "--suspects",
        str(tmp_path / "s.csv"),
    ]
    assert main(["clean", str(tmp_path / name), "--target", "y", *outputs]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("module", "name"), [("pandas", "people.csv"), ("pyarrow", "people.parquet")]
)
def test_a_missing_library_is_named(table, module, name, capsys, monkeypatch):
    path = table.with_name(name)
    path.touch()
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["clean", str(path), "--target", "label"]) == 2
    err = capsys.readouterr().err
    assert 'pip install "skinfluence[tables]"' in err
    assert err.count("\n") == 1


def test_a_failed_write_leaves_no_file(table, capsys, monkeypatch):
    before = names(table.parent)
    write, calls = Path.write_bytes, []  # the ranking, then the table

    def full_disk(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise OSError("No space left on device")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    assert main(["clean", str(table), "--target", "label"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert names(table.parent) == before


def test_dates_are_labels_if_asked_for(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "1,2024-01-01\n2,2024-02-01\n" * 20)
    assert main(["clean", str(path), "--target", "y"]) == 2
    err = capsys.readouterr().err
    assert "holds dates, which are neither labels nor amounts" in err
    options = ["--target", "y", "--task", "classification", "--drop", "0.1"]
    assert main(["clean", str(path), *options]) == 0
    assert "classification, 2 classes" in capsys.readouterr().out


def test_a_target_that_is_no_number_is_named_with_its_line(tmp_path):
    lines = ["a,y", *["1,2.5", '2,"1.200,5"', "3,many", "4,-1"] * 5]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(BadInput, match=r"holds 'many', for instance \(line 4\)"):
        read_task([tmp_path / "t.csv"], "y", "regression")
