"""Rows that get another target are written as the others are, in every format."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main

pytestmark = pytest.mark.usefixtures("two_folds")

N = 60


def table(target):
    x = np.arange(N) % 13
    return pd.DataFrame({"x": x, "z": np.arange(N) % 7 * 0.5, "y": target})


def write(path, frame):
    if path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)


def read(path):
    if path.suffix == ".xlsx":
        return pd.read_excel(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True)
    return pd.read_csv(path)


def apply(path, verdicts):
    decided = path.with_name("verdicts.csv")
    decided.write_text("row,verdict,value,note\n" + verdicts)
    assert main(["apply", str(path), str(decided), "--target", "y"]) == 0
    return path.with_name(f"t.reviewed{path.suffix}")


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".jsonl"])
@pytest.mark.parametrize(
    ("target", "old", "new", "expected"),
    [
        (np.arange(N) * 1.5, 1.5, "2000.25", 2000.25),
        (np.arange(N) % 2 == 0, False, "True", True),
        (np.array(["hi", "lo"])[np.arange(N) % 2], "lo", "other", "other"),
    ],
)
def test_verdicts_in_every_format(tmp_path, suffix, target, old, new, expected):
    path = tmp_path / f"t{suffix}"
    write(path, table(target))
    assert read(path)["y"][1] == old
    after = read(apply(path, f"1,relabel,{new},\n"))["y"].tolist()
    assert after == [target[0], expected, *target[2:]]
    assert type(after[1]) is type(after[0])


def test_cleaning_relabels_in_every_format(tmp_path):
    x = np.random.default_rng(0).normal(size=N)
    target = x > 0
    target[[3, 4]] = ~target[[3, 4]]
    for suffix in (".csv", ".xlsx", ".parquet", ".jsonl"):
        path = tmp_path / f"t{suffix}"
        write(path, pd.DataFrame({"x": x, "x2": x * 2, "y": target}))
        options = ["--target", "y", "--action", "relabel", "--drop", "0.04"]
        assert main(["clean", str(path), *options]) == 0
        y = read(tmp_path / f"t.cleaned{suffix}")["y"]
        assert y.dtype == bool
        assert y.tolist() == (x > 0).tolist()


def test_marks_and_bytes_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    x = np.arange(N)
    x[[20]] = 3
    rows = [f'"{i}";{i + 0.25:.2f};1.{i + 100},50'.replace(".2", ",2") for i in x]
    path.write_bytes("\r\n".join(["x;z;y", *rows, ""]).encode())
    options = ["--target", "y", "--action", "relabel", "--drop", "0.02"]
    rows[20] = '"3";3,25;1.120,50'
    path.write_bytes("\r\n".join(["x;z;y", *rows, ""]).encode())
    assert main(["clean", str(path), *options]) == 0
    written = (tmp_path / "t.cleaned.csv").read_bytes().decode().split("\r\n")
    changed = [i for i, row in enumerate(rows) if written[i + 1] != row]
    assert changed == [20]
    x, z, y = written[21].split(";")
    assert z == "3,25"
    assert float(y.replace(".", "").replace(",", ".")) == pytest.approx(1103.5, abs=12)
    reviewed = apply(path, "5,relabel,1100.5,\n6,relabel,1234.5,\n")
    written = reviewed.read_bytes().decode().split("\r\n")
    assert written[6] == "5;5,25;1.100,50"  # as another row has it
    assert written[7] == "6;6,25;1234,5"
    assert [*written[1:6], *written[8:-1]] == [*rows[:5], *rows[7:]]


def test_values_of_others_are_written_as_theirs(tmp_path):
    path = tmp_path / "t.csv"
    target = np.array(["TRUE", "FALSE"])[np.arange(N) % 2]
    write(path, table(target))
    assert apply(path, "1,relabel,True,\n").read_text().splitlines()[2] == "1,0.5,TRUE"
    write(path, table(np.array(["007", "010"])[np.arange(N) % 2]))
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text("row,verdict,value,note\n1,relabel,7,\n")
    main(["apply", str(path), str(verdicts), "--target", "y", "--force"])
    reviewed = (tmp_path / "t.reviewed.csv").read_text().splitlines()
    assert reviewed[2] == "1,0.5,007"


def test_whole_numbers_may_become_others(tmp_path):
    for dtype in ("int64", "Int64"):
        folder = tmp_path / dtype
        folder.mkdir()
        path = folder / "t.parquet"
        write(path, table(pd.array(np.arange(N), dtype=dtype)))
        after = read(apply(path, "1,relabel,0.5,\n"))["y"]
        assert after.tolist() == [0, 0.5, *range(2, N)]
        assert after.dtype == dtype.replace("int", "float").replace("Int", "Float")


def test_no_third_truth_value(tmp_path, capsys):
    path = tmp_path / "t.parquet"
    write(path, table(np.arange(N) % 2 == 0))
    verdicts = tmp_path / "v.csv"
    verdicts.write_text("row,verdict,value,note\n1,relabel,perhaps,\n")
    assert main(["apply", str(path), str(verdicts), "--target", "y"]) == 2
    assert "'y' holds False and True, and a row is relabelled to 'perhaps'" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "t.reviewed.parquet").exists()


def test_new_categories(tmp_path):
    path = tmp_path / "t.parquet"
    frame = table(pd.Categorical(np.array(["a", "b"])[np.arange(N) % 2]))
    write(path, frame)
    after = read(apply(path, "1,relabel,c,\n"))["y"]
    assert after.dtype == pd.CategoricalDtype(["a", "b", "c"])
    assert after.tolist() == ["a", "c", *frame["y"][2:]]


def test_decimals_and_values_that_may_be_missing(tmp_path):
    path = tmp_path / "t.parquet"
    decimals = [Decimal(i) / 4 for i in range(N)]
    for target, new, expected in (
        (pd.Series(decimals, dtype=object), "100.5", Decimal("100.50")),
        (pd.array([None, *range(1, N)], dtype="Int64"), "77", 77),
        (pd.array([None, *[i % 2 == 0 for i in range(1, N)]], dtype="boolean"),)
        + ("True", True),
    ):
        write(path, table(target))
        before, reviewed = read(path)["y"], tmp_path / "t.reviewed.parquet"
        reviewed.unlink(missing_ok=True)
        (tmp_path / "t.changes.parquet").unlink(missing_ok=True)
        after = read(apply(path, f"1,relabel,{new},\n"))["y"]
        assert after.dtype == before.dtype
        assert after[1] == expected
        pd.testing.assert_series_equal(after.drop(1), before.drop(1))


def test_nested_values_stay(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [{"x": i, "tags": ["a", {"b": i}], "y": i % 2} for i in range(N)]
    del rows[1]["x"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    written = apply(path, "1,relabel,0,\n").read_text().splitlines()
    rows[1]["y"] = 0
    assert [json.loads(line) for line in written] == rows
    options = ["--target", "y", "--action", "weight", "--drop", "0.1"]
    assert main(["clean", str(path), *options]) == 0
    written = (tmp_path / "t.cleaned.jsonl").read_text().splitlines()
    assert [json.loads(line)["tags"] for line in written] == [r["tags"] for r in rows]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".jsonl"])
@pytest.mark.parametrize(
    ("written", "new", "expected"),
    [
        ("${}", "1000.5", "$1000.5"),
        ("{}%", "12.25", "12.25%"),
        ("{} %", "1000", "1000 %"),
        ("€ {}", "-3.5", "-€ 3.5"),
        ("EUR {}", "99.125", "EUR 99.125"),
    ],
)
def test_units_of_a_column_stay(tmp_path, suffix, written, new, expected):
    path = tmp_path / f"t{suffix}"
    cells = [written.format(1.5 * i) for i in range(N)]
    write(path, table(cells))
    after = read(apply(path, f"1,relabel,{new},\n"))["y"].tolist()
    assert after == [cells[0], expected, *cells[2:]]


def test_columns_of_several_units_have_none(tmp_path):
    path = tmp_path / "t.csv"
    cells = [f"${i}" if i % 2 else f"{i}" for i in range(N)]
    write(path, table(cells))
    after = apply(path, "1,relabel,1000.5,\n").read_text().splitlines()
    assert after[2].endswith(",1000.5")


def test_cleaning_keeps_units_and_writes_no_exponent(tmp_path):
    path = tmp_path / "t.csv"
    x = np.random.default_rng(0).normal(size=N)
    price = (7_000_000 + 500_000 * x).round()
    price[7] = 30_000_000
    frame = pd.DataFrame({"x": x, "y": [f"${p:.0f}" for p in price]})
    frame.to_csv(path, index=False)
    page = tmp_path / "r.html"
    options = ["--action", "relabel", "--drop", "0.02", "--report", str(page)]
    assert main(["clean", str(path), "--target", "y", *options]) == 0
    cleaned = pd.read_csv(tmp_path / "t.cleaned.csv")["y"]
    assert cleaned[7].startswith("$")
    assert float(cleaned[7][1:]) == pytest.approx(7_000_000 + 500_000 * x[7], rel=0.1)
    assert cleaned.drop(7).tolist() == frame["y"].drop(7).tolist()
    assert "e+06" not in page.read_text()
    assert f"predicts {cleaned[7][1:]}:" in page.read_text()


def test_whole_numbers_are_relabelled_to_whole_numbers(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    year = np.round(2000 + 30 * x + rng.normal(size=120)).astype(int)
    year[7], expected = 2500, 2000 + 30 * x[7]
    path = tmp_path / "t.csv"
    write(path, pd.DataFrame({"x": x, "year": year}))
    options = ["--target", "year", "--action", "relabel", "--drop", "0.01"]
    assert main(["clean", str(path), *options]) == 0
    after = read(tmp_path / "t.cleaned.csv")["year"]
    assert after.dtype.kind == "i"
    assert after[7] == pytest.approx(expected, abs=4)
