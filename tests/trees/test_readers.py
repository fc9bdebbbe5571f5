"""Every reader reproduces its booster, or says which parameter prevents it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees import tree_structure
from skinfluence.trees._replay import raw_prediction, replay

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")

CAT = {"iterations": 12, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
LGB = {"n_estimators": 12, "verbose": -1, "n_jobs": 1}
XGB = {"n_estimators": 12, "n_jobs": 1}
TABLES = {
    "numbers": load_diabetes(return_X_y=True),
    "two": load_breast_cancer(return_X_y=True),
    "three": load_wine(return_X_y=True),
}
READ = [
    ("numbers", GradientBoostingRegressor(n_estimators=12)),
    ("numbers", GradientBoostingRegressor(n_estimators=12, init="zero")),
    ("two", GradientBoostingClassifier(n_estimators=12)),
    ("three", GradientBoostingClassifier(n_estimators=8)),
    ("numbers", HistGradientBoostingRegressor(max_iter=12, l2_regularization=2.0)),
    ("numbers", HistGradientBoostingRegressor(max_iter=12, loss="poisson")),
    ("numbers", HistGradientBoostingRegressor(max_iter=12, loss="gamma")),
    ("two", HistGradientBoostingClassifier(max_iter=12, class_weight="balanced")),
    ("three", HistGradientBoostingClassifier(max_iter=8)),
    ("numbers", lightgbm.LGBMRegressor(**LGB, reg_lambda=1.5)),
    ("two", lightgbm.LGBMClassifier(**LGB, class_weight="balanced")),
    ("three", lightgbm.LGBMClassifier(**LGB, colsample_bytree=0.5)),
    ("numbers", xgboost.XGBRegressor(**XGB)),
    ("numbers", xgboost.XGBRegressor(**XGB, base_score=100.0)),
    ("two", xgboost.XGBClassifier(**XGB, reg_lambda=3.0)),
    ("two", xgboost.XGBClassifier(**XGB, base_score=0.3)),
    ("three", xgboost.XGBClassifier(**XGB)),
    ("numbers", catboost.CatBoostRegressor(**CAT)),
    ("two", catboost.CatBoostClassifier(**CAT, leaf_estimation_iterations=1)),
]


def raw_of(model, X):
    """Raw predictions by each library's public methods."""
    module = type(model).__module__.partition(".")[0]
    if module == "lightgbm":
        return model.predict(X, raw_score=True)
    if module == "xgboost":
        return model.predict(X, output_margin=True)
    if module == "catboost":
        return model.predict(X, prediction_type="RawFormulaVal")
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    predicted = model.predict(X)
    return predicted if model.loss == "squared_error" else np.log(predicted)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("table", "model"), READ, ids=lambda v: str(v)[:48])
def test_leaves_and_targets_reproduce_the_booster(table, model, weighted):
    X, y = TABLES[table]
    train, other = np.arange(len(y)) % 3 > 0, np.arange(len(y)) % 3 == 0
    weight = np.random.default_rng(0).uniform(0.5, 2, train.sum()) if weighted else None
    model.fit(X[train], y[train], sample_weight=weight)
    trees = tree_structure(model, X[train], y[train], weight)
    said = raw_prediction(trees, replay(trees), trees.leaves_of(X[other]))
    expected = np.reshape(raw_of(model, X[other]), said.shape)
    spread = np.ptp(expected)
    tol = 1e-5 if "XGB" in type(model).__name__ else 1e-6
    assert_allclose(said, expected, rtol=0, atol=tol * spread)


