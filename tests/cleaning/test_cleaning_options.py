"""Actions on suspects, groups, time, classes, and the table of suspects."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceCleaner, InfluenceFunctions
from skinfluence.cleaning._actions import act

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture
def noisy_wine():
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(178, 18, replace=False)
    y[wrong] = (y[wrong] + rng.integers(1, 3, 18)) % 3
    return X, y, wrong


def test_relabelled_rows_get_the_prediction_of_models_without_them(noisy_wine):
    X, y, wrong = noisy_wine
    names = np.array(["a", "b", "c"])
    cleaner = InfluenceCleaner(LOGISTIC, action="relabel").fit(X, pd.Series(names[y]))
    expected = names[y].copy()
    expected[cleaner.suspects_.row] = cleaner.suspects_.suggested
    truth = names[load_wine(return_X_y=True)[1]]
    assert (expected == truth).mean() > 0.97
    model = clone(LOGISTIC).fit(X, expected)
    np.testing.assert_array_equal(cleaner.predict_proba(X), model.predict_proba(X))


def test_relabelled_numbers():
    X, y = load_diabetes(return_X_y=True)
    y[::40] += 400
    cleaner = InfluenceCleaner(Ridge(), drop_fraction=12 / 442, action="relabel")
    cleaner.fit(X, y)
    suspects = cleaner.suspects_
    expected = y.copy()
    expected[suspects.row] = suspects.suggested
    assert abs(expected[::40] - y[::40] + 400).mean() < 120
    np.testing.assert_array_equal(
        cleaner.predict(X), Ridge().fit(X, expected).predict(X)
    )


@pytest.mark.parametrize("own", [None, np.linspace(0.5, 2, 178)])
def test_weights_shrink_by_the_probability_of_being_right(noisy_wine, own):
    X, y, _ = noisy_wine
    params = {} if own is None else {"logisticregression__sample_weight": own}
    cleaner = InfluenceCleaner(LOGISTIC, action="weight").fit(X, y, **params)
    suspects = cleaner.suspects_
    weight = np.ones(178) if own is None else own.copy()
    weight[suspects.row] *= 1 - suspects.probability_wrong
    assert (weight < 0.5).sum() >= 10
    model = clone(LOGISTIC).fit(X, y, logisticregression__sample_weight=weight)
    np.testing.assert_array_equal(cleaner.predict_proba(X), model.predict_proba(X))


def test_weights_are_routed(noisy_wine):
    X, y, _ = noisy_wine
    X = StandardScaler().fit_transform(X)
    plain = InfluenceCleaner(LogisticRegression(), action="weight").fit(X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=True)
        routed = InfluenceCleaner(model, action="weight").fit(X, y)
    np.testing.assert_array_equal(routed.predict_proba(X), plain.predict_proba(X))


def test_weights_need_an_estimator_that_takes_them(noisy_wine):
    X, y, _ = noisy_wine
    cleaner = InfluenceCleaner(KNeighborsClassifier(), action="weight")
    with pytest.raises(ValueError, match="takes no sample_weight.*KNeighborsClassif"):
        cleaner.fit(X, y)
    with pytest.raises(ValueError, match="'action' parameter"):
        InfluenceCleaner(LOGISTIC, action="delete").fit(X, y)


def test_dropping_loses_the_row_everywhere():
    X, y = np.arange(8).reshape(4, 2), np.arange(4)
    params = {"sample_weight": np.arange(4.0), "other": 3}
    kept = np.array([True, False, True, True])
    X, y, params = act("drop", X, y, params, kept, None, None, None)
    assert X[:, 0].tolist() == [0, 4, 6]
    assert y.tolist() == [0, 2, 3]
    assert params["sample_weight"].tolist() == [0, 2, 3]
    assert params["other"] == 3


def test_the_table_of_suspects(noisy_wine):
    X, y, _ = noisy_wine
    cleaner = InfluenceCleaner(LOGISTIC, drop_fraction=0.2).fit(X, y)
    suspects = pd.DataFrame(dict(cleaner.suspects_))
    assert sorted(suspects["row"]) == np.flatnonzero(~cleaner.sample_mask_).tolist()
    assert suspects["rank"].tolist() == list(range(1, 36))
    rows = suspects["row"].to_numpy()
    np.testing.assert_array_equal(suspects["given"], y[rows])
    np.testing.assert_array_equal(suspects["value"], cleaner.sample_values_[rows])
    assert suspects["value"].is_monotonic_increasing
    assert (suspects["probability_wrong"] <= suspects["probability_ceiling"]).all()
    assert suspects["probability_wrong"][:10].min() > 0.9
    assert (suspects["standard_error"] > 0).all()
    fine = 1 - suspects[["probability_ceiling", "probability_wrong"]].mean()
    smallest, largest = cleaner.false_discovery_rate_
    assert smallest <= fine["probability_ceiling"] <= fine["probability_wrong"]
    assert fine["probability_wrong"] <= largest
    for row, hurt in zip(rows, suspects["hurts"], strict=True):
        assert len(hurt) <= 3
        assert row not in hurt
    none = InfluenceCleaner(LOGISTIC, drop_fraction=0).fit(X, y)
    assert len(none.suspects_.row) == 0
    assert np.isnan(none.false_discovery_rate_).all()


def test_errors_of_influence_are_over_folds(noisy_wine):
    X, y, _ = noisy_wine
    influence = InfluenceFunctions(LOGISTIC)
    cv = [
        (np.flatnonzero(np.arange(178) % 3 != k), np.arange(k, 178, 3))
        for k in (0, 1, 2)
    ]
    cleaner = InfluenceCleaner(LOGISTIC, influence=influence, cv=cv).fit(X, y)
    row = cleaner.suspects_.row[0]
    values = []
    for train, test in cv:
        if row in train:
            fold = clone(influence).fit(X[train], y[train])
            own = fold.sample_values(X[test], y[test])[train == row]
            values.append(own[0])
    assert len(values) == 2
    assert cleaner.suspects_.value[0] == pytest.approx(np.mean(values))
    error = np.std(values, ddof=1) / np.sqrt(2)
    assert cleaner.suspects_.standard_error[0] == pytest.approx(error)


def test_every_class_loses_the_same_share():
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == 1)[:200], np.flatnonzero(y == 0)[:20]])
    X, y = X[rows], y[rows]
    cleaner = InfluenceCleaner(LOGISTIC, drop_fraction=0.1, per_class=True).fit(X, y)
    for label, n_dropped in [(1, 20), (0, 2)]:
        of = np.flatnonzero(y == label)
        worst = of[cleaner.sample_values_[of].argsort(kind="stable")[:n_dropped]]
        assert set(of[~cleaner.sample_mask_[of]]) == set(worst)
    overall = InfluenceCleaner(LOGISTIC, drop_fraction=0.1).fit(X, y)
    assert (~overall.sample_mask_[y == 0]).sum() > 2


def copied_rows():
    """Every row three times, a wrong label being wrong in all of them."""
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:150], y[:150]
    wrong = np.random.default_rng(0).permutation(150) < 15
    y = np.where(wrong, 1 - y, y)
    noise = np.random.default_rng(1).normal(scale=1e-3, size=(450, 30)) * X.std(axis=0)
    return np.tile(X, (3, 1)) + noise, np.tile(y, 3), np.tile(wrong, 3)


def test_rows_of_a_group_do_not_vouch_for_each_other():
    X, y, wrong = copied_rows()
    groups = np.tile(np.arange(150), 3).astype(str)
    cleaner = InfluenceCleaner(LOGISTIC, random_state=0)
    alone = cleaner.fit(X, y).sample_values_
    together = cleaner.fit(X, y, groups=groups).sample_values_
    assert average_precision_score(wrong, -together) > 0.85
    assert average_precision_score(wrong, -together) > 0.1 + average_precision_score(
        wrong, -alone
    )
    # The splitter says the same.
    by_splitter = InfluenceCleaner(LOGISTIC, cv=GroupKFold(10))
    values = by_splitter.fit(X, y, groups=groups).sample_values_
    assert average_precision_score(wrong, -values) > 0.85


def test_groups_are_routed_to_the_splitter():
    X, y, _ = copied_rows()
    groups = np.tile(np.arange(150) % 7, 3)
    settings = {"cv": LeaveOneGroupOut(), "random_state": 0}
    plain = InfluenceCleaner(LOGISTIC, **settings).fit(X, y, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = InfluenceCleaner(LOGISTIC, **settings).fit(X, y, groups=groups)
    np.testing.assert_array_equal(routed.sample_values_, plain.sample_values_)


def test_one_group_cannot_be_held_out(noisy_wine):
    X, y, _ = noisy_wine
    with pytest.raises(ValueError, match="'groups' parameter must name at least two"):
        InfluenceCleaner(LOGISTIC).fit(X, y, groups=np.zeros(178))
    with pytest.raises(
        ValueError, match=r"'groups'.*one label per training row.*Got shape \(10,\)"
    ):
        InfluenceCleaner(LOGISTIC).fit(X, y, groups=np.arange(10))


@pytest.mark.parametrize(
    ("influence", "drop_fraction"),
    [(None, 0.1), (None, "auto"), (InfluenceFunctions(Ridge()), 0.1)],
)
def test_time_series_are_judged_by_earlier_rows_only(influence, drop_fraction):
    X, y = load_diabetes(return_X_y=True)
    splitter = TimeSeriesSplit(4)
    cleaner = InfluenceCleaner(
        Ridge(0.1), influence=influence, drop_fraction=drop_fraction, cv=splitter
    )
    cleaner.fit(X, y)
    parts = [test for _, test in splitter.split(X)]
    unjudged = np.arange(parts[0][0]) if influence is None else parts[-1]
    assert (
        np.flatnonzero(np.isnan(cleaner.sample_values_)).tolist() == unjudged.tolist()
    )
    assert cleaner.sample_mask_[unjudged].all()
    if drop_fraction == 0.1:
        assert cleaner.sample_mask_.sum() == 442 - 44


def test_a_single_fold_leaves_the_others_unjudged(noisy_wine):
    X, y, _ = noisy_wine
    halves = [(np.arange(0, 178, 2), np.arange(1, 178, 2))]
    cleaner = InfluenceCleaner(
        LOGISTIC, influence=InfluenceFunctions(LOGISTIC), cv=halves
    )
    values = cleaner.fit(X, y).sample_values_
    assert np.isnan(values[1::2]).all()
    assert np.isfinite(values[::2]).all()
    assert np.isnan(cleaner.suspects_.standard_error).all()
