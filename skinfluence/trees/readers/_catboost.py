"""CatBoostClassifier and CatBoostRegressor of CatBoost.

By default CatBoost takes ten Newton steps for the leaves of a tree of two classes. With
more classes it takes one, for all outputs of a leaf together, by the whole Hessian.
The rows that a tree drew ("bootstrap_type") affect its splits only: leaf values are
sums over all rows. CatBoost scales the penalty of a leaf by the mean weight of the
rows; that of all rows is held fixed when rows are removed. Categorical features with
more than ``one_hot_max_size`` values are refused: CatBoost replaces them by statistics
of the targets, which differ between training and prediction.
"""

from functools import partial

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.base import is_classifier

from skinfluence.trees._base_values import ConstantBase, MeanBase
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._objectives import JointMultinomialLoss
from skinfluence.trees._verify import require, verified
from skinfluence.trees.readers._reasons import CONSTRAINTS, NO_NEWTON_STEP
from skinfluence.trees.readers._targets import newton_targets

REQUIRED = {
    "boosting_type": (("Plain",), "ordered boosting trains one model per row prefix"),
    "leaf_estimation_method": (("Newton",), NO_NEWTON_STEP),
    "loss_function": (("RMSE", "Logloss", "MultiClass"), NO_NEWTON_STEP),
    "model_shrink_rate": ((0,), "otherwise earlier trees are shrunk"),
    "auto_class_weights": (("None", None), "weights must be known"),
}
# Of more than two classes: the Hessian of a softmax is singular.
LEAST_PENALTY = 1e-3
NOT_UNIQUE = (
    "the values of a leaf of more than two classes are unique only up to a constant "
    f"without a penalty of {LEAST_PENALTY:g} or more"
)


def _leaves(model, X):
    leaves = np.asarray(model.calc_leaf_indexes(X), dtype=np.int64)[..., None]
    n_classes = len(model.classes_) if is_classifier(model) else 0
    return np.repeat(leaves, n_classes, axis=2) if n_classes > 2 else leaves


def _structure(model, X, y, sample_weight=None):
    params = model.get_all_params()
    given = "given" if model.get_params().get("monotone_constraints") else None
    require(model, "monotone_constraints", (None,), CONSTRAINTS, given)
    for name, (expected, reason) in REQUIRED.items():
        require(model, name, expected, reason, params.get(name, expected[0]))
    objective, y, weight = newton_targets(model, y, sample_weight)
    if y.shape[1] > 1:
        objective, penalty = JointMultinomialLoss(), params["l2_leaf_reg"]
        penalty = penalty if penalty < LEAST_PENALTY else "enough"
        require(model, "l2_leaf_reg", ("enough",), NOT_UNIQUE, penalty)
    scale, bias = model.get_scale_and_bias()
    require(model, "scale", (1.0,), "predictions must be the sum of the trees", scale)
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
        fitted=model.predict(X, prediction_type="RawFormulaVal"),
        base=base,
        learning_rate=params["learning_rate"],
        newton_steps=params["leaf_estimation_iterations"],
        # CatBoost scales the penalty by the mean weight of a row.
        regularization=params["l2_leaf_reg"] * weight.mean(),
    )
    suspects = [
        "class_weights",
        "leaf_estimation_backtracking with several leaf_estimation_iterations",
        "cat_features with one_hot_max_size too small for them",
    ]
    return verified(trees, model, 1e-6, suspects)


tree_structure.register(CatBoostClassifier, _structure)
tree_structure.register(CatBoostRegressor, _structure)
