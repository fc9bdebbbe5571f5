"""Influence of bagged rows: against loops over the members, and simulation."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tables import first

from skinfluence import InfluenceCleaner, OutOfBagInfluence


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[::2], y[::2], X[1::10], y[1::10]


@pytest.fixture(scope="module")
def diabetes():
    return first("diabetes", 80, slice(400, 410))


def by_hand(ensemble, member_loss, X_test, y_test, n):
    """Mean loss of members without each row minus mean loss of those with it."""
    losses = [
        member_loss(member, X_test[:, list(columns)], y_test)
        for member, columns in zip(
            ensemble.estimators_,
            getattr(
                ensemble,
                "estimators_features_",
                [range(X_test.shape[1])] * len(ensemble.estimators_),
            ),
            strict=True,
        )
    ]
    out = np.empty((len(X_test), n))
    for i in range(n):
        seen = [i in sample for sample in ensemble.estimators_samples_]
        groups = {flag: [] for flag in (True, False)}
        for loss, flag in zip(losses, seen, strict=True):
            groups[flag].append(loss)
        out[:, i] = np.mean(groups[False], axis=0) - np.mean(groups[True], axis=0)
    return out


def brier(member, X, y):
    truth = np.eye(3)[y]
    probability = np.zeros_like(truth)
    known = member.classes_.astype(int)
    if hasattr(member, "predict_proba"):
        probability[:, known] = member.predict_proba(X)
    else:
        probability[np.arange(len(y)), member.predict(X).astype(int)] = 1
    return ((probability - truth) ** 2).sum(axis=1)


def squared(member, X, y):
    return (member.predict(X) - y) ** 2


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(30, random_state=0),
        ExtraTreesClassifier(30, bootstrap=True, random_state=0),
        RandomForestClassifier(60, max_samples=12, random_state=0),
        BaggingClassifier(DecisionTreeClassifier(), 30, max_features=2, random_state=0),
        BaggingClassifier(RidgeClassifier(), 30, random_state=0),
        BaggingClassifier(
            LinearSVC(), 20, max_samples=0.5, bootstrap=False, random_state=0
        ),
    ],
    ids=lambda e: f"{type(e).__name__}-{type(e.estimator).__name__}",
)
def test_classifiers_by_hand(iris, ensemble):
    X, y, X_test, y_test = iris
    oob = OutOfBagInfluence(ensemble).fit(X, y)
    expected = by_hand(oob.estimator_, brier, X_test, y_test, len(X))
    assert_allclose(oob.influence(X_test, y_test), expected, rtol=1e-10, atol=1e-13)
    assert_allclose(
        oob.sample_values(X_test, y_test), expected.mean(axis=0), rtol=1e-9, atol=1e-13
    )


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestRegressor(30, random_state=0),
        ExtraTreesRegressor(30, bootstrap=True, random_state=0),
        BaggingRegressor(Ridge(), 30, max_features=0.5, random_state=0),
    ],
    ids=lambda e: type(e).__name__,
)
def test_regressors_by_hand(diabetes, ensemble):
    X, y, X_test, y_test = diabetes
    oob = OutOfBagInfluence(ensemble).fit(X, y)
    expected = by_hand(oob.estimator_, squared, X_test, y_test, len(X))
    assert_allclose(oob.influence(X_test, y_test), expected, rtol=1e-9, atol=1e-9)
    for i in (0, 17):
        unseen = [
            (member.predict(X[[i]][:, list(columns)])[0] - y[i]) ** 2
            for member, sample, columns in zip(
                oob.estimator_.estimators_,
                oob.estimator_.estimators_samples_,
                getattr(oob.estimator_, "estimators_features_", [range(10)] * 30),
                strict=True,
            )
            if i not in sample
        ]
        assert oob.oob_values_[i] == pytest.approx(-np.mean(unseen))


LABELS = [
    [0, 1, 2],
    [1, 2, 3],
    [-1, 0, 1],
    ["b", "c", "d"],
    pd.Categorical(["b", "c", "d"]),
]


@pytest.mark.parametrize("labels", LABELS, ids=["012", "123", "-101", "str", "cat"])
@pytest.mark.parametrize(
    "ensemble",
    [RandomForestClassifier(40), BaggingClassifier(DecisionTreeClassifier(), 40)],
    ids=lambda e: type(e).__name__,
)
def test_labels_of_any_type(iris, ensemble, labels):
    X, y, X_test, y_test = iris
    oob = OutOfBagInfluence(ensemble, random_state=0).fit(X, y)
    right = [
        np.mean(
            [
                member.predict(X[[i]])[0] == y[i]
                for member, sample in zip(
                    oob.estimator_.estimators_,
                    oob.estimator_.estimators_samples_,
                    strict=True,
                )
                if i not in sample
            ]
        )
        for i in (0, 30, 60)
    ]
    assert_allclose(oob.oob_values_[[0, 30, 60]], right)
    assert oob.oob_values_.mean() > 0.8  # iris is easy
    named = np.asarray(labels)[y]
    if isinstance(labels, pd.Categorical):
        named = pd.Series(named, dtype="category")
    other = OutOfBagInfluence(ensemble, random_state=0).fit(X, named)
    assert_allclose(other.oob_values_, oob.oob_values_)
    assert_allclose(
        other.influence(X_test, np.asarray(labels)[y_test]),
        oob.influence(X_test, y_test),
    )


def test_a_pipeline_and_a_data_frame(iris):
    X, y, X_test, y_test = iris
    frame, test = pd.DataFrame(X).add_prefix("c"), pd.DataFrame(X_test).add_prefix("c")
    forest = RandomForestClassifier(20, random_state=0)
    pipe = OutOfBagInfluence(make_pipeline(StandardScaler(), forest)).fit(frame, y)
    scale = StandardScaler().fit(X).transform
    plain = OutOfBagInfluence(forest).fit(scale(X), y)
    assert_allclose(
        pipe.influence(test, y_test), plain.influence(scale(X_test), y_test)
    )


def test_missing_values_are_for_the_trees_to_take(iris):
    X, y, X_test, y_test = iris
    X = X.copy()
    X[::7, 1] = np.nan
    forest = RandomForestClassifier(20, random_state=0)
    oob = OutOfBagInfluence(forest).fit(X, y)
    assert np.isfinite(oob.influence(X_test, y_test)).all()
    assert np.isfinite(oob.self_influence()).all()


def test_intervals_cover_the_influence_of_more_members(diabetes):
    X, y, X_test, y_test = diabetes
    X, y = X[:30], y[:30] / y.std()
    y_test = y_test / 77
    tree = DecisionTreeRegressor(max_depth=2)

    def ensemble(n_members, seed):
        bagging = BaggingRegressor(tree, n_members, random_state=seed)
        return OutOfBagInfluence(bagging).fit(X, y)

    truth, noise = ensemble(1000, 99).influence(X_test, y_test, return_std=True)
    covered = []
    for seed in range(20):
        influence, std = ensemble(60, seed).influence(X_test, y_test, return_std=True)
        covered.append(np.abs(influence - truth) < 1.96 * np.hypot(std, noise))
    assert 0.90 < np.mean(covered) < 0.99


def test_errors_are_those_of_two_means(diabetes):
    X, y, X_test, y_test = diabetes
    oob = OutOfBagInfluence(RandomForestRegressor(40, random_state=0)).fit(X, y)
    _, std = oob.influence(X_test, y_test, return_std=True)
    losses = np.array([squared(e, X_test, y_test) for e in oob.estimator_.estimators_])
    for i in (0, 41):
        seen = np.array([i in s for s in oob.estimator_.estimators_samples_])
        variance = sum(losses[m].var(axis=0) / m.sum() for m in (seen, ~seen))
        assert_allclose(std[:, i], np.sqrt(variance * 40 / 39), rtol=1e-10)


def test_memory_does_not_change_values(iris):
    X, y, X_test, y_test = iris
    oob = OutOfBagInfluence(RandomForestClassifier(300, random_state=0)).fit(X, y)
    expected = oob.influence(X_test, y_test, return_std=True)
    values = oob.sample_values(X_test, y_test)
    with sklearn.config_context(working_memory=0.1):
        assert len(list(oob._blocks(len(X_test)))) > 3
        assert_allclose(oob.influence(X_test, y_test, return_std=True), expected)
        assert_allclose(oob.sample_values(X_test, y_test), values, atol=1e-14)
        again = OutOfBagInfluence(oob.estimator).fit(X, y)
    assert_array_equal(again.oob_values_, oob.oob_values_)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_rows_that_no_model_can_judge(iris):
    X, y, X_test, y_test = iris
    oob = OutOfBagInfluence(RandomForestClassifier(3, random_state=0))
    with pytest.warns(UserWarning, match="All 3 members.* rows of 75, .*n_estimators"):
        oob.fit(X, y)
    influence, std = oob.influence(X_test, y_test, return_std=True)
    assert np.isfinite(influence).all()
    judged = np.isfinite(std).all(axis=0)
    assert (influence[:, ~oob._judged] == 0).all()
    assert not judged[~oob._judged].any()
    assert np.isfinite(oob.oob_values_).all()
    assert np.isfinite(oob.sample_values(X_test, y_test)).all()


@pytest.mark.parametrize(
    ("ensemble", "error", "message"),
    [
        (GradientBoostingClassifier(), TypeError, "bagged ensemble.*Downsampling"),
        (ExtraTreesClassifier(), ValueError, "bootstrap=False.*set bootstrap=True"),
        (BaggingClassifier(bootstrap=False), ValueError, "set bootstrap=True"),
    ],
)
def test_ensembles_whose_members_see_all_rows(iris, ensemble, error, message):
    X, y, *_ = iris
    with pytest.raises(error, match=message):
        OutOfBagInfluence(ensemble).fit(X, y)


def test_workers_do_not_change_a_bit(iris):
    X, y, X_test, y_test = iris
    forest = RandomForestClassifier(20, random_state=0)
    one = OutOfBagInfluence(forest).fit(X, y)
    two = OutOfBagInfluence(forest, n_jobs=2).fit(X, y)
    assert_array_equal(one.influence(X_test, y_test), two.influence(X_test, y_test))


def test_it_scores_rows_for_the_cleaner():
    X, y = load_wine(return_X_y=True)
    flipped = np.arange(0, 178, 10)
    y[flipped] = (y[flipped] + 1) % 3
    oob = OutOfBagInfluence(RandomForestClassifier(100, random_state=0))
    cleaner = InfluenceCleaner(
        DecisionTreeClassifier(random_state=0), influence=oob, drop_fraction=0.11
    ).fit(X, y)
    assert_array_equal(cleaner.sample_values_, oob.fit(X, y).oob_values_)
    dropped = np.flatnonzero(~cleaner.sample_mask_)
    assert np.isin(dropped, flipped).sum() >= 15
