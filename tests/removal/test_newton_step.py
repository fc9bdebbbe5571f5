"""One Newton step without a row, against dense algebra."""

import numpy as np
import pytest
from checks.smooth_models import exact
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from tables import counts, overlapping, uneven_weights, wine
from truth.refits import refit

from skinfluence import InfluenceFunctions

# Solvers that stop early warn; influence is computed at the optimum all the same.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def newton_step(theta, X, y, weight, penalty, derivatives, damping=0.0):
    """Move by one Newton step of the weighted objective, from the definition."""
    first, second = derivatives(X @ theta, y)
    gradient = X.T @ (weight * first) + penalty * theta
    hessian = (X * (weight * second)[:, None]).T @ X + np.diag(penalty + damping)
    return theta - np.linalg.solve(hessian, gradient)


def logistic_derivatives(eta, y):
    p = expit(eta)
    return p - y, p * (1 - p)


def poisson_derivatives(eta, y):
    return np.exp(eta) - y, np.exp(eta)


@pytest.mark.parametrize("damping", [0.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_newton_step_of_logistic_regression(weighted, damping):
    X, y, X_test, y_test = overlapping()
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    estimator = LogisticRegression(C=2.0, fit_intercept=False)
    influence = InfluenceFunctions(estimator, step="newton", damping=damping)
    influence.fit(X, y, sample_weight=weight)
    theta = refit(estimator, X, y, weight).coef_[0]
    sign = np.where(y_test == 1, -1.0, 1.0)
    before = np.logaddexp(0, sign * (X_test @ theta))
    expected = np.empty((len(X_test), len(X)))
    for i in range(len(X)):
        left = weight * (np.arange(len(X)) != i)
        moved = newton_step(
            theta, X, y, left, 0.5, logistic_derivatives, damping * np.ones(4)
        )
        expected[:, i] = np.logaddexp(0, sign * (X_test @ moved)) - before
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=1e-6, atol=1e-9)
    alone = influence.group_influence(X_test, y_test, groups=np.arange(len(X)))
    assert_allclose(alone, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_newton_step_of_a_penalty_on_a_mean(weighted):
    X, y, X_test, y_test = counts(1)
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    estimator = PoissonRegressor(alpha=0.3, fit_intercept=False)
    influence = InfluenceFunctions(estimator, step="newton")
    influence.fit(X, y, sample_weight=weight)
    theta = refit(estimator, X, y, weight).coef_

    def loss(theta):
        eta = X_test @ theta
        return 2 * (np.exp(eta) - y_test * eta)

    expected = np.empty((len(X_test), len(X)))
    for i in range(len(X)):
        left = weight * (np.arange(len(X)) != i)
        penalty = 0.3 * left.sum() * np.ones(5)
        moved = newton_step(theta, X, y, left, penalty, poisson_derivatives)
        expected[:, i] = loss(moved) - loss(theta)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=1e-6, atol=1e-7)
    own = influence.self_influence()
    assert_allclose(own, np.diag(influence.influence(X, y)), rtol=1e-6, atol=1e-9)


def test_newton_step_is_closer_than_the_first_order():
    X, y, X_test, y_test = wine()
    truth = exact(LogisticRegression(), X, y).influence(X_test, y_test)
    error = {
        step: np.abs(
            InfluenceFunctions(LogisticRegression(), step=step)
            .fit(X, y)
            .influence(X_test, y_test)
            - truth
        ).max()
        for step in ("infinitesimal", "newton")
    }
    assert 1e-6 < error["newton"] < error["infinitesimal"]
