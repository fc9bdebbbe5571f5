"""HistGradientBoostingClassifier and HistGradientBoostingRegressor of scikit-learn."""

from functools import partial

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from skinfluence._sklearn import hist_leaf_ids, hist_leaf_model
from skinfluence.trees._base_values import MeanBase
from skinfluence.trees._boosted_trees import BoostedTrees
from skinfluence.trees._dispatch import tree_structure
from skinfluence.trees._objectives import GammaLoss, PoissonLoss, SquaredLoss
from skinfluence.trees._verify import require, verified
from skinfluence.trees.readers._reasons import CONSTRAINTS, NO_NEWTON_STEP
from skinfluence.trees.readers._targets import (
    class_targets,
    number_targets,
    row_weights,
)

REGRESSION = {
    "squared_error": (SquaredLoss, "identity"),
    "poisson": (PoissonLoss, "log"),
    "gamma": (GammaLoss, "log"),
}


def _check(model):
    reason = "it holds some of the rows out ('auto' does so above 10,000 rows)"
    stops = bool(model.do_early_stopping_)
    require(model, "early_stopping", (False,), reason, stops)
    given = None if model.monotonic_cst is None else "..."
    require(model, "monotonic_cst", (None,), CONSTRAINTS, given)


def _structure(model, X, objective, y, weight, link, fitted):
    leaf_model = hist_leaf_model(model)
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=hist_leaf_ids(leaf_model, X),
        apply=partial(hist_leaf_ids, leaf_model),
        fitted=fitted,
        base=MeanBase(link),
        learning_rate=model.learning_rate,
        regularization=model.l2_regularization + 1e-15,
        single_precision=True,
    )
    return verified(trees, model, 1e-6, ["warm_start"])


@tree_structure.register
def _(model: HistGradientBoostingRegressor, X, y, sample_weight=None):
    _check(model)
    require(model, "loss", tuple(REGRESSION), NO_NEWTON_STEP)
    objective, link = REGRESSION[model.loss]
    y, weight = number_targets(y), row_weights(y, sample_weight)
    fitted = model.predict(X)
    fitted = np.log(fitted) if link == "log" else fitted
    return _structure(model, X, objective(), y, weight, link, fitted)


@tree_structure.register
def _(model: HistGradientBoostingClassifier, X, y, sample_weight=None):
    _check(model)
    weight = row_weights(y, sample_weight, model.class_weight)
    objective, y = class_targets(model.classes_, y)
    link = "logit" if y.shape[1] == 1 else "centred_log_prior"
    fitted = model.decision_function(X)
    return _structure(model, X, objective, y, weight, link, fitted)
