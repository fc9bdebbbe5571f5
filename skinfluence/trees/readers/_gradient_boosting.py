"""GradientBoostingClassifier and GradientBoostingRegressor of scikit-learn."""

from functools import partial

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.utils import check_array

from skinfluence.trees._base_values import ConstantBase, MeanBase
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._objectives import SquaredLoss
from skinfluence.trees._verify import require, verified
from skinfluence.trees.readers._reasons import NO_NEWTON_STEP, UNRECORDED
from skinfluence.trees.readers._targets import (
    class_targets,
    number_targets,
    row_weights,
)


def _check(model):
    require(model, "subsample", (1.0,), UNRECORDED)
    reason = "early stopping holds some of the rows out"
    require(model, "n_iter_no_change", (None,), reason)
    init = model.init if model.init in (None, "zero") else type(model.init).__name__
    reason = "the first prediction must be a mean of the targets or zero"
    require(model, "init", (None, "zero"), reason, init)


def _leaves(model, X):
    # `apply` lets missing values through, which `fit` and `predict` refuse.
    X = check_array(X, dtype=np.float32, accept_sparse="csr")
    leaves = np.asarray(model.apply(X), dtype=np.int64)
    return leaves.reshape(len(leaves), len(model.estimators_), -1)


def _structure(model, X, objective, y, weight, base, fitted, scale=1.0):
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=_leaves(model, X),
        apply=partial(_leaves, model),
        fitted=fitted,
        base=ConstantBase(np.zeros(y.shape[1])) if model.init == "zero" else base,
        learning_rate=model.learning_rate,
        gradient_scale=scale,
    )
    return verified(trees, model, 1e-6, ["criterion", "warm_start"])


@tree_structure.register
def _(model: GradientBoostingRegressor, X, y, sample_weight=None):
    _check(model)
    require(model, "loss", ("squared_error",), NO_NEWTON_STEP)
    y, weight = number_targets(y), row_weights(y, sample_weight)
    base, fitted = MeanBase("identity"), model.predict(X)
    return _structure(model, X, SquaredLoss(), y, weight, base, fitted)


@tree_structure.register
def _(model: GradientBoostingClassifier, X, y, sample_weight=None):
    _check(model)
    require(model, "loss", ("log_loss",), NO_NEWTON_STEP)
    weight = row_weights(y, sample_weight)
    objective, y = class_targets(model.classes_, y)
    n_outputs = y.shape[1]
    base = MeanBase("logit" if n_outputs == 1 else "centred_log_prior")
    # Friedman's factor, which scikit-learn keeps.
    scale = 1.0 if n_outputs == 1 else (n_outputs - 1) / n_outputs
    fitted = model.decision_function(X)
    return _structure(model, X, objective, y, weight, base, fitted, scale)
