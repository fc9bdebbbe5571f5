"""NA among codes of two letters is Namibia; elsewhere it is a missing value."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main
from skinfluence.cli.tables._read import read_table

pytestmark = pytest.mark.usefixtures("two_folds")

N = 40


def write(path, codes):
    rows = [[i * 7 % 11, codes[i % len(codes)], "yn"[i % 2]] for i in range(N)]
    cells = [["x", "country", "label"], *rows]
    frame = pd.DataFrame(cells, dtype=object)
    if path.suffix == ".xlsx":
        frame.to_excel(path, header=False, index=False)
    else:
        frame.to_csv(path, header=False, index=False)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    ("codes", "kept"),
    [
        (["DE", "NA", "FR", "ZA"], True),
        (["DE", "NA", "France", "ZA"], False),
        (["AM", "NA", "PM"], False),  # too few to be codes
        (["de", "NA", "fr", "za"], False),
    ],
)
def test_meanings_of_na(tmp_path, codes, kept, suffix):
    path = tmp_path / f"t{suffix}"
    write(path, codes)
    table = read_table([path])
    value = table.typed["country"].iloc[1]
    assert (value == "NA") if kept else pd.isna(value)
    note = f"NA, in {N // len(codes)} rows, is taken for one of them"
    assert any(note in said for said in table.notes) == kept
    # Either way it leaves as it came.
    assert (table.cells["country"] == "NA").sum() == table.cells["country"][
        1 :: len(codes)
    ].size


def test_namibia_may_be_a_label(tmp_path, capsys):
    path = tmp_path / "t.csv"
    write(path, ["DE", "NA", "FR", "ZA"])
    assert main(["clean", str(path), "--target", "country", "--drop", "0.1"]) == 0
    ranking = pd.read_csv(tmp_path / "t.suspects.csv", keep_default_na=False)
    assert len(ranking) == N
    assert "NA" in set(ranking["given"])
    assert "country holds codes of two letters" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["NA", "n/a", "None", "NULL"])
def test_signs_of_missing_values_stay_in_a_sheet(tmp_path, text):
    path = tmp_path / "t.xlsx"
    write(path, ["Berlin", text, "Paris"])
    frame = pd.read_excel(path, keep_default_na=False)
    frame["x"] = frame["x"].astype(object)
    frame.loc[3, "x"] = text
    frame.to_excel(path, index=False)
    table = read_table([path])
    assert table.typed["country"].isna().sum() == len(range(1, N, 3))
    assert np.isnan(table.typed["x"][3])
    assert table.typed["x"].dtype.kind == "f"
    assert main(["clean", str(path), "--target", "label", "--drop", "0.1"]) == 0
    cleaned = pd.read_excel(tmp_path / "t.cleaned.xlsx", keep_default_na=False)
    assert set(cleaned["country"]) == {"Berlin", text, "Paris"}
