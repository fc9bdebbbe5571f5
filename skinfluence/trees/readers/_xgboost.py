"""XGBClassifier and XGBRegressor of XGBoost.

XGBoost computes in single precision throughout: raw predictions are reproduced to 1e-5
of their range. The curvatures of K > 2 classes carry a factor 2.
"""

import json
from functools import partial

import numpy as np
from scipy.special import logit
from sklearn.base import is_classifier
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees._base_values import ConstantBase, MeanBase
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
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
    "subsample": (1.0, UNRECORDED),
    "alpha": (0.0, L1_CLIPS),
    "max_delta_step": (0.0, CLIPS),
}
OBJECTIVES = ("reg:squarederror", "binary:logistic", "multi:softprob", "multi:softmax")


def _leaves(model, X):
    leaves = np.asarray(model.apply(X), dtype=np.int64)
    n_outputs = model.n_classes_ if is_classifier(model) and model.n_classes_ > 2 else 1
    return leaves.reshape(len(leaves), -1, n_outputs)


def _structure(model, X, y, sample_weight=None):
    config = json.loads(model.get_booster().save_config())["learner"]
    booster, settings = config["gradient_booster"], config["learner_model_param"]
    reason = "dart rescales its trees and gblinear has none"
    require(model, "booster", ("gbtree",), reason, booster["name"])
    goal = config["objective"]["name"]
    require(model, "objective", OBJECTIVES, NO_NEWTON_STEP, goal)
    reason = "otherwise predictions use a part of the trees"
    require(model, "early_stopping_rounds", (None,), reason)
    constraints = model.monotone_constraints or None
    require(model, "monotone_constraints", (None,), CONSTRAINTS, constraints)
    n_parallel = int(booster["gbtree_model_param"]["num_parallel_tree"])
    reason = "each iteration must fit one tree per output"
    require(model, "num_parallel_tree", (1,), reason, n_parallel)
    params = booster["tree_train_param"]
    for name, (neutral, reason) in CHANGES_LEAVES.items():
        require(model, name, (neutral,), reason, float(params[name]))
    objective, y, weight = newton_targets(model, y, sample_weight)
    n_outputs, link = y.shape[1], objective.link
    base = MeanBase("centred_log_prior" if link == "softmax" else link)
    if settings["boost_from_average"] == "0":  # a base_score was given
        score = np.array(json.loads(settings["base_score"]), dtype=np.float64)
        score = np.broadcast_to(score, (n_outputs,))
        base = ConstantBase(logit(score) if link == "logit" else score)
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=_leaves(model, X),
        apply=partial(_leaves, model),
        fitted=model.predict(X, output_margin=True).astype(np.float64),
        base=base,
        learning_rate=float(params["eta"]),
        curvature_scale=1.0 if n_outputs == 1 else 2.0,
        regularization=float(params["lambda"]),
        single_precision=True,
    )
    return verified(trees, model, 1e-5, ["scale_pos_weight", "base_score"])


def _refuse(model, X, y, sample_weight=None):
    raise UnsupportedEstimator(
        f"{type(model).__name__} is a forest of trees that are fitted to random rows. "
        "Use OutOfBagInfluence with a forest of scikit-learn."
    )


tree_structure.register(XGBClassifier, _structure)
tree_structure.register(XGBRegressor, _structure)
tree_structure.register(XGBRFClassifier, _refuse)
tree_structure.register(XGBRFRegressor, _refuse)
