"""``--ignore``: columns that stay in the table and are not predicted from."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main

pytestmark = pytest.mark.usefixtures("two_folds")

WRONG = [3, 30]


@pytest.fixture
def leaking(tmp_path):
    """A table in which one column is the label, wrong or not."""
    rng = np.random.default_rng(0)
    label = np.where(np.arange(60) % 2, "odd", "even").astype(object)
    x = rng.normal(size=60) + 6 * (label == "odd")
    label[WRONG] = np.where(label[WRONG] == "odd", "even", "odd")
    path = tmp_path / "t.csv"
    table = pd.DataFrame({"x": x.round(3), "code": label == "odd", "label": label})
    table.to_csv(path, index=False)
    return path


def test_wrong_labels_are_found_without_the_leak(leaking):
    options = ["--target", "label", "--ignore", "code", "--drop", "0.04"]
    assert main(["clean", str(leaking), *options]) == 0
    ranking = pd.read_csv(leaking.with_name("t.suspects.csv"))
    assert sorted(ranking["row"][:2]) == WRONG
    cleaned = pd.read_csv(leaking.with_name("t.cleaned.csv"))
    assert cleaned.columns.tolist() == ["x", "code", "label"]


def test_the_audit_is_silent_on_ignored_columns(leaking, capsys):
    options = ["--target", "label", "--fail-on", "high"]
    assert main(["audit", str(leaking), *options]) == 3
    assert "leakage, column code" in capsys.readouterr().out
    assert main(["audit", str(leaking), *options, "--ignore", "code"]) == 0
    assert "leakage" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ignored", "message"),
    [
        (["cod"], "did you mean 'code'"),
        (["label"], "--ignore and --target are the same column"),
        (["x", "code"], "no column besides"),
    ],
    ids=["misspelt", "the target", "all"],
)
def test_columns_that_cannot_be_ignored(leaking, capsys, ignored, message):
    options = [word for name in ignored for word in ("--ignore", name)]
    assert main(["clean", str(leaking), "--target", "label", *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in leaking.parent.iterdir()] == ["t.csv"]
