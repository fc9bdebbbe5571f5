"""A review in Python: rows to look at, verdicts, estimates, and the fit after them."""

import pickle
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from skinfluence import InfluenceCleaner


@pytest.fixture(scope="module")
def flipped():
    X, right = load_breast_cancer(return_X_y=True)
    X, right = X[:300] / X.std(axis=0), right[:300]
    y = right.copy()
    rows = np.random.default_rng(0).choice(300, 45, replace=False)
    y[rows] = 1 - y[rows]
    return X, y, right


@pytest.fixture(scope="module")
def cleaner(flipped):
    X, y, _ = flipped
    index = [f"p{i}" for i in range(300)]
    model = DecisionTreeClassifier(max_depth=3, random_state=0)
    return InfluenceCleaner(model).fit(pd.DataFrame(X, index=index), y)


def decide(table, right):
    """Fill in a table as somebody who knows the right labels does."""
    table = table.copy()
    wrong = table["given"] != right[table["row"]]
    table["verdict"] = np.where(wrong, "relabel", "keep")
    table["value"] = np.where(wrong, right[table["row"]], "").astype(object)
    return table


def test_rows_to_look_at_and_not_again(cleaner, flipped):
    _, y, right = flipped
    first = cleaner.review_table(n_rows=30)
    assert first.index.tolist() == [f"p{i}" for i in first["row"]]
    assert first["given"].tolist() == y[first["row"]].tolist()
    assert (y != right)[first["row"]].mean() > 0.9
    assert (first[["verdict", "value", "note"]] == "").all(axis=None)
    assert first["probability_wrong"].is_monotonic_decreasing
    second = cleaner.review_table(decide(first, right), n_rows=20, n_random=10)
    assert len(second) == 30
    assert not set(second["row"]) & set(first["row"])
    assert len(set(second["row"])) == 30
    everything = cleaner.review_table(n_rows=1000)
    assert sorted(everything["row"]) == list(range(300))
    assert len(cleaner.review_table(n_rows=0)) == 0
    unsure = {"row": first["row"], "verdict": ["unsure"] * 30}
    again = cleaner.review_table(unsure, n_rows=30)
    assert not set(again["row"]) & set(first["row"])
    probability = cleaner.estimate_wrong()["probability_wrong"]
    same = cleaner.estimate_wrong(unsure)["probability_wrong"]
    np.testing.assert_array_equal(probability, same)  # nothing was learned


def test_verdicts_change_the_estimate(cleaner, flipped):
    _, y, right = flipped
    table = decide(cleaner.review_table(n_rows=60), right)
    before, after = cleaner.estimate_wrong(), cleaner.estimate_wrong(table)
    truth = (y != right).mean()
    low, high = after.share_interval
    assert low <= truth <= high
    assert low <= after.share <= high
    assert high - low < np.diff(before.share_interval)[0] / 2
    assert after.n_decided == 60
    assert after.n_found == (y != right)[table["row"]].sum()
    known = after.probability_wrong[table["row"]]
    np.testing.assert_array_equal(known, (y != right)[table["row"]])
    low, _ = cleaner.estimate_wrong(
        {"row": range(300), "verdict": ["keep"] * 300}
    ).share_interval
    assert low == 0


def test_apply_changes_the_decided_rows_only(cleaner, flipped):
    X, y, _ = flipped
    verdicts = {
        "row": [7, 3, 20, 9],
        "verdict": ["drop", "relabel", "keep", "unsure"],
        "value": ["", 1 - y[3], "", ""],
        "note": ["why", "", "", ""],
    }
    X_new, y_new, log = cleaner.apply(verdicts)
    expected = y.copy()
    expected[3] = 1 - y[3]
    assert X_new.index.tolist() == [f"p{i}" for i in range(300) if i != 7]
    np.testing.assert_array_equal(y_new, np.delete(expected, 7))
    assert log["row"].tolist() == [7, 3, 20, 9]
    assert log["after"].tolist() == [None, 1 - y[3], y[20], y[9]]
    assert log["before"].tolist() == y[[7, 3, 20, 9]].tolist()
    assert log["note"].iloc[0] == "why"
    X_new, y_new, log = cleaner.apply()
    assert len(X_new) == len(y_new) == 300
    assert len(log) == 0


