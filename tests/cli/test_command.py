"""``python -m skinfluence``: what it writes."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from people_table import UNLABELLED, WRONG, N, names, people
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import StratifiedKFold

from skinfluence import InfluenceCleaner
from skinfluence.__main__ import main
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows
from skinfluence.cli._analysis import analyse, default_model
from skinfluence.cli._settings import Settings
from skinfluence.cli._task import read_task


def test_clean_writes_the_ranking_and_the_table_without_the_worst(table, capsys):
    assert main(["clean", str(table), "--target", "label"]) == 0
    assert names(table.parent) == [
        "people.cleaned.csv",
        "people.csv",
        "people.suspects.csv",
    ]
    suspects = pd.read_csv(table.with_name("people.suspects.csv"))
    assert list(suspects.columns) == [
        "row",
        "line",
        "rank",
        "given",
        "suggested",
        "suggested_probability",
        "value",
        "standard_error",
        "probability_wrong",
        "probability_ceiling",
        "suspect",
        "hurts",
        "to_blame",
        "blamed_column",
        "suggested_cell",
        "kind",
        "reason",
    ]
    assert (suspects["rank"] == np.arange(1, len(suspects) + 1)).all()
    has_error = suspects["standard_error"].notna()
    assert (has_error == suspects["suspect"]).all()
    labelled = np.setdiff1d(np.arange(N), UNLABELLED)
    assert sorted(suspects["row"]) == labelled.tolist()
    assert suspects["value"].is_monotonic_increasing
    frame = people()
    assert (frame["label"].iloc[suspects["row"]].to_numpy() == suspects["given"]).all()
    assert np.isin(suspects["row"][suspects["suspect"]], WRONG).mean() >= 0.8
    assert np.isin(WRONG, suspects["row"][suspects["suspect"]]).mean() >= 0.7
    assert (suspects["probability_wrong"] <= suspects["probability_ceiling"]).all()
    np.testing.assert_array_equal(
        suspects["suspect"], suspects["probability_wrong"] > 0.5
    )
    assert np.isin(suspects["row"][:10], WRONG).sum() >= 9
    found = suspects.set_index("row").loc[WRONG]
    assert (found["suggested"] != found["given"]).mean() >= 0.8
    worst = suspects.iloc[0]
    assert f"expects {worst['suggested']}" in worst["reason"]
    assert f"gives {worst['given']} a probability" in worst["reason"]
    assert "agrees with the label" in suspects["reason"].iloc[-1]

    kept = np.sort(suspects["row"][~suspects["suspect"]])
    lines = table.read_text().splitlines()
    expected = [lines[0]] + [lines[1 + row] for row in kept]
    cleaned = table.with_name("people.cleaned.csv").read_text().splitlines()
    assert cleaned == expected

    out, err = capsys.readouterr()
    assert err == ""
    assert "128 rows, 16 columns; label: classification, 2 classes" in out
    assert "left out: 2 rows without a value of label" in out
    assert "left out: column same (constant: always x)" in out
    assert "left out: column code (identifier" in out
    assert "the model on 5 held-out folds" in out
    for name in ("log loss", "balanced accuracy", "accuracy", "big (", "small ("):
        (line,) = [
            row
            for row in out.splitlines()
            if row.startswith(f"  {name}") and "gain" in row
        ]
        assert re.search(r"0\.\d{4} +0\.\d{4}  \(gain [+-]0\.\d{4}, standard", line)


def test_text_is_written_as_it_was_read(tmp_path):
    path = tmp_path / "codes.csv"
    rows = [
        f'00{i % 7},{i / 4:.2f},"a, b",{"NA" if i % 5 else ""},{i % 2}'
        for i in range(30)
    ]
    path.write_text("\n".join(["zip,x,note,empty,y", *rows]) + "\n")
    assert main(["clean", str(path), "--target", "y", "--drop", "0.1"]) == 0
    suspects = pd.read_csv(tmp_path / "codes.suspects.csv")
    lines = path.read_text().splitlines()
    kept = [0, *np.sort(1 + suspects["row"][~suspects["suspect"]])]
    cleaned = (tmp_path / "codes.cleaned.csv").read_text().splitlines()
    assert cleaned == [lines[k] for k in kept]
    assert len(cleaned) == 28


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz"])
def test_other_formats(tmp_path, suffix):
    path = tmp_path / f"people{suffix}"
    frame = people()
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--suspects"]
    assert main([*arguments, str(tmp_path / "ranking.parquet")]) == 0
    ranking = pd.read_parquet(tmp_path / "ranking.parquet")
    cleaned = tmp_path / f"people.cleaned{suffix}"
    read = pd.read_parquet if suffix == ".parquet" else pd.read_csv
    kept = np.sort(ranking["row"][~ranking["suspect"]])
    expected = read(path).iloc[kept].reset_index(drop=True)
    pd.testing.assert_frame_equal(read(cleaned), expected)


def test_regression_predicts_values(tmp_path, capsys):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y = y.copy()
    y.iloc[100] += 1000
    path = tmp_path / "diabetes.csv"
    X.assign(target=y).to_csv(path, index=False)
    assert main(["clean", str(path), "--target", "target", "--drop", "0.01"]) == 0
    suspects = pd.read_csv(tmp_path / "diabetes.suspects.csv")
    first = suspects.iloc[0]
    assert first["row"] == 100
    assert first["given"] == y.iloc[100]
    assert abs(first["predicted"] - (y.iloc[100] - 1000)) < 300
    assert "typical errors above" in first["reason"]
    assert "target: regression" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "jobs"), [("loo", "1"), ("influence-functions", "2")]
)
def test_other_methods_rank_by_influence(table, method, jobs, capsys):
    arguments = ["clean", str(table), "--target", "label", "--method", method]
    assert main([*arguments, "--jobs", jobs]) == 0
    suspects = pd.read_csv(table.with_name("people.suspects.csv"))
    assert suspects["value"].is_monotonic_increasing
    reasons = suspects["reason"]
    better = reasons.str.contains("held-out rows are predicted better")
    np.testing.assert_array_equal(better, suspects["value"] < 0)
    assert 0 < better.sum() < len(better)


def test_the_task_is_told_from_the_target(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=60),
            "few": np.arange(60) % 3,
            "holes": np.where(np.arange(60) % 7, np.arange(60) % 3, np.nan),
            "many": rng.permutation(60),
            "real": rng.normal(size=60),
            "truth": np.arange(60) % 2 == 0,
        }
    )
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    expected = {"few": True, "holes": True, "many": False, "real": False, "truth": True}
    for target, classification in expected.items():
        assert read_task([path], target).classification is classification
    assert set(map(str, read_task([path], "holes").y)) == {"0", "1", "2"}
    assert read_task([path], "few", task="regression").classification is False
    assert read_task([path], "many").X.columns.tolist() == [
        name for name in frame.columns if name != "many"
    ]


def test_scores_are_those_of_untouched_held_out_folds(table):
    task = read_task([table], "label")
    model, _ = default_model(task.X, True)
    held_out = analyse(task, model, Settings(drop=0.5, seed=3)).held_out
    assert (held_out.predicted[0] != held_out.predicted[1]).any()
    cleaner = InfluenceCleaner(model, drop_fraction=0.5)
    splitter = StratifiedKFold(5, shuffle=True, random_state=3)
    for i, (train, test) in enumerate(splitter.split(task.X, task.y)):
        X_test, y_test = task.X.iloc[test], task.y[test]
        own = np.arange(len(test)), np.searchsorted(["big", "small"], y_test)
        assert (held_out.fold[test] == i).all()
        for k, estimator in enumerate([model, cleaner]):
            fitted = clone(estimator).fit(task.X.iloc[train], task.y[train])
            np.testing.assert_array_equal(
                held_out.predicted[k, test], fitted.predict(X_test)
            )
            probability = fitted.predict_proba(X_test)
            if k:
                wrong = wrong_rows(score_rows(task.X.iloc[train], task.y[train], True))
                if wrong.share:
                    part = wrong.probability[~fitted.sample_mask_].sum()
                    part /= wrong.probability.sum()
                    mistakes = part * wrong.transition + (1 - part) * np.eye(2)
                    probability = probability @ mistakes
            np.testing.assert_allclose(
                held_out.losses[k, test], -np.log(probability[own])
            )


def test_files_are_replaced_only_with_force(table):
    arguments = ["clean", str(table), "--target", "label"]
    assert main(arguments) == 0
    old = table.with_name("people.cleaned.csv")
    before = old.read_text()
    assert main([*arguments, "--drop", "0.5"]) == 2
    assert old.read_text() == before
    assert main([*arguments, "--drop", "0.5", "--force"]) == 0
    assert len(old.read_text()) < len(before)


def test_another_separator(tmp_path):
    path = tmp_path / "semicolon.csv"
    path.write_text("a;y\n" + "1;0\n2;1\n" * 10)
    assert main(["clean", str(path), "--target", "y", "--separator", ";"]) == 0


def test_a_bar_only_on_a_terminal(table, capsys, monkeypatch):
    arguments = ["clean", str(table), "--target", "label"]
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(arguments) == 0
    assert "valuing rows" in capsys.readouterr().err


def test_demo_finds_flipped_labels(capsys):
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert "56 of its\n569 labels flipped (10%, seed 0)" in out
    found, suspects = re.search(
        r"(\d+) of the 56 flipped labels are among the (\d+) suspects", out
    ).groups()
    assert int(found) >= 44
    assert int(suspects) <= 62
    assert f"{int(suspects) * 56 / 569:.1f} would be expected by chance" in out


@pytest.mark.parametrize("share", ["0", "1", "0.001"])
def test_demo_refuses_senseless_shares(share, capsys):
    assert main(["demo", "--flip", share]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_shows_an_example():
    run = subprocess.run(
        [sys.executable, "-m", "skinfluence", "clean", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "python -m skinfluence clean people.csv --target income" in run.stdout
    assert main(["--help"]) == 0
    assert main([]) == 2


def test_a_reader_that_leaves_early(table):
    command = [sys.executable, "-m", "skinfluence", "clean", str(table)]
    with subprocess.Popen(
        [*command, "--target", "label"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait() == 1


def test_relabelled_rows_get_the_suggested_target(table):
    arguments = ["clean", str(table), "--target", "label", "--action", "relabel"]
    assert main(arguments) == 0
    suspects = pd.read_csv(table.with_name("people.suspects.csv")).set_index("row")
    cleaned = pd.read_csv(table.with_name("people.cleaned.csv"), dtype=str)
    original = people().drop(index=UNLABELLED)
    changed = suspects[suspects["suspect"]]["suggested"]
    expected = original["label"].copy()
    expected[changed.index] = changed
    assert cleaned["label"].tolist() == expected.tolist()
    assert (expected != original["label"]).sum() >= 9
    assert cleaned["code"].tolist() == original["code"].tolist()


def test_weights_are_written_beside_the_rows(table, capsys):
    arguments = ["clean", str(table), "--target", "label", "--action", "weight"]
    assert main(arguments) == 0
    suspects = pd.read_csv(table.with_name("people.suspects.csv"))
    cleaned = pd.read_csv(table.with_name("people.cleaned.csv"))
    by_row = suspects.sort_values("row")
    expected = np.where(by_row["suspect"], 1 - by_row["probability_wrong"], 1)
    np.testing.assert_allclose(cleaned["sample_weight"], expected, atol=1e-5)
    capsys.readouterr()
    again = ["clean", str(table.with_name("people.cleaned.csv")), "--target", "label"]
    assert main([*again, "--action", "weight"]) == 2
    assert "has a column 'sample_weight'" in capsys.readouterr().err


def test_the_share_of_every_class(table, capsys):
    arguments = ["clean", str(table), "--target", "label", "--per-class"]
    assert main(arguments) == 2
    assert "--per-class takes a share" in capsys.readouterr().err
    assert main([*arguments, "--drop", "0.1"]) == 0
    suspects = pd.read_csv(table.with_name("people.suspects.csv"))
    for _, rows in suspects.groupby("given"):
        assert rows["suspect"].sum() == int(0.1 * len(rows))


def grouped(n_groups=30, size=5):
    """Copies of a row share its label; the label itself is chance."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(n_groups), size)
    centre = 3 * rng.normal(size=(n_groups, 4))[group]
    X = centre + 0.01 * rng.normal(size=(n_groups * size, 4))
    frame = pd.DataFrame(X, columns=list("abcd"))
    label = rng.choice(["no", "yes"], n_groups)[group]
    return frame.assign(patient=[f"p{g}" for g in group], label=label)


