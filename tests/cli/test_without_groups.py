"""Which whole group hurts the others: refits by hand, a careless annotator, chance."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence.__main__ import main
from skinfluence.cleaning._run import Cleaning, CleaningSettings
from skinfluence.cli import _without_groups
from skinfluence.cli._without_groups import worth_of_groups

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
RIDGE = make_pipeline(StandardScaler(), Ridge())
TABLES = [(load_breast_cancer, LOGISTIC), (load_wine, LOGISTIC), (load_diabetes, RIDGE)]


def worth(X, y, names, model=LOGISTIC, seed=0, groups=None, cv=5):
    labels = model is LOGISTIC
    task = SimpleNamespace(X=X, y=y, classification=labels, groups=groups)
    settings = CleaningSettings(cv=cv, random_state=seed)
    cleaning = Cleaning(model, X, y, settings, seed, groups=groups)
    return worth_of_groups(names, np.unique(names).tolist(), task, cleaning, seed)


def annotators(n, seed, n_groups):
    rng = np.random.default_rng(seed)
    return np.array([f"a{k}" for k in range(n_groups)])[rng.integers(0, n_groups, n)]


def careless(y, names, seed, share):
    """Give the rows of the first annotator another label, or number, at random."""
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero((names == "a0") & (rng.random(len(y)) < share))
    y = y.copy()
    if y.dtype.kind == "i":
        y[rows] = (y[rows] + 1) % len(np.unique(y))
    else:
        y[rows] = rng.permutation(y)[: len(rows)] + 300
    return y


def test_the_numbers_are_those_of_refits():
    X, y = load_wine(return_X_y=True)
    names = annotators(len(y), 0, 3)
    found = worth(X, y, names, seed=4)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=4).split(X, y))
    for name in np.unique(names):
        change = []
        for train, test in folds:
            test = test[names[test] != name]
            loss = []
            for rows in (train, train[names[train] != name]):
                p = LOGISTIC.fit(X[rows], y[rows]).predict_proba(X[test])
                loss.append(-np.log(p[np.arange(len(test)), y[test]]))
            change.append(loss[1] - loss[0])
        change = np.concatenate(change)
        assert found[name].influence == pytest.approx(change.mean(), rel=1e-9)
        error = change.std(ddof=1) / np.sqrt(len(change))
        assert found[name].error == pytest.approx(error, rel=1e-9)
        low, high = found[name].interval
        assert high - low == pytest.approx(2 * 1.959964 * error, rel=1e-6)


@pytest.mark.parametrize("k", range(len(TABLES)))
def test_a_careless_annotator_is_found_and_no_other(k):
    load, model = TABLES[k]
    X, y = load(return_X_y=True)
    hurting = []
    for seed in range(4):
        names = annotators(len(y), seed, 4)
        clean = worth(X, y, names, model, seed)
        assert not [name for name, w in clean.items() if w.hurts]
        found = worth(X, careless(y, names, seed, 0.5), names, model, seed)
        hurting.append([name for name, w in found.items() if w.hurts])
    assert hurting == [["a0"]] * 4


def test_a_group_with_all_rows_of_a_class_is_left_out():
    X, y = load_wine(return_X_y=True)
    names = annotators(len(y), 0, 3)
    names[y == 2] = "a1"
    assert sorted(worth(X, y, names)) == ["a0", "a2"]


def test_copies_of_a_case_count_as_one():
    X, y = load_breast_cancer(return_X_y=True)
    case = np.repeat(np.arange(60), 3)
    X, y, names = X[case], y[case], np.where(case % 2, "u", "v")
    splits = list(GroupKFold(5).split(X, y, case))
    together = worth(X, y, names, groups=case, cv=splits)["u"]
    assert together.error > 1.5 * worth(X, y, names, cv=splits)["u"].error


def test_long_computations_are_announced(monkeypatch, capsys):
    X, y = load_wine(return_X_y=True)
    names = annotators(len(y), 0, 3)
    worth(X, y, names)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(_without_groups, "LONG", 0.0)
    worth(X, y, names)
    assert "3 groups are left out of 5 folds: about" in capsys.readouterr().err


def test_the_command_names_the_careless_annotator(tmp_path, capsys):
    X, y = load_wine(return_X_y=True, as_frame=True)
    names = annotators(len(y), 1, 3)
    frame = X.assign(
        annotator=names,
        day=pd.date_range("2024-01-01", periods=4)[np.arange(len(y)) % 4],
        label=np.array(["x", "y", "z"])[careless(y.to_numpy(), names, 1, 0.5)],
    )
    path, page = tmp_path / "t.csv", tmp_path / "r.html"
    frame.to_csv(path, index=False)
    arguments = ["clean", str(path), "--target", "label", "--report", str(page)]
    by = ["--by", "annotator", "--by", "day", "--by", "alcohol"]
    assert main([*arguments, *by]) == 0
    out = capsys.readouterr().out
    blocks = out.split("\nby ")[1:]
    parts = {block.split(":")[0]: block for block in blocks}
    warning = "warning: without the rows of a0 (log loss -0"
    assert warning in parts["annotator"]
    assert "when a whole group is left" in parts["day"]
    assert "warning: without" not in parts["day"]
    # Intervals of numbers are no sources of rows.
    assert "when a whole group is left" not in parts["alcohol"]
    html = page.read_text()
    assert "log loss of others without it" in html
    assert "without the rows of a0" in html
