"""Poisson, Gamma and Tweedie regression without rows, against refits."""

import numpy as np
import pytest
from checks.smooth_models import POWERS, check, exact
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import PoissonRegressor, TweedieRegressor
from tables import counts, uneven_weights
from truth.refits import deviance, glm, influence_of, minus_prediction, refit, some_rows

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

# Solvers that stop early warn; influence is computed at the optimum all the same.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 1.0])
@pytest.mark.parametrize("power", POWERS)
def test_glm_influence_equals_refits(power, alpha, weighted, intercept):
    data = counts(power)
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = glm(power, alpha=alpha, fit_intercept=intercept)
    _, matrix = check(estimator, data, deviance(power), weight, atol=1e-6)
    if weighted:
        assert_array_equal(matrix[:, 3], 0.0)
    assert np.abs(matrix).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("power", POWERS)
def test_every_glm_influence_equals_refits(power, weighted):
    data = counts(power)
    weight = uneven_weights(len(data[0])) if weighted else None
    rows = np.arange(len(data[0]))
    check(glm(power, alpha=0.1), data, deviance(power), weight, rows, atol=1e-6)


@pytest.mark.parametrize("power", POWERS)
def test_one_row_holds_most_of_the_weight(power):
    data = counts(power)
    weight = np.random.default_rng(0).random(len(data[0]))
    weight[7] = 4 * weight.sum()
    for alpha in (1e-2, 10.0):
        rows = [0, 7, 30, 31]
        estimator = glm(power, alpha=alpha)
        check(estimator, data, deviance(power), weight, rows, atol=1e-6)


def test_glm_without_penalty():
    check(PoissonRegressor(alpha=0), counts(1), deviance(1), atol=1e-6)


def test_row_takes_its_share_of_the_penalty_of_a_mean():
    X, y, X_test, y_test = counts(1)
    matrix = exact(PoissonRegressor(alpha=5.0), X, y).influence(X_test, y_test)
    n, wrong = len(X), PoissonRegressor(alpha=5.0 * len(X) / (len(X) - 1))
    full = deviance(1)(refit(PoissonRegressor(alpha=5.0), X, y), X_test, y_test)
    model = refit(wrong, X, y, without=[n // 2])
    unshared = deviance(1)(model, X_test, y_test) - full
    assert np.abs(matrix[:, n // 2] - unshared).max() > 1e-5


@pytest.mark.parametrize("power", [1, 2])
def test_without_targets_the_prediction_itself_is_explained(power):
    X, y, X_test, _ = counts(power)
    estimator = glm(power, alpha=0.1)
    matrix = exact(estimator, X, y).influence(X_test)
    rows = some_rows(matrix, 4, 4)
    truth = influence_of(
        [[i] for i in rows], estimator, X, y, X_test, None, minus_prediction
    )
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=1e-6)


def test_last_positive_count_has_finite_influence():
    X, _, X_test, y_test = counts(1)
    y = np.zeros(len(X))
    y[11] = 3.0  # without it every prediction should be zero
    influence = LeaveOneOutInfluence(PoissonRegressor(alpha=1.0)).fit(X, y)
    assert np.isfinite(influence.self_influence()).all()
    matrix = influence.influence(X_test, y_test)
    assert np.isfinite(matrix).all()
    assert (matrix[y_test > 0, 11] > 1).all()
    assert (matrix[y_test == 0, 11] < 0).all()


@pytest.mark.parametrize("params", [{"power": 0}, {"power": 3}, {"power": -1}])
def test_powers_without_a_convex_objective_are_refused(params):
    X, y, _, _ = counts(2)
    estimator = TweedieRegressor(link="log", **params)
    with pytest.raises(UnsupportedEstimator, match="power.*1 <= power <= 2"):
        exact(estimator, X, y)
