"""The share to drop: chosen where cleaning helps, nothing where it does not."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skinfluence import InfluenceCleaner
from skinfluence.cleaning._drop_fraction import (
    FRACTIONS,
    paired_mean,
    row_losses,
    search_drop_fraction,
)

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


def search(gains, gain_random, n=400):
    """Search among constructed losses: 1 without cleaning, less by the gains."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=(3, n))
    pairs = [(np.arange(n), np.arange(n // 2)), (np.arange(n), np.arange(n // 2, n))]

    def fold_losses(train, test, fractions):
        gain = np.array(gains)[:, None] + noise[:2, test]
        return np.vstack([np.ones(len(test)), 1 - gain])

    def random_losses(train, test, fraction, index):
        return 1 - gain_random - noise[2, test]

    return search_drop_fraction(
        fold_losses, random_losses, pairs, [0.1, 0.2], None, None, "loss", "after {}"
    )


def test_the_largest_sure_gain_is_chosen():
    found = search([0.1, 0.3], 0.0)
    assert found.drop_fraction == 0.2
    np.testing.assert_allclose(found.gain, [0.1, 0.3], atol=0.02)
    np.testing.assert_allclose(found.standard_error, 0.1 / 20, rtol=0.2)
    assert found.verdict.startswith("cleaning helps")
    assert "better after 20.0%, " in found.verdict


@pytest.mark.parametrize(
    ("gains", "gain_random"),
    [([-0.1, -0.2], -0.3), ([0.0, 0.0], -0.1), ([0.1, 0.3], 0.4)],
)
def test_nothing_is_dropped_without_a_gain_over_all_rows_and_random(gains, gain_random):
    found = search(gains, gain_random)
    assert found.drop_fraction == 0
    assert "does not help" in found.verdict


@pytest.mark.parametrize(
    ("over_all", "over_random", "dropped"),
    [(2.1, 1.1, 0.1), (1.9, 1.1, 0.0), (2.1, 0.9, 0.0)],
)
def test_a_gain_must_be_sure(over_all, over_random, dropped):
    noise = np.resize([-1.0, 1.0], 400)
    error = noise.std(ddof=1) / 20

    def fold_losses(train, test, fractions):
        return np.vstack([np.ones(400), 1 - noise - over_all * error])

    def random_losses(train, test, fraction, index):
        return np.full(400, 1 - (over_all - over_random) * error)

    pairs = [(np.arange(400), np.arange(400))]
    found = search_drop_fraction(
        fold_losses, random_losses, pairs, [0.1], None, None, "loss", "after {}"
    )
    assert found.drop_fraction == dropped


def test_rows_of_a_group_count_as_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    mean, error = paired_mean(np.repeat(x, 4), np.repeat(np.arange(50), 4))
    assert mean == pytest.approx(x.mean())
    assert error == pytest.approx(x.std(ddof=1) / np.sqrt(50))


def test_losses_of_rows():
    assert row_losses(["a", "b"], np.array(["a", "a"]), True).tolist() == [0, 1]
    assert row_losses([[1, 0], [1, 1]], np.array([[1, 1], [1, 1]]), True).tolist() == [
        0.5,
        0,
    ]
    assert row_losses([1, 2], np.array([[3], [2]]), False).tolist() == [4, 0]


def test_losses_are_those_of_refits_on_held_out_folds():
    X, y = load_wine(return_X_y=True)
    y[::10] = (y[::10] + 1) % 3
    cleaner = InfluenceCleaner(LOGISTIC, drop_fraction="auto", cv=3, random_state=1)
    found = cleaner.fit(X, y).drop_search_
    plain, cleaned = [], []
    for train, test in StratifiedKFold(3, shuffle=True, random_state=1).split(X, y):
        plain.append(
            clone(LOGISTIC).fit(X[train], y[train]).predict(X[test]) != y[test]
        )
        at = clone(cleaner).set_params(drop_fraction=0.1).fit(X[train], y[train])
        cleaned.append(at.predict(X[test]) != y[test])
    plain, cleaned = np.concatenate(plain), np.concatenate(cleaned)
    assert found.loss_all == plain.mean()
    k = found.fractions.tolist().index(0.1)
    difference = plain.astype(float) - cleaned
    assert found.gain[k] == pytest.approx(difference.mean())
    expected = difference.std(ddof=1) / np.sqrt(178)
    assert found.standard_error[k] == pytest.approx(expected)
    assert set(FRACTIONS) <= set(found.fractions)


def test_wrong_labels_are_dropped():
    X, y = load_breast_cancer(return_X_y=True)
    X, y, X_test, y_test = X[:300], y[:300].copy(), X[300:], y[300:]
    y[::6] = 1 - y[::6]
    tree = DecisionTreeClassifier(random_state=0)
    cleaner = InfluenceCleaner(tree, drop_fraction="auto", random_state=0).fit(X, y)
    assert cleaner.drop_fraction_ >= 0.1
    assert cleaner.sample_mask_.sum() == 300 - int(300 * cleaner.drop_fraction_ + 1e-9)
    plain = clone(tree).fit(X, y)
    assert cleaner.score(X_test, y_test) > plain.score(X_test, y_test) + 0.05


@pytest.mark.parametrize(
    ("load", "model"), [(load_breast_cancer, LOGISTIC), (load_diabetes, Ridge(0.1))]
)
def test_a_clean_table_stays_as_it_is(load, model):
    X, y = load(return_X_y=True)
    cleaner = InfluenceCleaner(model, drop_fraction="auto", random_state=0).fit(X, y)
    assert cleaner.drop_fraction_ == 0
    assert cleaner.sample_mask_.all()
    assert "the table stays as it is" in cleaner.drop_search_.verdict
    expected = clone(model).fit(X, y).predict(X)
    np.testing.assert_array_equal(cleaner.predict(X), expected)


def test_groups_stay_on_one_side_of_every_fold():
    X, y = load_wine(return_X_y=True)
    groups = np.arange(178) // 4
    seen = []

    class Watched(GroupKFold):
        def split(self, X, y=None, groups=None):
            seen.append(np.asarray(groups))
            return super().split(X, y, groups)

    cleaner = InfluenceCleaner(LOGISTIC, drop_fraction="auto", cv=Watched(3))
    cleaner.fit(X, y, groups=groups)
    np.testing.assert_array_equal(seen[0], groups)
    assert min(len(np.unique(part)) for part in seen) >= 25
    assert all(len(part) < 178 or (part == groups).all() for part in seen)