def mixed_table(n=300):
    """A frame with categories, missing values and a target that needs both."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"kind": rng.integers(9, size=n), "size": rng.normal(size=n)})
    y = (X["kind"] % 3 == 0) + X["size"] + 0.3 * rng.normal(size=n)
    X.loc[::7, "size"] = np.nan
    return X.assign(kind=pd.Categorical(X["kind"].astype(str))), y.to_numpy()


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingRegressor(max_iter=12),
        lightgbm.LGBMRegressor(**LGB, min_data_per_group=5),
        xgboost.XGBRegressor(**XGB, enable_categorical=True),
        catboost.CatBoostRegressor(**CAT, cat_features=["kind"], one_hot_max_size=9),
    ],
    ids=lambda model: type(model).__name__,
)
def test_categories_and_missing_values(model):
    X, y = mixed_table()
    if "CatBoost" in type(model).__name__:
        X = X.assign(kind=X["kind"].astype(str))
    model.fit(X, y)
    trees = tree_structure(model, X, y)
    said = raw_prediction(trees, replay(trees), trees.leaves_of(X[:50]))[:, 0]
    assert_allclose(said, model.predict(X[:50]), atol=1e-5 * np.ptp(y))


def test_categorical_splits_of_lightgbm_are_regularised():
    # Without cat_l2 the leaves below a categorical split would not be reproduced.
    X, y = mixed_table()
    model = lightgbm.LGBMRegressor(**LGB, min_data_per_group=5).fit(X, y)
    assert set(tree_structure(model, X, y).regularization) == {0.0, 10.0}


REFUSED = [
    (GradientBoostingRegressor(n_estimators=3, subsample=0.5), "subsample=0.5"),
    (GradientBoostingRegressor(n_estimators=3, loss="huber"), "loss='huber'"),
    (GradientBoostingRegressor(n_estimators=3, n_iter_no_change=2), "n_iter_no_change"),
    (HistGradientBoostingRegressor(max_iter=3, early_stopping=True), "early_stopping"),
    (HistGradientBoostingRegressor(max_iter=3, loss="absolute_error"), "loss="),
    (HistGradientBoostingRegressor(max_iter=3, monotonic_cst=[1] * 10), "monotonic_cst"),
    (lightgbm.LGBMRegressor(**LGB, reg_alpha=1.0), "reg_alpha=1.0"),
    (lightgbm.LGBMRegressor(**LGB, boosting_type="dart"), "boosting_type='dart'"),
    (lightgbm.LGBMRegressor(**LGB, linear_tree=True), "linear_tree=True"),
    (lightgbm.LGBMRegressor(**LGB, objective="l1"), "objective="),
    (lightgbm.LGBMRegressor(**LGB, subsample=0.5, subsample_freq=1), "subsample"),
    (xgboost.XGBRegressor(**XGB, subsample=0.5), "subsample=0.5"),
    (xgboost.XGBRegressor(**XGB, reg_alpha=1.0), "alpha=1.0"),
    (xgboost.XGBRegressor(**XGB, booster="dart"), "booster='dart'"),
    (xgboost.XGBRegressor(**XGB, objective="reg:absoluteerror"), "objective="),
    (xgboost.XGBRFRegressor(**XGB), "forest"),
    (catboost.CatBoostRegressor(**CAT, loss_function="MAE"), "="),
    (
        catboost.CatBoostRegressor(**CAT, boosting_type="Ordered"),
        "boosting_type='Ordered'",
    ),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=lambda v: str(v)[:60])
def test_refusals_name_the_parameter(model, reason):
    X, y = TABLES["numbers"]
    model.fit(X, y)
    with pytest.raises(UnsupportedEstimator, match=reason):
        tree_structure(model, X, y)


def test_refuses_ten_newton_steps_of_catboost():
    X, y = TABLES["two"]
    model = catboost.CatBoostClassifier(**CAT).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="leaf_estimation_iterations=1"):
        tree_structure(model, X, y)


def test_other_rows_than_those_of_the_fit_are_found_out():
    X, y = TABLES["numbers"]
    model = GradientBoostingRegressor(n_estimators=5).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="do not follow from the training"):
        tree_structure(model, X, y[::-1])


def test_a_ranker_is_refused_by_name():
    X, y = TABLES["three"]
    model = lightgbm.LGBMRanker(**LGB).fit(X, y, group=[len(y)])
    with pytest.raises(UnsupportedEstimator, match="LGBMRanker"):
        tree_structure(model, X, y)


def test_behind_a_column_transformer():
    X, y = mixed_table()
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), (StandardScaler(), ["size"])
    )
    model = make_pipeline(columns, HistGradientBoostingRegressor(max_iter=8))
    loo = LeaveOneOutInfluence(model, solver="exact").fit(X, y)
    assert "tree structure" in loo.fixed_steps_
    assert loo.influence(X[:4], y[:4]).shape == (4, len(y))
