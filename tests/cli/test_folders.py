"""A folder of Parquet files, as dask and Spark write them, is one table."""

import pandas as pd
import pytest
from written_tables import frame

from skinfluence.__main__ import main
from skinfluence.cli.tables._read import read_table

pytestmark = pytest.mark.usefixtures("two_folds")

SIZES = [7, 1, 0, 10, *[2] * 10]


def folder(tmp_path, rows=None, name="people"):
    """Write parts of uneven sizes; part.10 comes after part.9."""
    rows = frame() if rows is None else rows
    path = tmp_path / name
    path.mkdir()
    start = 0
    for k, size in enumerate(SIZES):
        stop = start + size if k + 1 < len(SIZES) else len(rows)
        rows.iloc[start:stop].to_parquet(path / f"part.{k}.parquet")
        start = stop
    (path / "_metadata").write_bytes(b"a note")
    (path / ".part.0.parquet.crc").write_bytes(b"a note")
    return path


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path):
    table = read_table([folder(tmp_path)])
    pd.testing.assert_frame_equal(table.typed, frame())
    assert table.files[-1].endswith("part.13.parquet")
    twice = read_table([tmp_path / "people"] * 2)
    assert len(twice.typed) == 2 * len(frame())


def test_a_folder_is_cleaned(tmp_path, capsys):
    path = folder(tmp_path, name="people.parquet")
    options = ["--target", "label", "--drop", "0.1"]
    assert main(["clean", str(path), *options]) == 0
    ranking = pd.read_parquet(tmp_path / "people.suspects.parquet")
    assert sorted(ranking["row"]) == list(range(len(frame())))
    kept = ranking["row"][~ranking["suspect"]].sort_values()
    expected = frame().iloc[kept].reset_index(drop=True)
    cleaned = pd.read_parquet(tmp_path / "people.cleaned.parquet")
    pd.testing.assert_frame_equal(cleaned, expected)
    assert main(["clean", str(path), *options]) == 2
    assert "use --force" in capsys.readouterr().err


def test_audit_and_apply_take_folders(tmp_path):
    path = folder(tmp_path)
    assert main(["audit", str(path), "--target", "label"]) == 0
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text('row,verdict,value,note\n30,drop,"",""\n')
    assert main(["apply", str(path), str(verdicts), "--target", "label"]) == 0
    found = pd.read_parquet(tmp_path / "people.reviewed.parquet")
    expected = frame().drop(index=30).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


def refused(capsys, path, *more):
    assert main(["clean", str(path), "--target", "label", *more]) == 2
    return capsys.readouterr().err


def test_folders_that_are_refused(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    said = refused(capsys, empty)
    assert "without files in .parquet; pass other files by name" in said
    assert str(empty / "*.csv") in said
    frame().iloc[:0].to_parquet(empty / "part.0.parquet")
    assert "is empty" in refused(capsys, empty)
    path = folder(tmp_path)
    inside = str(path / "cleaned.parquet")
    assert "in the folder of the table" in refused(capsys, path, "--output", inside)
    parts = tmp_path / "by year"
    (parts / "year=2024").mkdir(parents=True)
    frame().to_parquet(parts / "year=2024" / "part.0.parquet")
    assert "year=2024, whose name may be a column" in refused(capsys, parts)


def test_part_of_another_type_is_named(tmp_path, capsys):
    path = folder(tmp_path)
    rows = frame().iloc[:5]
    number = rows.select_dtypes("number").columns[0]
    rows.astype({number: str}).to_parquet(path / "part.4.parquet")
    error = refused(capsys, path)
    assert "part.0.parquet and " in error
    assert f"part.4.parquet have different types in column {number!r}" in error
