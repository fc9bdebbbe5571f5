"""Models are trained on a stated sample of a large table, and value all rows."""

import numpy as np
import pandas as pd
import pytest

from skinfluence.__main__ import main


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    size = rng.normal(size=400).round(3)
    label = np.where(size > 0, "big", "small")
    label[::20] = np.where(size[::20] > 0, "small", "big")
    table = pd.DataFrame({"size": size, "more": (size * 2).round(3), "label": label})
    table.loc[7, "label"] = None
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    return path


def read(path, kind):
    return pd.read_csv(path.with_name(f"table.{kind}.csv"))


@pytest.mark.parametrize("action", ["drop", "relabel", "weight"])
def test_other_rows_stay_as_they_are(path, action, capsys):
    options = ["clean", str(path), "--target", "label", "--action", action]
    assert main([*options, "--max-rows", "150"]) == 0
    out = capsys.readouterr().out
    assert "a random sample of 150 of 399 rows is valued; the others stay" in out
    assert "left out: 1 row without a value of label" in out
    suspects, cleaned = read(path, "suspects"), read(path, "cleaned")
    assert len(suspects) == suspects["row"].nunique() == 150
    given = pd.read_csv(path).drop(index=7)
    flagged = suspects.loc[suspects["suspect"], "row"]
    assert 3 < len(flagged) < 15
    if action == "drop":
        kept = given.drop(index=flagged)
        pd.testing.assert_frame_equal(cleaned, kept.reset_index(drop=True))
        return
    assert len(cleaned) == 399
    cleaned.index = given.index
    if action == "weight":
        assert (cleaned.pop("sample_weight") < 1).sum() == len(flagged)
        pd.testing.assert_frame_equal(cleaned, given)
        return
    changed = (cleaned != given).any(axis=1)
    assert set(changed.index[changed]) == set(flagged)


def test_a_sample_of_all_rows_is_the_table(path, capsys):
    options = ["clean", str(path), "--target", "label"]
    assert main([*options, "--max-rows", "399"]) == 0
    assert "random sample" not in capsys.readouterr().out
    first = path.with_name("table.suspects.csv").read_bytes()
    assert main([*options, "--force"]) == 0
    assert path.with_name("table.suspects.csv").read_bytes() == first


@pytest.mark.parametrize("action", ["drop", "relabel"])
def test_models_of_a_sample_value_all_rows(path, action, capsys):
    options = ["clean", str(path), "--target", "label", "--action", action]
    report = path.with_name("report.html")
    options += ["--report", str(report)]
    assert main([*options, "--sample", "150"]) == 0
    out = capsys.readouterr().out
    assert (
        "trained on a random sample of 150 of the 399 rows, and value all rows" in out
    )
    by_class = out.split("share predicted right, by class\n")[1].split("\n")[:2]
    assert sum(int(line.split("(")[1].split(")")[0]) for line in by_class) == 150
    assert "scores are compared on held-out rows of 150" in report.read_text()
    suspects, cleaned = read(path, "suspects"), read(path, "cleaned")
    assert suspects["row"].nunique() == 399
    flagged = suspects.loc[suspects["suspect"], "row"].to_numpy()
    planted = np.isin(flagged, np.arange(0, 400, 20))
    assert planted.sum() >= 15
    assert planted.mean() > 0.8
    assert len(cleaned) == 399 - (action == "drop") * len(flagged)


@pytest.mark.parametrize(
    "option",
    [["--time-ordered"], ["--groups", "size"], ["--method", "influence-functions"]],
    ids=lambda option: option[0],
)
def test_models_that_hold_out_parts_are_trained_on_all_rows(path, option, capsys):
    options = ["clean", str(path), "--target", "label", "--sample", "150", *option]
    assert main(options) == 0
    assert "random sample" not in capsys.readouterr().out
    assert len(read(path, "suspects")) == 399
