"""``python -m skinfluence audit``: what it says, writes, and fails on."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from people_table import people

from skinfluence.__main__ import main


@pytest.fixture
def table(tmp_path):
    frame = people().drop(columns=["same", "code"]).dropna(subset="label")
    frame = frame.assign(leak=frame["label"].map({"big": "b", "small": "s"}))
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    return path


def test_findings_are_printed(table, capsys):
    assert main(["audit", str(table), "--target", "label"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "high: leakage, column leak" in out
    assert "is the target under another name" in out
    assert "Ask when the value is known" in out


@pytest.mark.parametrize(("level", "status"), [("high", 0), ("medium", 0), ("low", 3)])
def test_exit_status_by_severity(tmp_path, level, status, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("abc"))
    frame = frame.assign(same=1, label=rng.choice(["x", "y"], 80))
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    arguments = ["audit", str(path), "--target", "label", "--fail-on", level]
    assert main(arguments) == status
    assert "low: constant column, column same" in capsys.readouterr().out


def test_a_high_finding_fails(table):
    assert main(["audit", str(table), "--target", "label", "--fail-on", "high"]) == 3


def test_the_hook_audits_every_file_by_itself(table, capsys):
    hooks = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
    (entry,) = re.findall(r"entry: skinfluence (.*)", hooks.read_text())
    good = table.with_name("good.csv")
    pd.read_csv(table).drop(columns="leak").to_csv(good, index=False)
    # What pre-commit runs: the entry, the arguments, the files that changed.
    command = [*entry.split(), "--target", "label"]
    assert main([*command, str(good)]) == 0
    assert main([*command, str(good), str(good)]) == 0
    assert "duplicates" not in capsys.readouterr().out
    assert main([*command, str(table), str(good)]) == 3
    out = capsys.readouterr().out
    assert out.index("people.csv") < out.index("column leak") < out.index("good.csv")
    assert main([*command, str(good), "--output", str(good.with_name("f.csv"))]) == 2
    assert "leave out --each" in capsys.readouterr().err


def test_a_test_table_and_findings_in_a_file(table, capsys):
    frame = pd.read_csv(table)
    test = table.with_name("test.csv")
    frame.iloc[:7].to_csv(test, index=False)
    output = table.with_name("findings.csv")
    arguments = ["audit", str(table), "--target", "label", "--test", str(test)]
    assert main([*arguments, "--output", str(output)]) == 0
    assert "7 test rows" in capsys.readouterr().out
    findings = pd.read_csv(output)
    (found,) = findings[findings["check"] == "train/test overlap"].itertuples()
    assert found.severity == "high"
    assert found.rows == "0 1 2 3 4 5 6"
    assert main([*arguments, "--output", str(output)]) == 2
    assert "use --force to replace it" in capsys.readouterr().err
    frame.drop(columns="a").to_csv(test, index=False)
    assert main(arguments) == 2
    assert "has no column 'a', which TABLE has" in capsys.readouterr().err
    assert main([*arguments[:4], "--groups", "nobody"]) == 2
    assert "there is no column 'nobody'" in capsys.readouterr().err