@pytest.mark.parametrize("action", ["drop", "relabel", "weight"])
def test_the_fit_after_verdicts(flipped, action):
    """As training by hand on what is left."""
    X, y, right = flipped
    model = LogisticRegression(C=0.1)
    cleaner = InfluenceCleaner(model, action=action).fit(X, y)
    table = decide(cleaner.review_table(n_rows=30), right)
    dropped = table["row"].iloc[0]
    table.loc[table.index[0], ["verdict", "value"]] = ["drop", ""]
    fine = np.flatnonzero(y == right)
    worst = fine[np.argsort(cleaner.sample_values_[fine])[:3]]
    kept = pd.DataFrame({"row": worst, "verdict": "keep"})
    table = pd.concat([table[~table["row"].isin(worst)], kept])
    cleaner.fit(X, y, verdicts=table)
    sure = np.isin(np.arange(300), table["row"])
    assert not set(cleaner.suspects_.row) & set(table["row"])
    suspects = np.isin(np.arange(300), cleaner.suspects_.row)
    p = cleaner.estimate_wrong().probability_wrong
    np.testing.assert_array_equal(suspects, (p > 0.5) & ~sure)
    assert suspects.sum() > 3
    new, weight = np.where(sure, right, y), np.ones(300)
    left = np.arange(300) != dropped
    if action == "drop":
        left &= ~suspects
    elif action == "relabel":
        new[suspects] = 1 - y[suspects]
    else:
        weight[suspects] = 1 - p[suspects]
    hand = LogisticRegression(C=0.1).fit(X[left], new[left], weight[left])
    np.testing.assert_allclose(cleaner.estimator_.coef_, hand.coef_, rtol=1e-4)
    decided_wrong = sure & (y != right)
    np.testing.assert_array_equal(cleaner.sample_mask_, ~suspects & ~decided_wrong)
    low, high = cleaner.wrong_share_
    assert (low, high) == cleaner.estimate_wrong().share_interval
    X_new, y_new, _ = cleaner.apply()
    np.testing.assert_array_equal(y_new, np.where(sure, right, y)[y_new_rows(dropped)])
    assert len(X_new) == 299


def y_new_rows(dropped):
    return np.delete(np.arange(300), dropped)


def test_a_share_is_that_of_the_rows_that_stay(flipped):
    X, y, _ = flipped
    order = InfluenceCleaner(stump(), drop_fraction=0.1).fit(X, y)
    worst = order.sample_values_.argsort()
    verdicts = {
        "row": worst[:10],
        "verdict": ["keep"] * 5 + ["drop"] * 5,
    }
    cleaner = InfluenceCleaner(stump(), drop_fraction=0.1)
    cleaner.fit(X, y, verdicts=verdicts)
    assert cleaner.suspects_.row.tolist() == worst[10:39].tolist()  # a tenth of 295


def stump():
    return DecisionTreeClassifier(max_depth=2, random_state=0)


def test_numbers():
    X, right = load_diabetes(return_X_y=True)
    X, right = X[:200], right[:200]
    rng = np.random.default_rng(0)
    y = right.copy()
    rows = rng.choice(200, 20, replace=False)
    y[rows] += 400
    cleaner = InfluenceCleaner(Ridge()).fit(X, y)
    table = decide(cleaner.review_table(n_rows=30), right)
    assert (table["verdict"] == "relabel").sum() >= 18
    low, high = cleaner.estimate_wrong(table).share_interval
    assert low <= 0.1 <= high
    cleaner.fit(X, y, verdicts=table)
    _, y_new, _ = cleaner.apply()
    assert (y_new != right).sum() == 20 - (table["verdict"] == "relabel").sum()


def test_errors_come_before_the_fit(cleaner, flipped):
    X, y, _ = flipped
    with mock.patch.object(DecisionTreeClassifier, "fit", side_effect=AssertionError):
        with pytest.raises(ValueError, match="'verdicts' has|verdicts has no column"):
            InfluenceCleaner(stump()).fit(X, y, verdicts={"row": [1]})
        with pytest.raises(ValueError, match="labels are numbers: write a whole"):
            InfluenceCleaner(stump()).fit(
                X, y, verdicts={"row": [1], "verdict": ["relabel"], "value": ["b"]}
            )
    with pytest.raises(ValueError, match="'n_rows' parameter must be a whole number"):
        cleaner.review_table(n_rows=-1)
    of_two = InfluenceCleaner(stump()).fit(X, np.column_stack([y, 1 - y]))
    with pytest.raises(ValueError, match="A review needs y of one column"):
        of_two.review_table()


def test_without_pandas_the_tables_are_columns(flipped):
    X, y, _ = flipped
    cleaner = InfluenceCleaner(stump()).fit(X, y)
    cleaner = pickle.loads(pickle.dumps(cleaner))
    with mock.patch.dict("sys.modules", {"pandas": None}):
        table = cleaner.review_table(n_rows=3)
        table["verdict"][0] = "drop"
        assert cleaner.estimate_wrong(table).n_found == 1
        _, y_new, log = cleaner.apply(table)
    assert len(y_new) == 299
    assert log["row"].tolist() == [table["row"][0]]
