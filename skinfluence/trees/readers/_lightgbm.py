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
from skinfluence.trees._replay import replay
from skinfluence.trees._verify import require, verified
from skinfluence.trees.readers._reasons import (
    CLIPS,
    CONSTRAINTS,
    L1_CLIPS,
    NO_NEWTON_STEP,
    UNRECORDED,
)
from skinfluence.trees.readers._targets import newton_targets

CHANGES_LEAVES = {
    "boosting_type": (("gbdt",), "other types change the weights of rows or trees"),
    "reg_alpha": ((0.0,), L1_CLIPS),
    "linear_tree": ((False,), "leaves must be constants"),
    "path_smooth": ((0.0,), "otherwise leaf values depend on those of their parents"),
    "max_delta_step": ((0.0,), CLIPS),
    "monotone_constraints": ((None,), CONSTRAINTS),
}
OBJECTIVES = ("regression", "binary", "multiclass")
LINKS = {"identity": "identity", "logit": "logit", "softmax": "log_prior"}


def _leaves(model, X):
    leaves = np.asarray(model.predict(X, pred_leaf=True), dtype=np.int64)
    n_outputs = model.booster_.num_model_per_iteration()
    return leaves.reshape(len(leaves), -1, n_outputs)


def _check(model, params):
    for name, (expected, reason) in CHANGES_LEAVES.items():
        require(model, name, expected, reason, params.get(name, expected[0]))
    subsample = params["subsample"] if params["subsample_freq"] > 0 else 1.0
    require(model, "subsample", (1.0,), UNRECORDED, subsample)
    require(model, "objective", OBJECTIVES, NO_NEWTON_STEP, model.objective_)


def _structure(model, X, y, sample_weight=None):
    params = model.get_params()
    _check(model, params)
    class_weight = model.class_weight if is_classifier(model) else None
    objective, y, weight = newton_targets(model, y, sample_weight, class_weight)
    n_outputs = y.shape[1]
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=_leaves(model, X),
        apply=partial(_leaves, model),
        fitted=model.predict(X, raw_score=True),
        base=MeanBase(LINKS[objective.link]),
        learning_rate=params["learning_rate"],
        curvature_scale=1.0 if n_outputs == 1 else n_outputs / (n_outputs - 1),
        regularization=params["reg_lambda"],
        single_precision=True,
    )
    suspects = ["scale_pos_weight", "is_unbalance", "cat_smooth"]
    trees = _with_regularized_categories(trees, model, params)
    return verified(trees, model, 1e-6, suspects)


def _with_regularized_categories(trees, model, params):
    """Find the leaves to which ``cat_l2`` applies, iteration by iteration."""
    extra = params.get("cat_l2", 10.0)
    booster = model.booster_
    if not extra or "cat_threshold" not in booster.model_to_string():
        return trees
    base = trees.base.value(trees.y, trees.weight)
    regularization = trees.regularization.copy()
    for column, known in enumerate(trees._ids):
        start = trees.offsets[column]
        values = np.array([booster.get_leaf_output(column, leaf) for leaf in known])
        if column < trees.n_outputs:
            values -= base[column]  # LightGBM adds the mean to the first trees
        run = replay(trees.with_regularization(regularization), single_precision=True)
        leaves = slice(start, start + len(known))
        sums = run.gradient_sums[leaves], run.curvature_sums[leaves]
        errors = [
            np.abs(trees.leaf_value(*sums, params["reg_lambda"] + more) - values)
            for more in (0.0, extra)
        ]
        regularization[leaves] += np.where(errors[1] < errors[0], extra, 0.0)
    return trees.with_regularization(regularization)


tree_structure.register(LGBMClassifier, _structure)
tree_structure.register(LGBMRegressor, _structure)
