"""Random leaves, targets and weights: ensembles that no booster need have grown."""

import numpy as np

from skinfluence.trees import BoostedTrees
from skinfluence.trees._base_values import MeanBase
from skinfluence.trees._objectives import (
    GammaLoss,
    JointMultinomialLoss,
    LogisticLoss,
    MultinomialLoss,
    PoissonLoss,
    SquaredLoss,
)

OBJECTIVES = {
    "squared": (SquaredLoss, "identity"),
    "logistic": (LogisticLoss, "logit"),
    "multinomial": (MultinomialLoss, "centred_log_prior"),
    "joint": (JointMultinomialLoss, "centred_log_prior"),
    "poisson": (PoissonLoss, "log"),
    "gamma": (GammaLoss, "log"),
}


def random_trees(loss, seed, n=30, n_trees=5, n_leaves=4, rate=0.3, lam=0.5, steps=1):
    """Return an ensemble and what `naive_boosting.boost` takes for it."""
    rng = np.random.default_rng(seed)
    n_outputs = 3 if loss in ("multinomial", "joint") else 1
    if n_outputs == 3:
        y = np.eye(3)[np.r_[0, 1, 2, rng.integers(3, size=n - 3)]]
    elif loss == "logistic":
        y = np.r_[0.0, 0.0, 1.0, 1.0, rng.integers(2, size=n - 4)][:, None]
    else:
        y = rng.gamma(2.0, size=(n, 1))
    weight = rng.uniform(0.5, 2.0, size=n)
    ids = rng.integers(n_leaves, size=(n, n_trees, n_outputs))
    if loss == "joint":
        ids[:], lam = ids[:, :, :1], lam or 0.2
    scales = {"s": rng.uniform(0.5, 1.0), "kappa": rng.uniform(1.0, 2.0)}
    kind, link = OBJECTIVES[loss]
    trees = BoostedTrees(
        objective=kind(),
        y=y,
        weight=weight,
        leaf_ids=ids,
        apply=lambda X: ids[np.asarray(X)],
        fitted=None,
        base=MeanBase(link),
        learning_rate=rate,
        gradient_scale=scales["s"],
        curvature_scale=scales["kappa"],
        regularization=lam,
        newton_steps=steps,
    )
    return trees, {"rate": rate, "lam": lam, "steps": steps, **scales}
