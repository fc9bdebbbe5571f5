"""LGBMClassifier and LGBMRegressor of LightGBM.

The curvatures of K > 2 classes carry a factor K / (K - 1). Leaves below a categorical
split are regularised by ``cat_l2`` as well; which ones is read from their values.
"""

from functools import partial

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import is_classifier

from skinfluence.trees._base_values import MeanBase
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._objectives import SquaredLoss
from skinfluence.trees._replay import replay
from skinfluence.trees._verify import require, verified
from skinfluence.trees.readers._targets import (
    class_targets,
    number_targets,
    row_weights,
)

CHANGES_LEAVES = {
    "boosting_type": (("gbdt",), "other types change the weights of rows or trees"),
    "reg_alpha": ((0.0,), "an L1 penalty clips leaf values"),
    "linear_tree": ((False,), "leaves must be constants"),
    "path_smooth": ((0.0,), "otherwise leaf values depend on those of their parents"),
    "max_delta_step": ((0.0,), "it clips leaf values"),
    "monotone_constraints": ((None,), "constraints clip leaf values"),
    "extra_trees": ((False, True), ""),
}
OBJECTIVES = (None, "regression", "binary", "multiclass")


def _leaves(model, X):
    leaves = np.asarray(model.predict(X, pred_leaf=True), dtype=np.int64)
    n_outputs = model.booster_.num_model_per_iteration()
    return leaves.reshape(len(leaves), -1, n_outputs)


def _raw(model, X):
    raw = np.asarray(model.predict(X, raw_score=True))
    return raw.reshape(len(raw), -1)


def _check(model):
    params = model.get_params()
    for name, (expected, reason) in CHANGES_LEAVES.items():
        require(model, params.get(name, expected[0]), expected, name, reason)
    require(
        model,
        "subsample" if params["subsample"] < 1 and params["subsample_freq"] > 0 else 1,
        (1,),
        "subsample",
        "otherwise each tree is fitted to rows that the model does not record",
    )
    require(
        model,
        model.objective_,
        ("regression", "binary", "multiclass"),
        "objective",
        "leaf values must be Newton steps",
    )


def _structure(model, X, y, sample_weight=None):
    _check(model)
    params = model.get_params()
    if is_classifier(model):
        weight = row_weights(y, sample_weight, model.class_weight)
        objective, y = class_targets(model.classes_, y)
    else:
        objective, weight = SquaredLoss(), row_weights(y, sample_weight)
        y = number_targets(y)
    n_outputs = y.shape[1]
    link = {"identity": "identity", "logit": "logit", "softmax": "log_prior"}
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=_leaves(model, X),
        apply=partial(_leaves, model),
        raw_prediction=partial(_raw, model),
        base=MeanBase(link[objective.link]),
        learning_rate=params["learning_rate"],
        curvature_scale=1.0 if n_outputs == 1 else n_outputs / (n_outputs - 1),
        regularization=params["reg_lambda"],
        single_precision=True,
    )
    _regularize_categories(trees, model, params)
    return verified(
        trees, model, X, 1e-6, ["scale_pos_weight", "is_unbalance", "cat_smooth"]
    )


def _regularize_categories(trees, model, params):
    """Find the leaves to which ``cat_l2`` applies, iteration by iteration."""
    extra = params.get("cat_l2", 10.0)
    booster = model.booster_
    if not extra or "cat_threshold" not in booster.model_to_string():
        return
    base = trees.base.value(trees.y, trees.weight)
    regularization = trees.regularization.copy()
    for column, known in enumerate(trees._ids):
        start = trees.offsets[column]
        values = np.array([booster.get_leaf_output(column, leaf) for leaf in known])
        if column < trees.n_outputs:
            values -= base[column]  # LightGBM adds the mean to the first trees
        trees.regularization = regularization
        run = replay(trees, single_precision=True)
        leaves = slice(start, start + len(known))
        sums = run.gradient_sums[leaves], run.curvature_sums[leaves]
        errors = [
            np.abs(trees.leaf_value(*sums, params["reg_lambda"] + more) - values)
            for more in (0.0, extra)
        ]
        regularization[leaves] += np.where(errors[1] < errors[0], extra, 0.0)
    trees.regularization = regularization


tree_structure.register(LGBMClassifier, _structure)
tree_structure.register(LGBMRegressor, _structure)
