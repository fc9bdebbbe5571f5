"""Trees in the fixed scorer's stack have not seen the row, and gain or stay out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import KFold

from skinfluence.cleaning._suspects import fixed_scorer_error
from skinfluence.cleaning.surprise import _scorer, _trees
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._tree_columns import tree_columns
from skinfluence.cleaning.surprise._trees import N_FOLDS, Trees
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows


def boxes(n, seed, share=0.1):
    """Labels that depend on a threshold within some of the categories."""
    rng = np.random.default_rng(seed)
    place, size = rng.choice(list("abcdefgh"), n), rng.normal(size=(n, 3))
    clean = np.where(np.isin(place, ["a", "d", "e"]), size[:, 0] > 0.5, size[:, 1] > 0)
    wrong = np.zeros(n, dtype=bool)
    wrong[rng.choice(n, int(share * n), replace=False)] = True
    table = pd.DataFrame(size, columns=["x", "y", "z"]).assign(place=place)
    return table, (clean ^ wrong).astype(int), wrong


@pytest.fixture(scope="module")
def scored():
    X, y, wrong = boxes(1200, 0)
    return X, y, wrong, score_rows(X, y, classification=True)


def test_trees_find_mistakes_that_regressions_miss(scored):
    _, _, wrong, scores = scored
    alone = average_precision_score(wrong, -scores.plain.values)
    assert average_precision_score(wrong, -scores.values) > alone + 0.03
    assert scores.columns[0].stack is scores.plain.columns[0].stack


def test_regressions_by_themselves_are_those_without_trees(scored, monkeypatch):
    X, y, _, scores = scored
    monkeypatch.setattr(_scorer, "MIN_ROWS_OF_MORE", np.inf)
    alone = score_rows(X, y, classification=True)
    assert alone.plain is None
    np.testing.assert_array_equal(alone.values, scores.plain.values)


def test_trees_widen_the_range_and_leave_the_estimate(scored):
    _, _, is_wrong, scores = scored
    both, alone = wrong_rows(scores), wrong_rows(scores.plain)
    np.testing.assert_array_equal(both.probability, alone.probability)
    trees = wrong_rows(replace(scores, plain=None))
    floor = np.minimum(alone.floor, trees.floor)
    ceiling = np.maximum(alone.ceiling, trees.ceiling)
    assert not np.array_equal(ceiling, alone.ceiling)
    np.testing.assert_array_equal(both.floor, floor)
    np.testing.assert_array_equal(both.ceiling, ceiling)
    assert both.share <= is_wrong.mean() <= both.share_ceiling + 0.02
    low = scores.values.argsort()[:120]
    smallest, largest = both.fine_share(low)
    assert smallest - 0.02 <= (~is_wrong[low]).mean() <= largest + 0.02


def test_trees_stay_out_where_they_do_not_gain():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3))
    y = rng.random(1200) < 1 / (1 + np.exp(-2 * X[:, 0]))
    assert score_rows(X, y, classification=True).plain is None
    # Of noise one standard error is a gain by chance in one of six tables.
    noise = [score_rows(X, rng.permutation(y), True) for _ in range(4)]
    assert sum(scores.plain is not None for scores in noise) <= 2


def test_boosting_has_not_seen_the_row():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:150, :5], y[:150]
    T = np.eye(2)[y]
    trees = Trees(X, np.zeros(5, dtype=bool), T, True)
    said = trees.held_out()[0]
    expected = np.zeros((150, 2))
    for cut in map(trees._cut, range(3)):
        assert sorted(np.concatenate([test for _, test in cut])) == list(range(150))
        assert len(cut) == N_FOLDS
        for train, test in cut:
            assert not np.isin(test, train).any()
            assert abs(y[test].mean() - y.mean()) < 0.05
            model = HistGradientBoostingClassifier(
                learning_rate=0.05, max_iter=60, max_leaf_nodes=8, early_stopping=False
            )
            expected[test] += model.fit(X[train], y[train]).predict_proba(X[test]) / 3
    np.testing.assert_allclose(said, expected, atol=1e-12)


@pytest.fixture
def few_trees(monkeypatch):
    monkeypatch.setattr(_trees, "N_RANDOMISED", 40)


@pytest.mark.usefixtures("few_trees")
def test_the_label_of_a_row_does_not_change_its_prediction_by_trees():
    X, y = load_breast_cancer(return_X_y=True)
    X, T = X[:120, :5], np.eye(2)[y[:120]]
    folds = list(KFold(2).split(X))
    other = T.copy()
    other[folds[1][1]] = 1 - other[folds[1][1]]
    nothing = np.zeros(5, dtype=bool)
    before, after = (Trees(X, nothing, t, True, folds).held_out() for t in (T, other))
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[folds[1][1]], two[folds[1][1]])
        assert not np.array_equal(one[folds[0][1]], two[folds[0][1]])


@pytest.mark.usefixtures("few_trees")
def test_randomised_trees_judge_rows_out_of_their_bag():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:150, :5], y[:150]
    said = Trees(X, np.zeros(5, dtype=bool), np.eye(2)[y], True)._out_of_bag()[1]
    forest = ExtraTreesClassifier(
        40, min_samples_leaf=5, max_features=1.0, bootstrap=True, random_state=0
    ).fit(X, y)
    votes, count = np.zeros((150, 2)), np.zeros(150)
    for tree, bag in zip(forest, forest.estimators_samples_, strict=True):
        out = ~np.isin(np.arange(150), bag)
        votes[out] += tree.predict_proba(X[out])
        count += out
    np.testing.assert_allclose(said, votes / count[:, None], atol=1e-12)


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("folds", [None, [(np.arange(60), np.arange(60, 90))]])
def test_numbers_and_rows_that_no_fold_judges(n_outputs, folds):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    T = np.column_stack([X[:, 0] > 0, X[:, 1] > 0])[:, :n_outputs].astype(float)
    for said in Trees(X, np.zeros(3, dtype=bool), T, False, folds).held_out():
        assert said.shape == T.shape
        judged = np.isfinite(said[:, 0])
        assert judged.sum() == (90 if folds is None else 30)
        assert ((said - T)[judged] ** 2).mean() < 0.2


@pytest.mark.usefixtures("few_trees")
def test_a_class_that_is_not_among_the_training_rows_has_no_share():
    X, T = np.arange(80.0)[:, None], np.eye(3)[np.repeat([0, 1, 2, 2], 20)]
    folds = [(np.arange(40, 80), np.arange(40)), (np.arange(60), np.arange(60, 80))]
    for said in Trees(X, np.zeros(1, dtype=bool), T, True, folds).held_out():
        np.testing.assert_array_equal(said[:40], np.tile([0.0, 0.0, 1.0], (40, 1)))
        np.testing.assert_allclose(said[60:].sum(axis=1), 1)


@pytest.mark.usefixtures("few_trees")
def test_numbers_beyond_single_precision_are_split_like_others():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    X[5, 3] = np.nan
    T = (X[:, :1] > 0).astype(float)

    def said(X):
        trees = Trees(X, np.zeros(4, dtype=bool), T, False)
        return [*trees.held_out(), *trees.predict(X[:20])]

    factors = np.ldexp(1.0, [900, -900, 0, 200])
    for found, expected in zip(said(X * factors), said(X), strict=True):
        np.testing.assert_array_equal(found, expected)
    X[7, 2], X[8, 2] = 1e300, -1e300
    assert all(np.isfinite(of_member).all() for of_member in said(X))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_for_trees(frame):
    days = np.datetime64("2020-01-01") + np.arange(30)
    table = {
        "id": np.arange(30),
        "number": [1.5, None, 2.0] * 10,
        "category": ["x", None, "z"] * 10,
        "day": days,
    }
    found = tree_columns(frame(table), 256)
    columns, categorical = found.values, found.categorical
    assert columns.shape == (30, 3)  # the identifier is left out
    assert categorical.tolist() == [False, True, False]
    np.testing.assert_array_equal(columns[:3, 0], [1.5, np.nan, 2.0])
    assert len(np.unique(columns[:, 1])) == 3
    np.testing.assert_array_equal(np.diff(columns[:, 2]), 86400.0)


def test_tables_without_trees():
    X = np.random.default_rng(0).normal(size=(10, 6))
    assert tree_columns(X, 6).values.shape == (10, 6)
    assert tree_columns(X.reshape(10, 2, 3), 6).values.shape == (10, 6)
    assert tree_columns(X, 5) is None
    assert tree_columns(pd.DataFrame(X), 5) is None
    assert tree_columns(sp.csr_array(X), 6) is None
    assert tree_columns(["a b", "c"], 6) is None


def test_several_columns_of_labels(scored):
    X, y, _, scores = scored
    # Of the second there is nothing to say, with trees or without.
    both = score_rows(X, np.column_stack([y, np.zeros(len(y), dtype=int)]), True)
    np.testing.assert_allclose(both.values, scores.values)
    np.testing.assert_allclose(both.plain.values, scores.plain.values)


def test_the_table_of_suspects_with_trees(scored):
    X, y, _, scores = scored
    suspects = np.flatnonzero(scores.values < np.quantile(scores.values, 0.05))
    assert (fixed_scorer_error(scores, suspects) > 0).all()
    wrong = wrong_rows(scores)
    smallest, largest = wrong.fine_share(suspects)
    assert smallest <= 1 - wrong.probability[suspects].mean() <= largest
