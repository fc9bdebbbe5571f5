"""Sample weights that are no weights: one error before anything is trained."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeRegressor

from skinfluence import (
    DownsamplingInfluence,
    InfluenceCleaner,
    InfluenceFunctions,
    LeaveOneOutInfluence,
    RepresenterPoints,
    ShapleyInfluence,
    TreeInfluence,
    case_diagnostics,
)
from skinfluence.removal import UnsupportedEstimator

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = (X[:, 0] + 0.5 * RNG.normal(size=40) > 0).astype(int)
FORMULAS = {
    "influence functions": InfluenceFunctions(HuberRegressor()),
    "newton": InfluenceFunctions(Lasso(0.01), step="newton"),
    "representers": RepresenterPoints(LinearSVC()),
    "boosters as sums": RepresenterPoints(HistGradientBoostingRegressor(max_iter=3)),
    "boosters": TreeInfluence(GradientBoostingClassifier(n_estimators=3)),
    "trees": TreeInfluence(DecisionTreeRegressor(max_depth=2)),
}
RETRAINING = {
    "leave one out": LeaveOneOutInfluence(SVC()),
    "downsampling": DownsamplingInfluence(Ridge(), n_retrainings=10),
    "shapley": ShapleyInfluence(DecisionTreeRegressor()),
    "cleaner": InfluenceCleaner(GaussianNB()),
}


def weights(value):
    out = np.ones(40)
    out[[3, 8]] = value
    return out


class NotToBeTrained(RegressorMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("training began")

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*FORMULAS, *RETRAINING])
def test_weights_that_are_no_numbers(name, value):
    method = {**FORMULAS, **RETRAINING}[name]
    with pytest.raises(ValueError, match=f"^The .sample_weight.*{value} in row 3"):
        method.fit(X, Y, sample_weight=weights(value))


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_refuse_negative_weights(name):
    with pytest.raises(ValueError, match="^The 'sample_weight'.*-1.0 in row 3, 2 "):
        FORMULAS[name].fit(X, Y, sample_weight=weights(-1.0))


@pytest.mark.parametrize("method", [LeaveOneOutInfluence, InfluenceFunctions])
def test_nothing_is_trained(method):
    with pytest.raises(ValueError, match="sample_weight"):
        method(NotToBeTrained()).fit(X, Y, sample_weight=weights(np.nan))


def test_weights_of_a_step():
    pipeline = make_pipeline(StandardScaler(), Ridge())
    with pytest.raises(ValueError, match="^The 'ridge__sample_weight' parameter"):
        InfluenceFunctions(pipeline).fit(X, Y, ridge__sample_weight=weights(-1.0))


def test_case_diagnostics_refuse_negative_weights():
    model = LinearRegression().fit(X, Y)
    with pytest.raises(ValueError, match="^The 'sample_weight'"):
        case_diagnostics(model, X, Y, sample_weight=weights(-1.0))


def test_negative_weights_are_retrained():
    """Estimators that take them are trained without each row, as they are."""
    weight = weights(-0.1)
    loo = LeaveOneOutInfluence(GaussianNB()).fit(X, Y, sample_weight=weight)
    assert loo.solver_ == "refit"
    model = GaussianNB().fit(X, Y, sample_weight=weight)
    kept = np.arange(40) != 8
    without = GaussianNB().fit(X[kept], Y[kept], sample_weight=weight[kept])
    loss = [-m.predict_log_proba(X[:5])[np.arange(5), Y[:5]] for m in (without, model)]
    assert_allclose(loo.influence(X[:5], Y[:5])[:, 8], loss[0] - loss[1], rtol=1e-6)
    with pytest.raises(UnsupportedEstimator, match="negative weight"):
        LeaveOneOutInfluence(GaussianNB(), solver="exact").fit(
            X, Y, sample_weight=weight
        )


def test_weights_that_are_no_numbers_are_left_to_the_estimator():
    with pytest.raises(ValueError, match="could not convert"):
        InfluenceFunctions(Ridge()).fit(X, Y, sample_weight=["heavy"] * 40)
