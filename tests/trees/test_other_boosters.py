"""LightGBM, XGBoost and CatBoost are reproduced, or a parameter is named."""

import pytest
from reader_checks import TABLES, check_mixed, check_reproduces, mixed_table

from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees import tree_structure

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")

CAT = {"iterations": 12, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
LGB = {"n_estimators": 12, "verbose": -1, "n_jobs": 1}
XGB = {"n_estimators": 12, "n_jobs": 1}
READ = [
    ("numbers", lightgbm.LGBMRegressor(**LGB, reg_lambda=1.5)),
    ("two", lightgbm.LGBMClassifier(**LGB, class_weight="balanced")),
    ("three", lightgbm.LGBMClassifier(**LGB, colsample_bytree=0.5)),
    ("numbers", xgboost.XGBRegressor(**XGB)),
    ("numbers", xgboost.XGBRegressor(**XGB, base_score=100.0)),
    ("two", xgboost.XGBClassifier(**XGB, reg_lambda=3.0)),
    ("two", xgboost.XGBClassifier(**XGB, base_score=0.3)),
    ("three", xgboost.XGBClassifier(**XGB)),
    ("numbers", catboost.CatBoostRegressor(**CAT)),
    ("two", catboost.CatBoostClassifier(**CAT)),  # ten Newton steps for a tree
    ("two", catboost.CatBoostClassifier(**CAT, leaf_estimation_iterations=1)),
    ("numbers", catboost.CatBoostRegressor(**CAT, leaf_estimation_iterations=3)),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("table", "model"), READ, ids=lambda v: str(v)[:48])
def test_leaves_and_targets_reproduce_the_booster(table, model, weighted):
    check_reproduces(table, model, weighted)


@pytest.mark.parametrize(
    "model",
    [
        lightgbm.LGBMRegressor(**LGB, min_data_per_group=5),
        xgboost.XGBRegressor(**XGB, enable_categorical=True),
        catboost.CatBoostRegressor(**CAT, cat_features=["kind"], one_hot_max_size=9),
    ],
    ids=lambda model: type(model).__name__,
)
def test_categories_and_missing_values(model):
    check_mixed(model)


def test_categorical_splits_of_lightgbm_are_regularised():
    # Without cat_l2 the leaves below a categorical split would not be reproduced.
    X, y = mixed_table()
    model = lightgbm.LGBMRegressor(**LGB, min_data_per_group=5).fit(X, y)
    assert set(tree_structure(model, X, y).regularization) == {0.0, 10.0}


REFUSED = [
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
    (
        catboost.CatBoostRegressor(**CAT, cat_features=["kind"], one_hot_max_size=2),
        "cat_features",
    ),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=lambda v: str(v)[:60])
def test_refusals_name_the_parameter(model, reason):
    X, y = TABLES["numbers"]
    if reason == "cat_features":
        X, y = mixed_table()
        X = X.assign(kind=X["kind"].astype(str))
    model.fit(X, y)
    with pytest.raises(UnsupportedEstimator, match=reason):
        tree_structure(model, X, y)


def test_a_ranker_is_refused_by_name():
    X, y = TABLES["three"]
    model = lightgbm.LGBMRanker(**LGB).fit(X, y, group=[len(y)])
    with pytest.raises(UnsupportedEstimator, match="LGBMRanker"):
        tree_structure(model, X, y)
