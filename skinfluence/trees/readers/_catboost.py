"""CatBoostClassifier and CatBoostRegressor of CatBoost.

By default CatBoost takes ten Newton steps for the leaves of a tree of two classes.
The rows that a tree drew ("bootstrap_type") affect its splits only: leaf values are
sums over all rows. Categorical features with more than ``one_hot_max_size`` values are
refused: CatBoost replaces them by statistics of the targets, which differ between
training and prediction.
"""

from functools import partial

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.base import is_classifier

from skinfluence.trees._base_values import ConstantBase, MeanBase
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._objectives import SquaredLoss
from skinfluence.trees._verify import require, verified
from skinfluence.trees.readers._targets import (
    class_targets,
    number_targets,
    row_weights,
)

REQUIRED = {
    "boosting_type": (("Plain",), "ordered boosting trains one model per row prefix"),
    "leaf_estimation_method": (("Newton",), "leaf values must be Newton steps"),
    "loss_function": (("RMSE", "Logloss"), "leaf values must be Newton steps"),
    "model_shrink_rate": ((0,), "otherwise earlier trees are shrunk"),
    "auto_class_weights": (("None", None), "weights must be known"),
}


def _leaves(model, X):
    return np.asarray(model.calc_leaf_indexes(X), dtype=np.int64)[..., None]


def _raw(model, X):
    raw = np.asarray(model.predict(X, prediction_type="RawFormulaVal"))
    return raw.reshape(len(raw), -1)


def _structure(model, X, y, sample_weight=None):
    params = model.get_all_params()
    for name, (expected, reason) in REQUIRED.items():
        require(model, params.get(name, expected[0]), expected, name, reason)
    weight = row_weights(y, sample_weight)
    if is_classifier(model):
        objective, y = class_targets(model.classes_, y)
    else:
        objective, y = SquaredLoss(), number_targets(y)
    scale, bias = model.get_scale_and_bias()
    require(model, scale, (1.0,), "scale", "predictions must be the sum of the trees")
    if params["boost_from_average"]:
        base = MeanBase(objective.link)
    else:
        base = ConstantBase(np.atleast_1d(np.asarray(bias, dtype=np.float64)))
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=_leaves(model, X),
        apply=partial(_leaves, model),
        raw_prediction=partial(_raw, model),
        base=base,
        learning_rate=params["learning_rate"],
        newton_steps=params["leaf_estimation_iterations"],
        # CatBoost scales the penalty by the mean weight of a row.
        regularization=params["l2_leaf_reg"] * weight.mean(),
    )
    suspects = [
        "class_weights",
        "cat_features with one_hot_max_size too small for them",
    ]
    return verified(trees, model, X, 1e-6, suspects)


tree_structure.register(CatBoostClassifier, _structure)
tree_structure.register(CatBoostRegressor, _structure)
