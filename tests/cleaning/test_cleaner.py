"""A model trained without the rows that look wrong."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skinfluence import InfluenceCleaner, InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.cleaning import _row_values
from skinfluence.cleaning.surprise._scorer import score_rows

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@parametrize_with_checks(
    [
        InfluenceCleaner(LogisticRegression()),
        InfluenceCleaner(Ridge()),
        InfluenceCleaner(make_pipeline(StandardScaler(), LogisticRegression())),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_values_mask_and_model_belong_together(noisy_wine):
    X, y = noisy_wine
    cleaner = InfluenceCleaner(LOGISTIC, drop_fraction=0.1).fit(X, y)
    np.testing.assert_array_equal(
        cleaner.sample_values_, score_rows(X, y, classification=True).values
    )
    kept = cleaner.sample_indices_
    np.testing.assert_array_equal(kept, np.flatnonzero(cleaner.sample_mask_))
    assert len(kept) == 178 - 17
    dropped = ~cleaner.sample_mask_
    assert cleaner.sample_values_[dropped].max() <= cleaner.sample_values_[kept].min()
    expected = clone(LOGISTIC).fit(X[kept], y[kept])
    np.testing.assert_array_equal(cleaner.predict_proba(X), expected.predict_proba(X))


def test_dropping_flipped_labels_helps():
    X, y = load_breast_cancer(return_X_y=True)
    train, test = np.arange(400), np.arange(400, 569)
    rng = np.random.default_rng(0)
    noisy = y[train].copy()
    flipped = rng.choice(400, 80, replace=False)
    noisy[flipped] = 1 - noisy[flipped]
    tree = DecisionTreeClassifier(random_state=0)
    plain = clone(tree).fit(X[train], noisy).score(X[test], y[test])
    cleaner = InfluenceCleaner(tree, drop_fraction=0.2).fit(X[train], noisy)
    assert cleaner.score(X[test], y[test]) > plain + 0.05
    assert np.isin(flipped, np.flatnonzero(~cleaner.sample_mask_)).mean() > 0.85


def test_the_scorer_does_not_depend_on_the_estimator(noisy_wine):
    values = [
        InfluenceCleaner(model).fit(*noisy_wine).sample_values_
        for model in (LOGISTIC, DecisionTreeClassifier(max_depth=1, random_state=0))
    ]
    np.testing.assert_array_equal(*values)


def test_influence_is_the_mean_over_held_out_folds(noisy_wine):
    X, y = noisy_wine
    influence = LeaveOneOutInfluence(LOGISTIC, solver="exact")
    cleaner = InfluenceCleaner(
        DecisionTreeClassifier(), influence=influence, cv=3, random_state=4
    ).fit(X, y)
    total, count = np.zeros(178), np.zeros(178)
    splitter = StratifiedKFold(3, shuffle=True, random_state=4)
    for train, test in splitter.split(X, y):
        fitted = clone(influence).fit(X[train], y[train])
        total[train] += fitted.sample_values(X[test], y[test])
        count[train] += 1
    assert (count == 2).all()
    np.testing.assert_allclose(cleaner.sample_values_, total / count)


def test_influence_of_a_regression():
    X, y = load_diabetes(return_X_y=True)
    cleaner = InfluenceCleaner(
        Ridge(), influence=InfluenceFunctions(Ridge()), cv=KFold(4), n_jobs=2
    ).fit(X, y)
    total = np.zeros(442)
    for train, test in KFold(4).split(X):
        fitted = InfluenceFunctions(Ridge()).fit(X[train], y[train])
        total[train] += fitted.sample_values(X[test], y[test])
    np.testing.assert_allclose(cleaner.sample_values_, total / 3)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1, 2]),
        np.array([1, -1]),
        np.array([True, False]),
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([7.0, 5.0]),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "influence", [None, LeaveOneOutInfluence(LOGISTIC, solver="exact")]
)
def test_label_encodings_do_not_change_the_result(labels, influence):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:150], y[:150]
    cleaner = InfluenceCleaner(LOGISTIC, influence=influence, cv=2, random_state=0)
    reference = clone(cleaner).fit(X, y)
    cleaner.fit(X, labels[y])
    np.testing.assert_allclose(
        cleaner.sample_values_, reference.sample_values_, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(cleaner.sample_mask_, reference.sample_mask_)
    assert (cleaner.predict(X) == labels[reference.predict(X)]).all()


def mixed_table():
    rng = np.random.default_rng(0)
    size = rng.normal(size=120)
    colour = np.array(["red", "green", "blue"], dtype=object)[np.arange(120) % 3]
    y = np.where(size + (colour == "red") > 0.3, "big", "small")
    wrong = np.arange(0, 120, 17)
    y[wrong] = np.where(y[wrong] == "big", "small", "big")
    size[1::9] = np.nan
    colour[2::11] = None
    return {"size": size, "colour": colour, "id": np.arange(120)}, y


def test_a_table_with_text_and_missing_values():
    columns, y = mixed_table()
    X = pd.DataFrame(columns, index=np.arange(120)[::-1])
    numbers = make_column_selector(dtype_include="number")
    model = make_pipeline(
        make_column_transformer(
            (SimpleImputer(), numbers),
            (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        ),
        LogisticRegression(max_iter=1000),
    )
    cleaner = InfluenceCleaner(model, drop_fraction=8 / 120)
    cleaner.fit(X, pd.Series(y, index=X.index))
    found = np.isin(np.arange(0, 120, 17), np.flatnonzero(~cleaner.sample_mask_))
    assert found.sum() >= 5
    assert cleaner.feature_names_in_.tolist() == ["size", "colour", "id"]
    frame = pl.DataFrame({**columns, "size": pl.Series(columns["size"])})
    values = score_rows(frame, y, classification=True).values
    np.testing.assert_allclose(values, cleaner.sample_values_, rtol=1e-6)


def test_missing_values_that_only_the_estimator_takes(noisy_wine):
    X, y = noisy_wine
    X[::7, 3] = np.nan
    model = HistGradientBoostingClassifier(max_iter=5)
    cleaner = InfluenceCleaner(model, drop_fraction=0.1).fit(X, y)
    assert cleaner.sample_mask_.sum() == 161


@pytest.mark.parametrize("drop_fraction", [0.5, 0.95])
def test_no_class_is_emptied(drop_fraction):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.repeat([0, 1, 2], [50, 8, 2])
    X[y == 2] = X[:2]  # nothing tells this class from the first
    cleaner = InfluenceCleaner(LogisticRegression(), drop_fraction=drop_fraction)
    cleaner.fit(X, y)
    assert set(y[cleaner.sample_indices_]) == {0, 1, 2}
    assert cleaner.sample_mask_.sum() == 60 - int(drop_fraction * 60)
    best = cleaner.sample_values_[y == 2].max()  # of both rows, perhaps
    assert cleaner.sample_values_[cleaner.sample_mask_ & (y == 2)].max() == best


@pytest.fixture
def count_scorings(monkeypatch):
    calls = []

    def counted(*args):
        calls.append(args)
        return score_rows(*args)

    monkeypatch.setattr(_row_values, "score_rows", counted)
    return calls


def test_a_grid_scores_each_fold_once(noisy_wine, count_scorings, tmp_path):
    grid = {
        "drop_fraction": [0.0, 0.2],
        "estimator__logisticregression__C": [0.1, 1.0],
    }
    search = GridSearchCV(InfluenceCleaner(LOGISTIC, memory=tmp_path), grid, cv=3).fit(
        *noisy_wine
    )
    assert len(count_scorings) == 3 + 1
    assert search.best_params_["drop_fraction"] > 0
    plain = GridSearchCV(InfluenceCleaner(LOGISTIC), grid, cv=3).fit(*noisy_wine)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    assert len(count_scorings) == 4 + 4 * 3 + 1


def test_memory_tells_other_influence_and_other_folds_apart(noisy_wine, tmp_path):
    X, y = noisy_wine
    values = []
    for influence, cv, seed in [
        (None, 2, 0),
        (InfluenceFunctions(LOGISTIC), 2, 0),
        (InfluenceFunctions(LOGISTIC), 3, 0),
        (InfluenceFunctions(LOGISTIC), 3, 1),
    ]:
        cleaner = InfluenceCleaner(
            LOGISTIC,
            influence=influence,
            cv=cv,
            random_state=seed,
            memory=str(tmp_path),
        )
        values.append(cleaner.fit(X, y).sample_values_)
    for i in range(1, 4):
        assert not np.allclose(values[i], values[i - 1])
    # any seed will do, so that a search without random_state finds its values again
    cleaner.set_params(random_state=None)
    first = clone(cleaner).fit(X, y).sample_values_
    np.testing.assert_array_equal(clone(cleaner).fit(X, y).sample_values_, first)


def test_weights_lose_the_same_rows(noisy_wine):
    X, y = noisy_wine
    X = StandardScaler().fit_transform(X)
    weight = np.random.default_rng(0).uniform(0.1, 3, 178)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
    influence = LeaveOneOutInfluence(model, solver="exact")
    cleaner = InfluenceCleaner(model, influence=influence, cv=2, random_state=0)
    cleaner.fit(X, y, sample_weight=weight)
    kept = cleaner.sample_indices_
    expected = clone(model).fit(X[kept], y[kept], weight[kept])
    np.testing.assert_array_equal(cleaner.estimator_.coef_, expected.coef_)
    train, test = next(StratifiedKFold(2, shuffle=True, random_state=0).split(X, y))
    fold = clone(influence).fit(X[train], y[train], sample_weight=weight[train])
    np.testing.assert_allclose(
        cleaner.sample_values_[train], fold.sample_values(X[test], y[test])
    )


def test_metadata_is_routed_to_the_two_estimators_apart(noisy_wine):
    X, y = noisy_wine
    X = StandardScaler().fit_transform(X)
    weight = np.random.default_rng(0).uniform(0.1, 3, 178)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
        weighted = clone(model).set_fit_request(sample_weight=True)
        weighted.set_score_request(sample_weight=False)
        unweighted = clone(model).set_fit_request(sample_weight=False)
        cleaner = InfluenceCleaner(
            weighted,
            influence=LeaveOneOutInfluence(unweighted, solver="exact"),
            cv=2,
            random_state=0,
        ).fit(X, y, sample_weight=weight)
        kept = cleaner.sample_indices_
        expected = clone(model).fit(X[kept], y[kept], weight[kept])
        np.testing.assert_array_equal(cleaner.estimator_.coef_, expected.coef_)
        search = GridSearchCV(
            InfluenceCleaner(weighted), {"drop_fraction": [0.0, 0.1]}, cv=2
        ).fit(X, y, sample_weight=weight)
        assert search.best_estimator_.sample_values_.shape == (178,)
    without = InfluenceCleaner(
        model,
        influence=LeaveOneOutInfluence(model, solver="exact"),
        cv=2,
        random_state=0,
    ).fit(X, y)
    np.testing.assert_array_equal(cleaner.sample_values_, without.sample_values_)


def test_seeds_reach_the_estimator_and_spare_the_global_generator(noisy_wine):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    forest = RandomForestClassifier(5)
    first, second = (
        InfluenceCleaner(forest, random_state=0)
        .fit(*noisy_wine)
        .predict_proba(noisy_wine[0])
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    InfluenceCleaner(
        forest,
        influence=LeaveOneOutInfluence(LOGISTIC, solver="exact"),
        random_state=np.random.RandomState(0),
        cv=2,
    ).fit(*noisy_wine)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_without_dropped_rows_the_model_is_the_estimators_own(noisy_wine):
    X, y = noisy_wine
    cleaner = InfluenceCleaner(LOGISTIC, drop_fraction=0).fit(X, y)
    assert cleaner.sample_mask_.all()
    expected = clone(LOGISTIC).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(cleaner.predict_proba(X), expected)


def test_several_outputs():
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, X[:, 0]])
    assert InfluenceCleaner(Ridge()).fit(X, Y).predict(X).shape == (442, 2)
    labels = np.column_stack([y > 100, y > 200])
    tree = InfluenceCleaner(DecisionTreeClassifier(), drop_fraction=0.1)
    tree.fit(X, labels)
    assert tree.sample_mask_.sum() == 442 - 44


def test_a_mistake_in_any_output_is_found():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    numbers = np.column_stack([X[:, 0], X @ [0, 1, 1]]) + 0.2 * rng.normal(
        size=(120, 2)
    )
    labels = (numbers > 0).astype(int)
    sure = np.flatnonzero((np.abs(numbers) > 0.7).all(axis=1))[:4]
    for estimator, right, wrong in (
        (Ridge(), numbers, -numbers),
        (DecisionTreeClassifier(random_state=0), labels, 1 - labels),
    ):
        y = right.copy()
        y[sure[:2], 0], y[sure[2:], 1] = wrong[sure[:2], 0], wrong[sure[2:], 1]
        suspects = (
            InfluenceCleaner(estimator, drop_fraction=4 / 120).fit(X, y).suspects_
        )
        assert set(suspects.row) == set(sure)
        np.testing.assert_array_equal(suspects.given, y[suspects.row])
        nearer = np.abs(suspects.suggested - right[suspects.row])
        assert (nearer.max(axis=1) < 0.7).all()


@pytest.mark.parametrize("drop_fraction", [-0.1, 1, 1.5, "some"])
def test_bad_share(drop_fraction):
    cleaner = InfluenceCleaner(Ridge(), drop_fraction=drop_fraction)
    with pytest.raises(ValueError, match="'drop_fraction' parameter"):
        cleaner.fit([[1.0], [2.0]], [1.0, 2.0])


def test_bad_parameters(noisy_wine):
    X, y = noisy_wine
    with pytest.raises(ValueError, match="'influence' parameter"):
        InfluenceCleaner(LOGISTIC, influence=LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="FrozenEstimator"):
        InfluenceCleaner(FrozenEstimator(clone(LOGISTIC).fit(X, y))).fit(X, y)
    with pytest.raises(NotFittedError):
        _ = InfluenceCleaner(LOGISTIC).sample_indices_
