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
    require(
        model,
        bool(model.do_early_stopping_),
        (False,),
        "early_stopping",
        "it holds some of the rows out ('auto' does so above 10,000 rows)",
    )
    constraints = model.monotonic_cst
    require(
        model,
        None if constraints is None else "...",
        (None,),
        "monotonic_cst",
        "constraints clip leaf values",
    )


def _structure(model, X, objective, y, weight, link, raw):
    leaf_model = hist_leaf_model(model)
    trees = BoostedTrees(
        objective=objective,
        y=y,
        weight=weight,
        leaf_ids=hist_leaf_ids(leaf_model, X),
        apply=partial(hist_leaf_ids, leaf_model),
        raw_prediction=partial(raw, model),
        base=MeanBase(link),
        learning_rate=model.learning_rate,
        regularization=model.l2_regularization + 1e-15,
        single_precision=True,
    )
    return verified(trees, model, X, 1e-6, ["warm_start"])


def _classifier_raw(model, X):
    raw = model.decision_function(X)
    return raw.reshape(len(raw), -1)


def _regressor_raw(model, X):
    predicted = model.predict(X)[:, None]
    return predicted if model.loss == "squared_error" else np.log(predicted)


@tree_structure.register
def _(model: HistGradientBoostingRegressor, X, y, sample_weight=None):
    _check(model)
    require(
        model, model.loss, tuple(REGRESSION), "loss", "leaf values must be Newton steps"
    )
    objective, link = REGRESSION[model.loss]
    y, weight = number_targets(y), row_weights(y, sample_weight)
    return _structure(model, X, objective(), y, weight, link, _regressor_raw)


@tree_structure.register
def _(model: HistGradientBoostingClassifier, X, y, sample_weight=None):
    _check(model)
    weight = row_weights(y, sample_weight, model.class_weight)
    objective, y = class_targets(model.classes_, y)
    link = "logit" if y.shape[1] == 1 else "centred_log_prior"
    return _structure(model, X, objective, y, weight, link, _classifier_raw)
