"""Groups of one row leave as single rows do, by every step of every minimiser."""

import numpy as np
import pytest
from checks.score_refits import leave
from numpy.testing import assert_allclose
from sklearn.linear_model import HuberRegressor, Lasso, LogisticRegression
from sklearn.svm import LinearSVC, LinearSVR
from tables import scaled

from skinfluence.removal import removal_model

TUBE = {"loss": "squared_epsilon_insensitive", "dual": False}
ELASTIC = {"l1_ratio": 0.8, "solver": "saga", "max_iter": 200, "random_state": 0}
MODELS = {
    "Huber": (HuberRegressor(max_iter=1000), ("diabetes", 150)),
    "L1": (Lasso(alpha=2.0), ("diabetes", 200)),
    "logistic, elastic net": (
        LogisticRegression(C=0.3, **ELASTIC),
        ("breast_cancer", 150, 14),
    ),
    "multinomial": (LogisticRegression(C=10, tol=1e-8), ("wine",)),
    "squared hinge": (LinearSVC(dual=False), ("iris",)),
    "tube": (LinearSVR(epsilon=0.5, tol=1e-8, **TUBE), ("diabetes", 120)),
}


@pytest.mark.parametrize("step", ["exact", "newton", "first_order"])
@pytest.mark.parametrize("name", MODELS)
def test_groups_of_one_are_rows(name, step):
    estimator, table = MODELS[name]
    X, y = scaled(*table)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y))
    weight[5] = 0
    fitted = estimator.fit(X, y, sample_weight=weight)
    model = removal_model(fitted, X, y, weight)
    rows = leave(model, step, 0.3).displacement
    groups = leave(model, step, 0.3, np.eye(len(y)) > 0)
    assert_allclose(groups.displacement, rows, rtol=0, atol=1e-8)
