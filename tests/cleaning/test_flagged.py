"""Which rows are flagged: likely wrong or clearly harmful ones, or a share."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skinfluence import (
    InfluenceCleaner,
    InfluenceFunctions,
    InfluenceSampler,
    OutOfBagInfluence,
    TreeInfluence,
)
from skinfluence.cleaning._flagged import clearly_negative, kept_rows, without_lowest
from skinfluence.cleaning._row_values import RowValues
from skinfluence.cleaning.surprise._row_scores import RowScores

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


def row_values(values, standard_error=None, of_influence=False):
    values = np.asarray(values, dtype=float)
    scores = RowScores(values, None, None, None, None, [])
    return RowValues(values.copy() if of_influence else values, standard_error, scores)


def test_classes_keep_their_best_row_before_the_share_is_met():
    mask = without_lowest([-5, -4, -3, -2], ["a", "a", "b", "b"], 0.99, True)
    assert mask.tolist() == [False, True, False, True]
    mask = without_lowest([-5, -4, -3, -2], [[1, 0], [0, 0], [0, 1], [0, 1]], 0.5, True)
    assert mask.tolist() == [True, True, False, True]
    assert without_lowest([3, 1, 2], [0.1, 0.2, 0.3], 0.4, False).tolist() == [
        True,
        False,
        True,
    ]


def test_a_share_is_rounded_down_but_not_by_rounding_errors():
    assert (~without_lowest(np.arange(100), np.zeros(100), 0.29, False)).sum() == 29
    assert (~without_lowest(np.arange(10), np.zeros(10), 0.19, False)).sum() == 1


def test_rows_that_are_more_likely_wrong_than_right_are_flagged():
    rows = row_values([-9.0, -8.0, -3.0, -2.0, -1.0, np.nan])
    probability = np.array([0.5, 0.51, 0.2, 0.99, 0.0, 0.0])
    y = np.array([0, 0, 0, 1, 1, 1])
    kept = kept_rows(rows, probability, y, "auto", True)
    # The lowest value is no reason, and half is not more than half.
    assert kept.tolist() == [True, False, True, False, True, True]
    assert kept_rows(rows, probability * 0, y, "auto", True).all()


def test_a_class_that_is_wrong_throughout_keeps_its_best_row():
    rows = row_values([-9.0, -8.0, -3.0, -2.0])
    y = np.array(["a", "b", "a", "b"])
    kept = kept_rows(rows, np.array([0.9, 0.0, 0.9, 0.0]), y, "auto", True)
    assert kept.tolist() == [False, True, True, True]


@pytest.mark.parametrize("classification", [True, False])
def test_where_most_rows_look_wrong_nothing_is_known(classification):
    rows, y = row_values(np.arange(-9.0, 0.0)), np.arange(9) % 2
    probability = np.array([0.9] * 5 + [0.0] * 4)
    assert kept_rows(rows, probability, y, "auto", classification).all()
    rows = row_values(np.arange(-9.0, 0.0), np.full(9, 0.1), of_influence=True)
    assert kept_rows(rows, probability, y, "auto", classification).all()


def test_influence_is_flagged_where_it_is_harmful_and_likely_wrong():
    error = np.array([1.0, 1.0, 1.0, 0.01, np.nan, 1.0])
    rows = row_values([-1.9, -2.1, -9.0, -1.0, -99.0, 5.0], error, of_influence=True)
    # The third does harm, but nothing says that it is wrong.
    probability = np.array([1.0, 1.0, 0.5, 1.0, 1.0, 1.0])
    kept = kept_rows(rows, probability, np.zeros(6), "auto", False)
    assert kept.tolist() == [True, False, True, True, True, True]


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("seed", [0, 1])
def test_right_rows_stay_whatever_their_influence(load, seed):
    # Without a scaler and with C = 1 some values of right rows are far below zero.
    X, y = load(return_X_y=True)
    model = LogisticRegression(solver="newton-cholesky")
    influence = InfluenceFunctions(model)
    cleaner = InfluenceCleaner(model, influence=influence, random_state=seed).fit(X, y)
    assert cleaner.sample_mask_.all()


def test_chance_alone_makes_few_influences_clearly_negative():
    # Mean and error of four folds whose values are pure noise.
    folds = np.random.default_rng(0).normal(size=(4, 20_000))
    values, error = folds.mean(axis=0), folds.std(axis=0, ddof=1) / 2
    assert clearly_negative(values, error).mean() < 0.03
    assert (values < -2 * error).mean() > 0.06
    assert not clearly_negative(values, np.full(20_000, np.nan)).any()


def test_the_cleaner_flags_by_the_influence_it_was_given():
    X, y = load_wine(return_X_y=True)
    y[::10] = (y[::10] + 1) % 3
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    cleaner = InfluenceCleaner(
        model, influence=InfluenceFunctions(model), random_state=0
    ).fit(X, y)
    suspects = cleaner.suspects_
    assert (suspects.value < -2 * suspects.standard_error).all()
    assert (suspects.probability_wrong > 0.5).all()
    assert (suspects.row % 10 == 0).mean() > 0.8
    assert len(suspects.row) >= 5
    assert cleaner.drop_fraction_ == len(suspects.row) / 178
    sampler = InfluenceSampler(
        model, influence=InfluenceFunctions(model), random_state=0
    ).fit(X, y)
    np.testing.assert_array_equal(sampler.sample_mask_, cleaner.sample_mask_)


@pytest.mark.parametrize("kind", [InfluenceCleaner, InfluenceSampler])
def test_what_has_no_error_needs_a_share(kind):
    X, y = load_wine(return_X_y=True)
    forest = OutOfBagInfluence(RandomForestClassifier(10, random_state=0))
    with pytest.raises(ValueError, match="'drop_fraction'.*number.*drop_fraction=0.05"):
        kind(LOGISTIC, influence=forest).fit(X, y)
    kind(LOGISTIC, influence=forest, drop_fraction=0.05).fit(X, y)


def test_tree_influence_values_rows_by_models_without_them():
    X, y = load_breast_cancer(return_X_y=True)
    wrong = np.random.default_rng(0).choice(len(y), 57, replace=False)
    y[wrong] = 1 - y[wrong]
    booster = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    trees = TreeInfluence(booster, n_structures=8, random_state=0)
    cleaner = InfluenceCleaner(
        booster, influence=trees, drop_fraction=0.1, random_state=0
    ).fit(X, y)
    alone = clone(trees).fit(X, y)
    assert np.corrcoef(cleaner.sample_values_, alone.oob_values_)[0, 1] > 0.9
    dropped = np.flatnonzero(~cleaner.sample_mask_)
    assert np.isin(dropped, wrong).mean() > 0.75
    with pytest.raises(ValueError, match="influence is TreeInfluence"):
        InfluenceCleaner(booster, influence=trees).fit(X, y)


@pytest.mark.parametrize("kind", [InfluenceCleaner, InfluenceSampler])
def test_a_share_of_every_class_needs_classes_and_a_share(kind):
    X = np.arange(20.0).reshape(10, 2)
    share = {"per_class": True, "drop_fraction": 0.1}
    with pytest.raises(
        ValueError, match=r"'per_class' .* Got per_class=True for a reg"
    ):
        kind(Ridge(), **share).fit(X, X[:, 0])
    several = np.column_stack([X[:, 0] > 4, X[:, 0] > 9])
    with pytest.raises(ValueError, match="for 2 columns of labels"):
        kind(DecisionTreeClassifier(), **share).fit(X, several)
    with pytest.raises(ValueError, match="per_class=True and drop_fraction='auto'"):
        kind(DecisionTreeClassifier(), per_class=True).fit(X, X[:, 0] > 9)


def rare_class(seed=0, n=1000):
    """Four normal columns, of which one says a little of a class of 3%."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = (rng.random(n) < 1 / (1 + np.exp(3.8 - X[:, 0]))).astype(int)
    return X, y


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rare_class_stays(seed):
    X, y = rare_class(seed)
    cleaner = InfluenceCleaner(LOGISTIC).fit(X, y)
    assert cleaner.sample_mask_[y == 1].all()
    assert (~cleaner.sample_mask_).sum() == 0
    assert cleaner.drop_fraction_ == 0
    # By rank it goes, which is why a share is never the default.
    by_rank = without_lowest(cleaner.sample_values_, y, 0.1, True)
    assert by_rank[y == 1].sum() <= 3


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.3)])
def test_chance_is_not_flagged(shares):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 4)), rng.choice(len(shares), 300, p=shares)
    cleaner = InfluenceCleaner(LOGISTIC).fit(X, y)
    assert cleaner.sample_mask_.mean() > 0.98
    smallest, largest = cleaner.wrong_share_
    assert smallest < 0.02 < largest
