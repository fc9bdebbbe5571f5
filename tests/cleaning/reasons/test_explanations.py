"""Planted mistakes: the target or the cell, its repair, the kind of the row."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from skinfluence.cleaning.reasons._explanations import explain
from skinfluence.cleaning.reasons._kinds import far, rare, repeated
from skinfluence.cleaning.reasons._repairs import as_given, repaired
from skinfluence.cleaning.reasons._scores_of_columns import ScoresOfColumns


def with_wrong_cells(load, seed, labels=True):
    """Wrong cells in 20 rows, wrong targets in 20 others; all of them suspects."""
    X, y = load(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))[:40]
    X, y = X.astype(float), y.to_numpy().copy()
    cells = rng.integers(X.shape[1], size=20)
    for k, (row, j) in enumerate(zip(rows, cells, strict=False)):
        value = X.iat[row, j]
        X.iat[row, j] = [10 * value, value / 100, -value, 2.54 * value][k % 4]
    wrong = rows[20:]
    if labels:
        y[wrong] = (y[wrong] + 1) % (y.max() + 1)
    else:
        y[wrong] = np.where(y[wrong] > y.mean(), y.min(), y.max())
    return X, y, rows, cells


@pytest.mark.parametrize(
    ("load", "labels", "least"),
    # Of diabetes many a wrong cell is plausible; chance would find two.
    [(load_wine, True, 19), (load_breast_cancer, True, 19), (load_diabetes, False, 10)],
    ids=["wine", "breast_cancer", "diabetes"],
)
def test_planted_cells_and_targets(load, labels, least):
    X, y, rows, cells = with_wrong_cells(load, 700, labels)
    found = explain(X, y, rows, ~np.isin(np.arange(len(y)), rows), labels)
    assert (found.column[:20] == cells).sum() >= least
    assert (found.to_blame[:20] == "cell").sum() >= least - 4
    assert (found.to_blame[20:] == "target").sum() >= 16
    assert ((found.blame > 0) & (found.blame <= 1)).all()
    # Such a value is there in the column, in a row that is not suspect.
    assert not np.isin(found.donor, rows).any()


def test_the_repair_is_near_the_true_value_and_clears_the_row():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    row, column = 30, X.columns.get_loc("mean area")
    true = X.iat[row, column]
    X.iat[row, column] = true / 10
    kept = np.arange(len(y)) != row
    found = explain(X, y.to_numpy(), np.array([row]), kept, True)
    assert found.column[0] == column
    assert found.to_blame[0] == "cell"
    assert abs(X.iat[found.donor[0], column] / true - 1) < 0.15
    assert found.clears[0]


def test_donors_have_the_nearest_score_that_is_another_one():
    scores = np.array([[0.0, 1.0], [2.0, 5.0], [3.0, 7.0], [2.0, 9.0]])
    table = ScoresOfColumns(scores, [slice(0, 1), slice(1, 2)], np.array([0]), None)
    donor, after = repaired(table, 3, np.array([[1.9, 0.0]]), np.eye(2), [0])
    assert donor.tolist() == [2]  # 2.0 is what it has
    assert after.tolist() == [[3.0, 9.0]]


def test_the_likeliest_category_is_suggested():
    """By the shares of the table; the last category has no indicator of its own."""
    rng = np.random.default_rng(0)
    size = rng.integers(5, size=2000)
    share = np.full((5, 5), 0.14) + 0.3 * np.eye(5)
    kind = np.array([rng.choice(5, p=share[k]) for k in size])
    X = pd.DataFrame({"kind": np.array(list("vwxyz"))[kind], "size": size.astype(str)})
    rows = np.flatnonzero(kind != size)[:100]
    y = size + rng.normal(size=2000) > 2
    X.loc[rows, "kind"] = np.array(list("vwxyz"))[(size[rows] + 1) % 5]
    found = explain(X, y, rows, ~np.isin(np.arange(2000), rows), True)
    blamed = found.column == 0
    assert blamed.sum() > 30
    suggested = X["kind"].to_numpy()[found.donor[blamed]]
    likeliest = np.array(list("vwxyz"))[size[rows[blamed]]]
    assert (suggested == likeliest).mean() > 0.99


def test_a_value_that_all_rows_have_has_no_donor():
    scores = np.array([[0.0, 1.0], [0.0, 5.0], [0.0, 7.0], [0.0, 9.0]])
    table = ScoresOfColumns(scores, [slice(0, 1), slice(1, 2)], np.array([0]), None)
    donor, after = repaired(table, 3, np.array([[0.3, 0.0]]), np.eye(2), [0])
    assert donor.tolist() == [-1]
    assert after.tolist() == [[0.0, 9.0]]


@pytest.mark.parametrize("labels", [True, False])
def test_as_given_sees_whether_the_repair_helps(labels):
    rng = np.random.default_rng(0)
    x = rng.normal(size=202)
    y = (x > 0).astype(int) if labels else 3 * x + 0.1 * rng.normal(size=202)
    x[200:] = [1.0, 0.5]
    y[200:] = [1, 0] if labels else [3.0, -6.0]
    table = ScoresOfColumns(
        np.column_stack([x, y]), [slice(0, 1), slice(1, 2)], [0], None
    )
    usual = as_given(table, 200, table.scores[200:], y, labels)
    assert usual.tolist() == [True, False]


def test_kinds():
    n = 200
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    X["c"] = np.array(["x", None], dtype=object)[np.arange(n) % 2]
    y = np.where(X["a"] > 0, "big", "small").astype(object)
    X.loc[1] = X.loc[5]
    y[1] = y[5]
    X.loc[2] = X.loc[6]
    y[2], y[6] = "big", "small"
    X.loc[3, ["a", "b"]] = 40.0
    y[4] = "odd"
    rows = np.arange(5)
    found = explain(X, y, rows, ~np.isin(np.arange(n), rows), True)
    assert found.kind[0] == ""
    assert found.kind[1] == "duplicate"
    assert found.kind[2] == "conflict"
    assert found.kind[3] == "outlier"
    assert "rare class" in found.kind[4]


def test_repeated_rows_against_all_pairs():
    rng = np.random.default_rng(0)
    X, y = rng.integers(3, size=(60, 3)).astype(float), rng.integers(2, size=60)
    X[::7, 1] = np.nan
    rows = np.arange(0, 60, 3)
    duplicate, conflict = repeated(X, y, np.arange(3), rows)
    same = (np.nan_to_num(X, nan=9)[:, None] == np.nan_to_num(X, nan=9)).all(axis=2)
    np.fill_diagonal(same, False)
    alike = y[:, None] == y
    np.testing.assert_array_equal(duplicate, (same & alike).any(axis=1)[rows])
    np.testing.assert_array_equal(conflict, (same & ~alike).any(axis=1)[rows])
    assert duplicate.any()
    assert not duplicate.all()


def test_far_and_rare_at_their_limits():
    distances = np.concatenate([np.arange(101.0), [99.0, 99.5]])
    assert far(distances, 101).tolist() == [False, True]
    assert rare(np.array([4, 5])).tolist() == [True, False]
    assert rare(np.array([50, 5000])).tolist() == [False, False]


def test_too_few_rows_that_are_not_suspect():
    X, y = load_wine(return_X_y=True)
    kept = np.zeros(178, dtype=bool)
    found = explain(X, y, np.array([3]), kept, True)
    assert found.to_blame.tolist() == [""]
    assert found.column.tolist() == [-1]
    assert found.kind.tolist() == [""]
