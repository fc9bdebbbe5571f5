"""TreeInfluence: averages over structures, out-of-bag values, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceFunctions, TreeInfluence
from skinfluence.removal import UnsupportedEstimator

X, y = load_diabetes(return_X_y=True)
X, y, X_test, y_test = X[:150], y[:150], X[400:410], y[400:410]
booster = GradientBoostingRegressor(n_estimators=8, max_depth=2, random_state=0)


def brute_structure(model, rows, i, tests, weight=None):
    """Change of a booster's predictions without one of its rows, splits held.

    For squared loss: leaf means of residuals, iteration by iteration.
    """
    weight = np.ones(len(rows)) if weight is None else weight
    leaves = [tree[0].apply(X[rows].astype(np.float32)) for tree in model.estimators_]
    asked = [tree[0].apply(tests.astype(np.float32)) for tree in model.estimators_]

    def run(kept):
        mean = np.average(y[rows][kept], weights=weight[kept])
        said, test = np.full(len(rows), mean), np.full(len(tests), mean)
        for here, there in zip(leaves, asked, strict=True):
            residual = y[rows] - said
            value = {}
            for leaf in np.unique(here):
                inside = kept & (here == leaf)
                value[leaf] = np.average(residual[inside], weights=weight[inside])
            said = said + model.learning_rate * np.array([value[leaf] for leaf in here])
            test = test + model.learning_rate * np.array(
                [value[leaf] for leaf in there]
            )
        return test

    kept = np.ones(len(rows), dtype=bool)
    whole = run(kept)
    kept[np.flatnonzero(rows == i)] = False
    return whole, run(kept) - whole


def test_mean_over_the_structures_that_hold_the_row():
    influence = TreeInfluence(booster, n_structures=6, random_state=3).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    models = [(s.model, s.rows) for s in influence._structures]
    assert {len(rows) for _, rows in models} == {105}
    for i in (0, 11, 88):
        said = []
        for model, rows in models:
            refitted = clone(booster).fit(X[rows], y[rows])
            assert_allclose(refitted.predict(X_test), model.predict(X_test))
            if i in rows:
                whole, move = brute_structure(model, rows, i, X_test)
                assert_allclose(whole, model.predict(X_test))
                said.append(2 * (whole - y_test) * move)
        expected = np.mean(said, axis=0)
        # The other rows' moves are linear for the squared loss, the own leaf exact, so
        # only the loss and products of moves within the own leaves are first order.
        error = np.abs(matrix[:, i] - expected).max()
        assert error < 0.05 * np.abs(expected).max()


def test_weights_of_rows():
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    influence = TreeInfluence(booster, n_structures=6, random_state=3)
    influence.fit(X, y, sample_weight=weight)
    matrix = influence.influence(X_test, y_test)
    for i in (0, 11, 88):
        said = []
        for structure in influence._structures:
            model, rows = structure.model, structure.rows
            refitted = clone(booster).fit(X[rows], y[rows], sample_weight=weight[rows])
            assert_allclose(refitted.predict(X_test), model.predict(X_test))
            if i in rows:
                whole, move = brute_structure(model, rows, i, X_test, weight[rows])
                assert_allclose(whole, model.predict(X_test))
                said.append(2 * (whole - y_test) * move)
        expected = np.mean(said, axis=0)
        error = np.abs(matrix[:, i] - expected).max()
        assert error < 0.05 * np.abs(expected).max()


def test_finished_structures_are_not_trained_again(tmp_path, monkeypatch):
    few = TreeInfluence(booster, n_structures=4, memory=tmp_path, random_state=0)
    few.fit(X, y)
    trained, fit = [], GradientBoostingRegressor.fit

    def counted(self, X, *args, **kwargs):
        trained.append(len(X))
        return fit(self, X, *args, **kwargs)

    monkeypatch.setattr(GradientBoostingRegressor, "fit", counted)
    again = TreeInfluence(booster, n_structures=6, memory=tmp_path, random_state=0)
    again.fit(X, y)
    assert trained == [150, 105, 105]  # the model of all rows, and two more
    fresh = TreeInfluence(booster, n_structures=6, random_state=0).fit(X, y)
    assert_allclose(again.influence(X_test, y_test), fresh.influence(X_test, y_test))


def test_one_structure_is_the_fitted_model():
    one = TreeInfluence(booster, n_structures=1).fit(X, y)
    assert one.n_structures_ == 1
    matrix = one.influence(X_test, y_test)
    newton = InfluenceFunctions(booster, step="newton").fit(X, y)
    truth = newton.influence(X_test, y_test)
    assert np.corrcoef(matrix.ravel(), truth.ravel())[0, 1] > 0.999
    assert np.isnan(one.oob_values_).all()


def test_standard_errors_are_those_of_the_mean():
    influence = TreeInfluence(booster, n_structures=6, random_state=3).fit(X, y)
    mean, error = influence.influence(X_test, y_test, return_std=True)
    assert_allclose(mean, influence.influence(X_test, y_test))
    parts = np.full((6, *mean.shape), np.nan)
    for r, structure in enumerate(influence._structures):
        parts[r][:, structure.rows] = structure.influence(
            X_test, y_test[:, None], influence._loss
        )
    count = (~np.isnan(parts)).sum(axis=0)
    expected = np.nanstd(parts, axis=0, ddof=1) / np.sqrt(count)
    assert_allclose(error, expected, rtol=1e-8)
    values, value_error = influence.sample_values(X_test, y_test, return_std=True)
    expected = np.nanstd(parts.mean(axis=1), axis=0, ddof=1) / np.sqrt(count[0])
    assert_allclose(values, mean.mean(axis=0))
    assert_allclose(value_error, expected, rtol=1e-8)
    own, own_error = influence.self_influence(return_std=True)
    assert_allclose(own, influence.self_influence())
    assert own_error.shape == own.shape
    assert (own_error > 0).all()


def test_out_of_bag_values_are_losses_of_models_without_the_row():
    X, y = make_classification(120, random_state=0)
    model = GradientBoostingClassifier(n_estimators=5, random_state=0)
    influence = TreeInfluence(model, n_structures=8, random_state=1).fit(X, y)
    total, count = np.zeros(120), np.zeros(120)
    for structure in influence._structures:
        fitted = clone(model).fit(X[structure.rows], y[structure.rows])
        out = np.setdiff1d(np.arange(120), structure.rows)
        said = fitted.predict_proba(X[out])[np.arange(len(out)), y[out]]
        total[out] += np.log(said)
        count[out] += 1
    assert_allclose(influence.oob_values_, total / count)


def test_out_of_bag_values_find_flipped_labels():
    X, y = load_breast_cancer(return_X_y=True)
    wrong = np.random.default_rng(0).choice(len(y), 57, replace=False)
    y[wrong] = 1 - y[wrong]
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    influence = TreeInfluence(model, n_structures=20, random_state=0).fit(X, y)
    found = np.isin(np.arange(len(y)), wrong)
    ranked = average_precision_score(found, -influence.oob_values_)
    fitted = clone(model).fit(X, y).predict_proba(X)[np.arange(len(y)), y]
    assert ranked > 0.85
    assert ranked > average_precision_score(found, -fitted)


def test_forest_out_of_bag_values():
    X, y = make_classification(100, random_state=0)
    model = RandomForestClassifier(15, oob_score=True, random_state=0)
    influence = TreeInfluence(model).fit(X, y)
    fitted = clone(model).fit(X, y)
    said = fitted.oob_decision_function_[np.arange(100), y]
    assert_allclose(influence.oob_values_, -((1 - said) ** 2), atol=1e-15)
    assert influence.n_structures_ == 15


def test_pipeline_and_jobs_give_equal_influences():
    scaled = make_pipeline(StandardScaler(), booster)
    plain = TreeInfluence(booster, n_structures=5, random_state=0).fit(X, y)
    piped = TreeInfluence(scaled, n_structures=5, random_state=0, n_jobs=2).fit(X, y)
    assert_allclose(
        piped.influence(X_test, y_test), plain.influence(X_test, y_test), rtol=1e-6
    )


def test_errors_come_before_the_structures():
    with pytest.raises(UnsupportedEstimator, match="subsample=0.5"):
        TreeInfluence(GradientBoostingRegressor(n_estimators=2, subsample=0.5)).fit(
            X, y
        )
    with pytest.raises(ValueError, match="n_structures"):
        TreeInfluence(booster, n_structures=2, subset_fraction=0.9).fit(X, y)
    with pytest.raises(ValueError, match="return_std=True"):
        TreeInfluence(booster, n_structures=1).fit(X, y).influence(
            X_test, y_test, return_std=True
        )
    labels = y > y.mean()
    untrainable = HistGradientBoostingClassifier(max_iter=0)
    with pytest.raises(TypeError, match="zero_one"):
        TreeInfluence(untrainable, loss="zero_one").fit(X, labels)


def test_rows_and_targets_of_different_length_are_a_value_error():
    xgboost = pytest.importorskip("xgboost")  # its own error is not a ValueError
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TreeInfluence(xgboost.XGBRegressor(n_estimators=2)).fit(X, y[:-1])


@pytest.mark.parametrize("final", [GradientBoostingClassifier, RandomForestClassifier])
def test_samplers_are_refused_by_name_before_training(final):
    pipeline = pytest.importorskip("imblearn.pipeline")
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    model = pipeline.make_pipeline(over_sampling.RandomOverSampler(), final())
    influence = TreeInfluence(model)
    with pytest.raises(UnsupportedEstimator, match="randomoversampler"):
        influence.fit(X, y > 200)
    assert not hasattr(influence, "estimator_")
