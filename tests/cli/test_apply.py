"""``python -m skinfluence apply``: verdicts are carried out, and nothing else is."""

import json

import numpy as np
import pandas as pd
import pytest
from written_tables import NARROW, N, frame, text_of

from skinfluence.__main__ import main

DROP, RELABEL, UNSURE = [3, 11], {7: "perhaps", 20: "=1+1"}, [15]


def verdicts(folder, **more):
    """Write verdicts as the review page does."""
    rows = [f'{i},drop,"",""' for i in DROP]
    rows += [f'{i},relabel,"{v}",""' for i, v in RELABEL.items()]
    rows = [row.replace('"=1+1"', '"\'=1+1"') for row in rows]
    rows += [f'{i},unsure,"","ask, ""her"""' for i in UNSURE]
    path = folder / "verdicts.csv"
    path.write_text("\n".join(["row,verdict,value,note", *rows]) + "\n")
    return path


def carry_out(path, target="label", **options):
    arguments = [str(a) for pair in options.items() for a in pair]
    file = verdicts(path.parent)
    return main(["apply", str(path), str(file), "--target", target, *arguments])


def test_only_decided_rows_change_their_bytes(tmp_path, capsys):
    path = tmp_path / "t.csv"
    text = text_of(frame(NARROW), ";", ",", ".", end="\r\n")
    path.write_bytes(text.encode("cp1252"))
    assert carry_out(path) == 0
    lines = text.splitlines(keepends=True)
    for i, value in RELABEL.items():
        cells = lines[1 + i].removesuffix("\r\n").split(";")
        lines[1 + i] = ";".join([*cells[:-1], value]) + "\r\n"
    expected = "".join(line for i, line in enumerate(lines) if i - 1 not in DROP)
    reviewed = (tmp_path / "t.reviewed.csv").read_bytes()
    assert reviewed == expected.encode("cp1252")
    changes = pd.read_csv(tmp_path / "t.changes.csv", sep=";", keep_default_na=False)
    assert changes["row"].tolist() == [3, 11, 7, 20, 15]
    assert (changes["line"] == changes["row"] + 2).all()
    given = frame()["label"]
    assert changes["before"].tolist() == given.iloc[changes["row"]].tolist()
    assert changes["after"].tolist() == ["", "", "perhaps", "'=1+1", given[15]]
    assert changes["note"].tolist() == ["", "", "", "", 'ask, "her"']
    out = capsys.readouterr().out
    assert "5 verdicts: 0 keep, 2 drop, 2 relabel, 1 unsure" in out
    assert f"{N - 2} rows" in out
    for i, value in RELABEL.items():
        assert f"line {i + 2}: {value!r} is a value that no row of label had" in out
    assert carry_out(path) == 2
    assert "use --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    "suffix", [".csv.gz", ".parquet", ".feather", ".xlsx", ".jsonl"]
)
def test_every_format(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    table = frame()
    write = {
        ".csv.gz": lambda: table.to_csv(path, index=False),
        ".parquet": lambda: table.to_parquet(path),
        ".feather": lambda: table.to_feather(path),
        ".xlsx": lambda: table.to_excel(path, index=False),
        ".jsonl": lambda: table.to_json(path, orient="records", lines=True),
    }
    read = {
        ".csv.gz": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".feather": pd.read_feather,
        ".xlsx": pd.read_excel,
        ".jsonl": lambda p: pd.read_json(p, lines=True),
    }
    write[suffix]()
    assert carry_out(path) == 0
    expected = table.copy()
    for i, value in RELABEL.items():
        expected.loc[i, "label"] = value
    expected = expected.drop(index=DROP).reset_index(drop=True)
    reviewed = read[suffix](tmp_path / f"t.reviewed{suffix}")
    pd.testing.assert_frame_equal(reviewed, expected, check_dtype=False)
    if suffix == ".jsonl":
        before = path.read_text().splitlines()
        after = (tmp_path / "t.reviewed.jsonl").read_text().splitlines()
        assert after[0] == before[0]
        assert json.loads(after[6]) == {**json.loads(before[7]), "label": "perhaps"}


@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_keep_their_marks(tmp_path, decimal):
    path, file = tmp_path / "t.csv", tmp_path / "v.csv"
    path.write_text(text_of(frame(), ";", decimal))
    file.write_text('row,verdict,value,note\n2,relabel,"12.5",""\n')
    arguments = ["apply", str(path), str(file), "--target", "price"]
    assert main(arguments) == 0
    lines = (tmp_path / "t.reviewed.csv").read_text().splitlines()
    before = path.read_text().splitlines()
    assert lines[3] == f"12{decimal}5;" + before[3].partition(";")[2]
    assert [line for i, line in enumerate(lines) if i != 3] == [
        line for i, line in enumerate(before) if i != 3
    ]


def test_verdicts_from_a_review_are_the_cleaners_suggestions(tmp_path):
    """Relabelling all suspects by hand is ``clean --action relabel``."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    label = np.where(x > 0, "yes", "no")
    label[::9] = np.where(label[::9] == "yes", "no", "yes")
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": x, "label": label}).to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--action", "relabel"]
    assert main([*arguments, "--drop", "0.1"]) == 0
    ranking = pd.read_csv(tmp_path / "t.suspects.csv")
    ranking = ranking[ranking["suspect"]]
    file = tmp_path / "v.csv"
    ranking[["row"]].assign(verdict="relabel", value=ranking["suggested"]).to_csv(
        file, index=False
    )
    assert main(["apply", str(path), str(file), "--target", "label"]) == 0
    reviewed, cleaned = (tmp_path / f"t.{n}.csv" for n in ("reviewed", "cleaned"))
    assert reviewed.read_bytes() == cleaned.read_bytes()


BAD = {
    "no column": ("row,what\n1,drop\n", "has no column 'verdict'"),
    "no position": ("row,verdict\nx,drop\n", "line 2: row must be a position"),
    "negative": ("row,verdict\n-1,drop\n", "row must be a position in the table, 0 to"),
    "too far": (f"row,verdict\n1,drop\n{N},drop\n", "line 3: row must be a position"),
    "unknown": ("row,verdict\n1,burn\n", "must be one of keep, drop, relabel, unsure"),
    "no value": ("row,verdict,value\n1,relabel,\n", "line 2: relabel needs a value"),
    "twice": (
        "row,verdict\n1,drop\n1,keep\n",
        "line 3: row 1 is decided on more than once, as drop and keep",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_verdicts_get_one_line(tmp_path, name, capsys):
    content, message = BAD[name]
    path, file = tmp_path / "t.csv", tmp_path / "v.csv"
    path.write_text(text_of(frame()))
    file.write_text(content)
    assert main(["apply", str(path), str(file), "--target", "label"]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.csv", "v.csv"]


def test_numbers_are_not_relabelled_to_texts(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(text_of(frame()))
    assert carry_out(path, target="price") == 2
    assert (
        "'price' holds numbers, and a row is relabelled to" in capsys.readouterr().err
    )
    assert carry_out(path, target="income") == 2
    assert "has no column 'income'" in capsys.readouterr().err


def test_verdicts_on_another_table_are_refused(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(text_of(frame(), ",", ".", ""))
    labels, file = frame()["label"], tmp_path / "v.csv"
    file.write_text(f"row,verdict,given\n3,drop,{labels[3].upper()}\n")
    assert main(["apply", str(path), str(file), "--target", "label"]) == 0
    other = next(label for label in labels if label != labels[3])
    file.write_text(f"row,verdict,given\n3,drop,{other}\n")
    reviewed = path.with_name("t.reviewed.csv")
    reviewed.unlink()
    arguments = ["apply", str(path), str(file), "--target", "label", "--force"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert f"line 5 of {path} has {labels[3]!r} as 'label'" in said
    assert f"had {other!r}: give the table that was reviewed" in said
    assert not reviewed.exists()


def test_given_numbers_may_have_passed_a_spreadsheet(tmp_path):
    path, file = tmp_path / "t.csv", tmp_path / "v.csv"
    path.write_text("x,y\n1,007\n2,-1.50\n3,2\n")
    file.write_text("row,verdict,given\n0,drop,7\n1,drop,'-1.5\n")
    assert main(["apply", str(path), str(file), "--target", "y"]) == 0
    assert path.with_name("t.reviewed.csv").read_text() == "x,y\n3,2\n"


def test_several_files(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text("x,y\n1,u\n2,v\n")
    paths[1].write_text("x,y\n3,u\n4,v\n")
    file = tmp_path / "v.csv"
    file.write_text("row,verdict,value\n0,drop,\n3,relabel,w\n")
    assert main(["apply", *map(str, paths), str(file), "--target", "y"]) == 0
    reviewed = tmp_path / "a.reviewed.csv"
    assert reviewed.read_text() == "x,y\n2,v\n3,u\n4,w\n"
    changes = pd.read_csv(tmp_path / "a.changes.csv")
    assert changes["file"].tolist() == [str(path) for path in paths]
    assert changes["line"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("column", "value", "new"),
    [
        (["low", "high"] * 20, "high", False),
        (["low", "high"] * 20, "medium", True),
        ([0, 1] * 20, "1.0", False),
        ([0, 1] * 20, "2", True),
        ([i + 0.5 for i in range(40)], "7", False),
    ],
    ids=["label", "new label", "whole number", "new whole number", "amount"],
)
def test_labels_that_no_row_had_are_reported(tmp_path, column, value, new, capsys):
    path, file = tmp_path / "t.csv", tmp_path / "v.csv"
    pd.DataFrame({"x": range(40), "income": column}).to_csv(path, index=False)
    file.write_text(f"row,verdict,value\n3,relabel,{value}\n")
    assert main(["apply", str(path), str(file), "--target", "income"]) == 0
    out = capsys.readouterr().out
    said = f"line 5: {value!r} is a value that no row of income had"
    assert (said in out.splitlines()) is new
    assert "1 verdict: 0 keep, 0 drop, 1 relabel" in out
    assert len(pd.read_csv(tmp_path / "t.reviewed.csv")) == 40
