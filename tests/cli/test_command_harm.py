"""``python -m skinfluence`` removes nothing by default that does not look wrong."""

import re

import pandas as pd
import pytest
from people_table import names, rare_class

from skinfluence.__main__ import main
from skinfluence.cli._held_out_scores import HeldOut


def test_a_rare_class_is_not_removed(tmp_path, capsys):
    path = tmp_path / "patients.csv"
    rare_class().to_csv(path, index=False)
    assert main(["clean", str(path), "--target", "outcome"]) == 0
    # The ranking is there, a smaller table is not.
    assert names(tmp_path) == ["patients.csv", "patients.suspects.csv"]
    ranking = pd.read_csv(tmp_path / "patients.suspects.csv")
    assert len(ranking) == 1000
    assert not ranking["suspect"].any()
    out = capsys.readouterr().out
    assert "suspects: 0 rows" in out
    assert (
        "Nothing should be removed: no row is more likely wrong than right.\n"
        "No cleaned table was written." in out
    )
    assert re.search(r"from the columns: between 0% and \d+%", out)
    assert re.search(r"  ill \(33\) +0\.0000\n", out)
    assert "gain" not in out


def test_a_share_that_takes_a_rare_class_is_written_with_its_harm(tmp_path, capsys):
    path = tmp_path / "patients.csv"
    rare_class().to_csv(path, index=False)
    assert main(["clean", str(path), "--target", "outcome", "--drop", "0.1"]) == 0
    kept = pd.read_csv(tmp_path / "patients.cleaned.csv")["outcome"]
    assert len(kept) == 900
    assert (kept == "ill").sum() <= 3
    out = capsys.readouterr().out
    # Accuracy says nothing of it.
    assert re.search(r"  accuracy +0\.9670 +0\.9670  \(gain \+0\.0000", out)
    assert "clearly worse on held-out rows (log loss)." in out
    assert "clearly better" not in out


def test_tables_that_make_the_model_worse_are_not_written_by_default(
    table, capsys, monkeypatch
):
    monkeypatch.setattr(HeldOut, "harm", lambda self: "it is worse")
    arguments = ["clean", str(table), "--target", "label"]
    page = table.with_name("report.html")
    assert main([*arguments, "--report", str(page)]) == 0
    assert not table.with_name("people.cleaned.csv").exists()
    said = "Nothing should be removed: it is worse."
    assert (
        f"{said}\nNo cleaned table was written.\n--drop 0." in capsys.readouterr().out
    )
    assert said in page.read_text()
    assert "suspects are dropped" not in page.read_text()
    # A share is the user's own choice.
    assert main([*arguments, "--drop", "0.05", "--force"]) == 0
    assert table.with_name("people.cleaned.csv").exists()
    assert "It is worse." in capsys.readouterr().out
    # An older table is not taken for this run's.
    assert main([*arguments, "--force"]) == 0
    assert "people.cleaned.csv is that of an earlier run" in capsys.readouterr().out


def test_a_share_below_a_row(table, capsys):
    arguments = ["clean", str(table), "--target", "label", "--drop", "0.001"]
    assert main(arguments) == 0
    assert "the share of rows given as --drop is less than one row" in (
        capsys.readouterr().out
    )
    assert not table.with_name("people.cleaned.csv").exists()


@pytest.mark.parametrize("method", ["loo", "influence-functions"])
def test_influence_without_harmful_rows(tmp_path, method, capsys):
    path = tmp_path / "patients.csv"
    rare_class(200).to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "outcome", "--method", method]
    assert main(arguments) == 0
    ranking = pd.read_csv(tmp_path / "patients.suspects.csv")
    assert ranking["suspect"].mean() < 0.01
    if not ranking["suspect"].any():
        assert "no row clearly hurts the model" in capsys.readouterr().out
