"""LightGBM, XGBoost and CatBoost are reproduced, or a parameter is named."""

import numpy as np
import pytest
from checks.reader_checks import TABLES, check_mixed, check_reproduces, mixed_table
from numpy.testing import assert_allclose
from scipy.special import log_softmax
from truth.naive_boosting import boost

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
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
    # of more than two classes: one system of equations for each leaf
    ("three", catboost.CatBoostClassifier(**CAT)),
    ("three", catboost.CatBoostClassifier(**CAT, leaf_estimation_iterations=4)),
    ("three", catboost.CatBoostClassifier(**CAT, grow_policy="Lossguide")),
]


def name(value):
    """Name a case, without the address that old releases of CatBoost print."""
    return str(value).split(" object at")[0][:60]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("table", "model"), READ, ids=name)
def test_leaves_and_targets_reproduce_the_booster(table, model, weighted):
    check_reproduces(table, model, weighted)


ONE_HOT = {"cat_features": ["kind"], "one_hot_max_size": 9}


@pytest.mark.parametrize("task", ["numbers", "two", "three"])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_categories_and_missing_values(library, task):
    regressor, classifier, options = {
        "lightgbm": (
            lightgbm.LGBMRegressor,
            lightgbm.LGBMClassifier,
            LGB | {"min_data_per_group": 5},
        ),
        "xgboost": (
            xgboost.XGBRegressor,
            xgboost.XGBClassifier,
            XGB | {"enable_categorical": True},
        ),
        "catboost": (
            catboost.CatBoostRegressor,
            catboost.CatBoostClassifier,
            CAT | ONE_HOT,
        ),
    }[library]
    kind = regressor if task == "numbers" else classifier
    check_mixed(kind(**options), task)


def test_categorical_splits_of_lightgbm_are_regularised():
    # Without cat_l2 the leaves below a categorical split would not be reproduced.
    X, y = mixed_table()
    model = lightgbm.LGBMRegressor(**LGB, min_data_per_group=5).fit(X, y)
    assert set(tree_structure(model, X, y).regularization) == {0.0, 10.0}


def test_catboost_of_three_classes_without_rows():
    X, y = TABLES["three"]
    X, y, X_test, y_test = X[::3], y[::3], X[1:40:13], y[1:40:13]
    weight = np.where(np.arange(len(y)) % 2, 1.0, 1.5)
    model = catboost.CatBoostClassifier(**CAT | {"iterations": 6}, learning_rate=0.3)
    fitted = model.copy().fit(X, y, sample_weight=weight)
    ids, test_ids = (
        np.repeat(fitted.calc_leaf_indexes(table)[:, :, None], 3, axis=2)
        for table in (X, X_test)
    )

    def losses(rows):
        kept = np.where(rows, 0.0, weight)
        settings = {"rate": 0.3, "lam": 3.0 * weight.mean(), "start": [0.0, 0.0, 0.0]}
        raw = boost("joint", np.eye(3)[y], kept, ids, test_ids, **settings)
        return -log_softmax(raw, axis=1)[np.arange(len(y_test)), y_test]

    nobody = np.zeros(len(y), dtype=bool)
    assert_allclose(
        losses(nobody),
        -np.log(fitted.predict_proba(X_test)[np.arange(len(y_test)), y_test]),
        rtol=1e-6,
    )
    loo = LeaveOneOutInfluence(model, solver="exact")
    loo.fit(X, y, sample_weight=weight)
    values = loo.influence(X_test, y_test)
    near = InfluenceFunctions(model, step="newton")
    near = near.fit(X, y, sample_weight=weight).influence(X_test, y_test)
    for i in range(0, len(y), 9):
        expected = losses(np.arange(len(y)) == i) - losses(nobody)
        assert_allclose(values[:, i], expected, atol=1e-10)
        assert_allclose(near[:, i], expected, atol=0.02 * np.abs(values).max())
    groups = np.arange(len(y)) // 20
    values = loo.group_influence(X_test, y_test, groups=groups)
    expected = losses(groups == 1) - losses(nobody)
    assert_allclose(values[:, 1], expected, atol=1e-10)


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
    (catboost.CatBoostClassifier(**CAT, l2_leaf_reg=0), "l2_leaf_reg"),
    (
        catboost.CatBoostClassifier(**CAT, loss_function="MultiClassOneVsAll"),
        "loss_function='MultiClassOneVsAll'",
    ),
    (catboost.CatBoostClassifier(**CAT, class_weights=[1, 2, 3]), "class_weights"),
    (catboost.CatBoostRegressor(**CAT, monotone_constraints=[1] * 10), "monotone"),
    (lightgbm.LGBMRegressor(**LGB, monotone_constraints=[1] * 10), "monotone"),
    (lightgbm.LGBMRegressor(**LGB, path_smooth=5.0), "path_smooth=5.0"),
    (lightgbm.LGBMRegressor(**LGB, max_delta_step=0.1), "max_delta_step=0.1"),
    (xgboost.XGBRegressor(**XGB, monotone_constraints=(1,) * 10), "monotone"),
    (xgboost.XGBRegressor(**XGB, max_delta_step=1.0), "max_delta_step=1.0"),
    (xgboost.XGBRegressor(**XGB, num_parallel_tree=2), "num_parallel_tree=2"),
    (
        catboost.CatBoostRegressor(**CAT, cat_features=["kind"], one_hot_max_size=2),
        "cat_features",
    ),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=name)
def test_refusals_name_the_parameter(model, reason):
    X, y = TABLES["three" if hasattr(model, "predict_proba") else "numbers"]
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
