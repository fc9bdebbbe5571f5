"""Rows that stay are the bytes that came, and tables keep their manner."""

import csv
import gzip

import numpy as np
import pandas as pd
import pytest
from hostile_table import hostile

from skinfluence.__main__ import main

pytestmark = pytest.mark.usefixtures("two_folds")

ODD = {
    "quotes that are not needed": (b'"a";"t";"y"\n', b'"%d";"x, y";"%s"\n'),
    "lines of Windows": (b"a;t;y\r\n", b"%d;x;%s\r\n"),
    "the mark of UTF-8": (b"\xef\xbb\xbfa;t;y\n", b"%d;\xc3\xa9;%s\n"),
    "line breaks in cells": (b"a;t;y\n", b'%d;"x\n\ny\r;z";%s\n'),
    "blank lines": (b"a;t;y\n\n", b"%d;x;%s\n"),
    "names that are twice there": (b"a;a;y\n", b"%d;1.50;%s\n"),
    "quotes inside": (b"a;t;y\n", b'%d;5" pipe;%s\n'),
}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("kind", ODD)
def test_rows_that_stay_are_the_bytes_that_came(tmp_path, kind, suffix):
    header, line = ODD[kind]
    lines = [line % (i * 7 % 30, [b"no", b"yes"][i % 2]) for i in range(60)]
    content = header + b"".join(lines)
    path = tmp_path / f"t{suffix}"
    gz = suffix == ".csv.gz"
    path.write_bytes(gzip.compress(content) if gz else content)
    arguments = ["clean", str(path), "--target", "y", "--separator", ";"]
    assert main([*arguments, "--drop", "0.2"]) == 0
    ranking = pd.read_csv(tmp_path / f"t.suspects{suffix}", sep=";")
    kept = np.sort(ranking["row"][~ranking["suspect"]])
    assert len(kept) == 48
    cleaned = (tmp_path / f"t.cleaned{suffix}").read_bytes()
    cleaned = gzip.decompress(cleaned) if gz else cleaned
    first = header.removesuffix(b"\n") if kind == "blank lines" else header
    assert cleaned == first + b"".join(lines[i] for i in kept)


@pytest.mark.parametrize("action", ["relabel", "weight"])
def test_tables_that_change_keep_their_separator_and_their_cells(tmp_path, action):
    frame = hostile(note="x\ry;z")
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False, sep=";", quoting=csv.QUOTE_NONNUMERIC)
    arguments = ["clean", str(path), "--target", "label", "--separator", ";"]
    assert main([*arguments, "--action", action]) == 0
    with open(tmp_path / "t.cleaned.csv", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert rows[0][:3] == ["size", "note", "label"]
    assert [row[1] for row in rows[1:]] == frame["note"].tolist()
    assert [float(row[0]) for row in rows[1:]] == frame["size"].tolist()


@pytest.mark.parametrize("separator", ["::", "", "\\s+", "§"])
def test_separators_that_are_no_character(tmp_path, capsys, separator):
    path = tmp_path / "t.csv"
    lines = [f"{i * 7 % 30}::{'ny'[i % 2]}" for i in range(60)]
    path.write_text("\n".join(["a::y", *lines]))
    assert main(["clean", str(path), "--target", "y", "--separator", separator]) == 2
    assert "--separator must be one character" in capsys.readouterr().err
