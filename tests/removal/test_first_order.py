"""The first-order estimate, against finite differences of refits."""

import numpy as np
import pytest
from checks.smooth_models import POWERS
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from tables import breast_cancer, counts, overlapping, uneven_weights
from truth.refits import deviance, glm, log_loss, minus_prediction, refit, some_rows

from skinfluence import InfluenceFunctions
from skinfluence.testing._short_name import short_name

# Solvers that stop early warn; influence is computed at the optimum all the same.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def finite_difference(estimator, X, y, weight, row, X_test, y_test, loss, eps=1e-3):
    """Minus s_i times the derivative of the loss with respect to s_i."""
    losses = []
    for factor in (1 + eps, 1 - eps):
        moved = weight.copy()
        moved[row] *= factor
        losses.append(loss(refit(estimator, X, y, moved), X_test, y_test))
    return -(losses[0] - losses[1]) / (2 * eps)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "data", "loss"),
    [
        (LogisticRegression(C=0.01), breast_cancer, log_loss),
        (LogisticRegression(), breast_cancer, log_loss),
        (LogisticRegression(C=10), overlapping, log_loss),
        (LogisticRegression(fit_intercept=False), overlapping, log_loss),
        *(
            (
                glm(power, alpha=alpha),
                lambda power=power: counts(power),
                deviance(power),
            )
            for power in POWERS
            for alpha in (0.01, 1.0)
        ),
    ],
    ids=short_name,
)
def test_infinitesimal_step_is_the_derivative(estimator, data, loss, weighted):
    X, y, X_test, y_test = data()
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    influence = InfluenceFunctions(estimator).fit(X, y, sample_weight=weight)
    matrix = influence.influence(X_test, y_test)
    own = influence.self_influence()
    for row in some_rows(matrix, 3, 2):
        args = estimator, X, y, weight, row
        truth = finite_difference(*args, X_test, y_test, loss)
        scale = np.abs(matrix).max()
        assert_allclose(matrix[:, row], truth, rtol=1e-4, atol=1e-5 * scale)
        truth = finite_difference(*args, X[[row]], y[[row]], loss)
        assert_allclose(own[row], truth[0], rtol=1e-4, atol=1e-5 * scale)


def test_infinitesimal_step_follows_the_slope_of_the_chosen_loss():
    X, y, X_test, y_test = overlapping()

    def brier(model, X, y):
        return (model.predict_proba(X)[:, 1] - y) ** 2

    estimator = LogisticRegression()
    influence = InfluenceFunctions(estimator, loss="brier").fit(X, y)
    matrix = influence.influence(X_test, y_test)
    for row in some_rows(matrix, 2, 2):
        weight = np.ones(len(X))
        truth = finite_difference(estimator, X, y, weight, row, X_test, y_test, brier)
        assert_allclose(
            matrix[:, row], truth, rtol=1e-4, atol=1e-6 * np.abs(matrix).max()
        )


@pytest.mark.parametrize("power", [1, 2])
def test_infinitesimal_step_of_the_prediction_itself(power):
    X, y, X_test, _ = counts(power)
    estimator = glm(power, alpha=0.1)
    matrix = InfluenceFunctions(estimator).fit(X, y).influence(X_test)
    weight = np.ones(len(X))
    for row in (0, 50):
        truth = finite_difference(
            estimator, X, y, weight, row, X_test, None, minus_prediction
        )
        assert_allclose(matrix[:, row], truth, rtol=1e-4, atol=1e-6)


def test_infinitesimal_group_is_the_sum():
    X, y, X_test, y_test = counts(1)
    weight = uneven_weights(len(X))
    influence = InfluenceFunctions(PoissonRegressor(alpha=0.3))
    influence.fit(X, y, sample_weight=weight)
    groups = np.arange(len(X)) % 4
    result = influence.group_influence(X_test, y_test, groups=groups)
    matrix = influence.influence(X_test, y_test)
    expected = np.stack([matrix[:, groups == g].sum(axis=1) for g in range(4)], axis=1)
    assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
