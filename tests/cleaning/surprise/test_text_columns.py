"""Columns of text are told from categories and identifiers, and become numbers."""

import uuid

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import average_precision_score

from skinfluence.cleaning.reasons._explanations import explain
from skinfluence.cleaning.surprise import _scorer, _text_columns, _trees
from skinfluence.cleaning.surprise._preprocessing import (
    default_preprocessor,
    kinds_of_columns,
    text_columns,
)
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._scorer_matrix import scorer_views
from skinfluence.cleaning.surprise._stacked_ridge import StackedRidge, feature_maps
from skinfluence.cleaning.surprise._text_columns import VARIANCE, TextComponents
from skinfluence.cleaning.surprise._tree_columns import tree_columns, with_texts
from skinfluence.cleaning.surprise._trees import Trees

GOODS = ("lamp", "lantern"), ("table", "desk"), ("kettle", "teapot")
LOOKS = "small large black white folding compact classic modern".split()


def titles(n, seed):
    """Titles with typing errors, and the kind of goods."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(len(GOODS), size=n)
    made = []
    for k in kinds:
        words = [*rng.choice(LOOKS, 2), rng.choice(GOODS[k]), str(rng.integers(1000))]
        title = list(" ".join(words))
        del title[rng.integers(len(title))]
        made.append("".join(title))
    return np.array(made, dtype=object), kinds


def table(n, seed):
    """Titles, a number and a category that say little, and flipped labels."""
    rng = np.random.default_rng(seed)
    made, kinds = titles(n, seed)
    X = pd.DataFrame(
        {
            "price": kinds + rng.normal(0, 3, n),
            "title": made,
            "shop": rng.choice(list("abc"), n),
        }
    )
    wrong = rng.random(n) < 0.1
    return X, np.where(wrong, (kinds + rng.integers(1, 3, n)) % 3, kinds), wrong


def as_column(texts):
    return pd.DataFrame({"text": np.array(texts, dtype=object)})


def test_components_are_those_of_scikit_learns_ngrams():
    made = titles(200, 0)[0]
    made[3] = "  Über\tdie  Straße, ΑΣ \n x "
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2
    )
    svd = TruncatedSVD(20, random_state=0)
    Z = svd.fit_transform(vectorizer.fit_transform(made))
    spread = np.sqrt(VARIANCE / Z.var(axis=0).sum())
    components = TextComponents(20).fit(as_column(made))
    np.testing.assert_allclose(
        components.transform(as_column(made)), (Z - Z.mean(axis=0)) * spread, atol=1e-9
    )
    new = ["a table lmap", "nothing of it: qqqq"]
    expected = svd.transform(vectorizer.transform(new)) - Z.mean(axis=0)
    np.testing.assert_allclose(
        components.transform(as_column(new)), expected * spread, atol=1e-9
    )


def test_rows_in_blocks_and_a_second_time_are_the_same(monkeypatch):
    X = as_column(titles(90, 1)[0])
    components = TextComponents(10).fit(X)
    expected = components.transform(X)
    monkeypatch.setattr(_text_columns, "BATCH", 13)
    np.testing.assert_allclose(components.transform(X), expected, atol=1e-12)
    np.testing.assert_array_equal(
        clone(components).fit_transform(X), components.transform(X)
    )


def test_many_rows_are_learnt_from_some_and_long_texts_are_cut(monkeypatch):
    made = titles(120, 2)[0]
    monkeypatch.setattr(_text_columns, "MAX_FITTED", 60)
    drawn = np.random.default_rng(0).permutation(120)[:60]
    found = TextComponents(10).fit(as_column(made)).transform(as_column(made))
    few = TextComponents(10).fit(as_column(made[drawn])).transform(as_column(made))
    np.testing.assert_allclose(found, few, atol=1e-12)
    # Five characters of each of the 120 texts of two columns.
    monkeypatch.setattr(_text_columns, "MAX_CHARACTERS", 2 * 5 * 120 + 7)
    both = pd.DataFrame({"a": made, "b": made[::-1]})
    beginning = both.apply(lambda column: column.str[:5])
    np.testing.assert_array_equal(
        TextComponents(10).fit_transform(both),
        TextComponents(10).fit_transform(beginning),
    )


def test_most_frequent_ngrams_are_kept(monkeypatch):
    monkeypatch.setattr(_text_columns, "MAX_NGRAMS", 30)
    made = titles(90, 3)[0]
    (ngrams,) = TextComponents(5).fit(as_column(made)).columns_
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    counts = vectorizer.fit_transform(made).getnnz(axis=0)
    kept = np.isin(vectorizer.get_feature_names_out(), list(ngrams.ngrams.vocabulary))
    assert kept.sum() == 30
    assert counts[kept].min() >= counts[~kept].max()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_missing_texts_have_no_ngrams(frame):
    made = titles(60, 4)[0]
    made[[5, 7]] = None
    X = frame({"text": list(made)})
    Z = TextComponents(10).fit(X).transform(X)
    assert np.isfinite(Z).all()
    np.testing.assert_array_equal(Z[5], Z[7])
    blank = frame({"text": [""] * 3})
    components = TextComponents(10).fit(X)
    np.testing.assert_allclose(components.transform(blank), np.tile(Z[5], (3, 1)))
    assert TextComponents(10).fit_transform(blank).shape == (3, 0)


def test_text_categories_and_identifiers_are_told_apart():
    n = 120
    made = titles(n, 5)[0]
    rng = np.random.default_rng(5)
    X = pd.DataFrame(
        {
            "title": made,
            "spelling": np.resize(made[:60], n),
            "few": np.resize(made[:40], n),
            "chosen": pd.Categorical(np.resize(made[:60], n)),
            "code": [f"c{i // 2}" for i in range(n)],
            "order": [f"order no {i}" for i in range(n)],
            "uuid": [str(uuid.UUID(int=int(rng.integers(2**63)) ** 2)) for _ in made],
            "name": [f"n{i}" for i in range(n)],
            "chinese": ["".join(rng.choice(list("我不喜欢这个东西"), 6)) for _ in made],
            "number": rng.normal(size=n),
        }
    )
    kinds, reasons = kinds_of_columns(X, X.shape[1])
    text = {"title": "text", "spelling": "repeated text", "chinese": "text"}
    for name, kind, reason in zip(X.columns, kinds, reasons, strict=True):
        if name in ("uuid", "order", "name"):
            assert reason == "identifier: almost every row has a different value"
        else:
            assert kind == text.get(name, "number" if name == "number" else "category")
            assert reason is None
    assert list(X.columns[text_columns(X)]) == list(text)
    assert text_columns(X.to_numpy(dtype=object)) == [0, 1, 3, 8]  # no dtype
    assert text_columns(np.zeros((30, 2))) == text_columns(list(made)) == []


def test_frequent_spellings_are_categories_as_well():
    made = titles(120, 6)[0]
    made[:40], made[40:60] = "lamp", "desk"
    X = as_column(made)
    Z = default_preprocessor(X)[0].fit_transform(X)
    # Two indicators, one of all others, and the components.
    kinds = np.unique(Z[:, :3], axis=0)
    np.testing.assert_array_equal(kinds, np.eye(3)[::-1])
    assert tree_columns(X, 10).values.shape == (120, 1)


def test_flipped_labels_are_found_by_text():
    X, y, wrong = table(300, 0)
    precision = average_precision_score(wrong, -score_rows(X, y, True).values)
    alone = score_rows(X.drop(columns="title"), y, True).values
    assert average_precision_score(wrong, -alone) < 0.4
    assert precision > 0.8
    only = score_rows(X[["title"]], y, True).values
    assert average_precision_score(wrong, -only) > 0.8


def test_text_that_says_nothing_changes_little():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    right = X["a"] * X["b"] > 0
    wrong = rng.random(300) < 0.1
    y = (right ^ wrong).astype(int).to_numpy()
    without = average_precision_score(wrong, -score_rows(X, y, True).values)
    X["note"] = titles(300, 1)[0]
    assert len(scorer_views(X)) == 2
    np.testing.assert_array_equal(scorer_views(X)[1], scorer_views(X[list("abcd")])[0])
    found = average_precision_score(wrong, -score_rows(X, y, True).values)
    assert found > without - 0.03


def test_components_of_text_for_trees():
    X, _, _ = table(60, 2)
    plain = tree_columns(X, 10)
    assert plain.positions.tolist() == [0, 2]
    both = with_texts(X, plain)
    assert both.positions.tolist() == [0, 2] + [1] * 30
    assert both.categorical.tolist() == [False, True] + [False] * 30
    np.testing.assert_array_equal(both.values[:, :2], plain.values)
    expected = TextComponents(30).fit_transform(X[["title"]])
    np.testing.assert_array_equal(both.values[:, 2:], expected)
    assert with_texts(X[["price"]], tree_columns(X[["price"]], 10)) is None


@pytest.mark.parametrize("of_text", [True, False])
def test_trees_see_text_where_it_helps_them(of_text, monkeypatch):
    monkeypatch.setattr(_scorer, "MIN_ROWS_OF_MORE", 300)
    monkeypatch.setattr(_trees, "N_RANDOMISED", 40)
    monkeypatch.setattr(_trees, "MAX_REPEATS", 1)
    n_columns = []

    class Spied(Trees):
        def held_out(self):
            n_columns.append(self.columns.shape[1])
            return super().held_out()

    monkeypatch.setattr(_scorer, "Trees", Spied)
    rng = np.random.default_rng(0)
    words = rng.integers(4, size=(500, 2))
    texts = [
        f"{['red', 'blue', 'green', 'brown'][a]} "
        f"{['lamp', 'table', 'kettle', 'shelf'][b]} {rng.integers(100)}"
        for a, b in words
    ]
    X = pd.DataFrame({"text": texts, "x": rng.normal(size=500), "z": rng.random(500)})
    by_number = (X["x"] > 0.5) ^ (X["z"] > 0.5)
    pattern = rng.permutation(16).reshape(4, 4) % 2
    y = pattern[words[:, 0], words[:, 1]] if of_text else by_number.astype(int)
    score_rows(X, np.asarray(y), True)
    # Without text trees see both numbers, and texts that are repeated as a code.
    assert n_columns == [len(tree_columns(X, 9).positions) + 30 * of_text]


def test_several_matrices_have_members_of_their_own():
    rng = np.random.default_rng(0)
    Z, T = rng.normal(size=(60, 3)), rng.normal(size=(60, 1))
    views = [Z, Z[:, :2]]
    both = list(feature_maps(views))
    alone = [F for view in views for F in feature_maps(view)]
    for F, expected in zip(both, alone, strict=True):
        np.testing.assert_array_equal(F, expected)
    stack = StackedRidge(views, T)
    assert len(stack.weights) == 10
    assert len(list(stack.members())) == (stack.weights > 0).sum()


def test_text_of_another_row_is_blamed():
    X, _, _ = table(300, 1)
    made, kinds = titles(300, 1)
    rows = np.arange(20)
    X["title"] = np.concatenate([made[of_another_kind(kinds, rows)], made[20:]])
    X["price"] = kinds + np.random.default_rng(0).normal(0, 0.1, 300)
    kept = np.ones(300, dtype=bool)
    kept[rows] = False
    found = explain(X, kinds, rows, kept, True)
    assert (found.column == 1).mean() >= 0.8
    assert (found.to_blame == "cell").mean() >= 0.8
    # The suggested text is one of the right kind of goods.
    assert (kinds[found.donor] == kinds[rows]).mean() >= 0.6


def of_another_kind(kinds, rows):
    """Return a row of another kind for each."""
    return [np.flatnonzero(kinds != kinds[i])[-1 - i] for i in rows]