def test_groups_are_held_out_together(tmp_path, capsys):
    path = tmp_path / "patients.csv"
    grouped().to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label"]
    values = {}
    for name, options in (
        ("rows", []),
        ("groups", ["--groups", "patient"]),
    ):
        assert main([*arguments, *options, "--force"]) == 0
        ranking = pd.read_csv(tmp_path / "patients.suspects.csv")
        values[name] = ranking["value"].mean()
    # Copies vouch for each other, unless they are held out too.
    assert values["groups"] < values["rows"] - 0.1
    task = read_task([path], "label", groups="patient")
    assert task.X.columns.tolist() == list("abcd")
    assert (task.groups == grouped()["patient"]).all()


def test_earlier_rows_are_not_judged_by_later_ones(tmp_path):
    path = tmp_path / "log.csv"
    people().drop(index=UNLABELLED).to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--time-ordered"]
    assert main(arguments) == 0
    ranking = pd.read_csv(tmp_path / "log.suspects.csv").set_index("row").sort_index()
    unjudged = ranking["value"].isna()
    n_first = 128 - 5 * (128 // 6)  # what TimeSeriesSplit never holds out
    assert unjudged.to_numpy().nonzero()[0].tolist() == list(range(n_first))
    assert not ranking["suspect"][unjudged].any()
    assert ranking["reason"][unjudged].str.contains("no fold holds this row out").all()


def test_columns_of_text_are_named(tmp_path, capsys):
    rng = np.random.default_rng(0)
    words = "small large black white folding lamp table kettle chair shelf".split()
    titles = [" ".join(rng.choice(words, 4)) + f" {i}" for i in range(80)]
    label = np.where(["lamp" in title for title in titles], "yes", "no")
    path = tmp_path / "t.csv"
    pd.DataFrame({"title": titles, "x": rng.normal(size=80), "label": label}).to_csv(
        path, index=False
    )
    assert main(["clean", str(path), "--target", "label"]) == 0
    out = capsys.readouterr().out
    assert "text: column title (compared by the runs of 2 to 4 characters in its" in out
    assert "left out" not in out
