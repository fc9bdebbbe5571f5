"""BayesianRidge against ridge regressions with the penalty that it has fitted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import BayesianRidge, Ridge

from skinfluence import LeaveOneOutInfluence, RepresenterPoints


def noisy_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 4)) * [1, 2, 0.5, 1] + [0, 3, 0, -1]
    return X, X @ [1.0, -0.5, 0.0, 2.0] + rng.standard_normal(40) + 5


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_leave_at_the_fitted_precisions(intercept, weighted):
    X, y = noisy_rows()
    weight = np.random.default_rng(1).uniform(0.2, 3, len(y)) if weighted else None
    estimator = BayesianRidge(fit_intercept=intercept)
    loo = LeaveOneOutInfluence(estimator, solver="exact")
    loo.fit(X, y, sample_weight=weight)
    assert loo.fixed_steps_ == ["alpha_ of BayesianRidge", "lambda_ of BayesianRidge"]
    fitted = BayesianRidge(fit_intercept=intercept).fit(X, y, sample_weight=weight)
    alpha = fitted.lambda_ / fitted.alpha_

    def losses(kept):
        ridge = Ridge(alpha, fit_intercept=intercept, solver="cholesky")
        part = None if weight is None else weight[kept]
        ridge.fit(X[kept], y[kept], sample_weight=part)
        return (y[:6] - ridge.predict(X[:6])) ** 2

    rows = np.arange(len(y))
    expected = [losses(rows != i) - losses(rows >= 0) for i in rows]
    actual = loo.influence(X[:6], y[:6])
    assert_allclose(actual, np.transpose(expected), rtol=0, atol=1e-9)
    group = loo.group_influence(X[:6], y[:6], groups=(rows < 7)[None])
    expected = losses(rows >= 7) - losses(rows >= 0)
    assert_allclose(group[:, 0], expected, rtol=0, atol=1e-9)


def test_automatic_leave_one_out_refits_the_precisions():
    X, y = noisy_rows()
    loo = LeaveOneOutInfluence(BayesianRidge()).fit(X, y)
    left = BayesianRidge().fit(X[1:], y[1:])
    full = BayesianRidge().fit(X, y)
    expected = (y - left.predict(X)) ** 2 - (y - full.predict(X)) ** 2
    assert_allclose(loo.influence(X, y)[:, 0], expected, rtol=0, atol=1e-9)


def test_predictions_are_sums_over_rows():
    X, y = noisy_rows()
    points = RepresenterPoints(BayesianRidge()).fit(X, y)
    raw = X @ X.T @ points.alpha_ + points.bias_
    assert_allclose(raw[:, 0], BayesianRidge().fit(X, y).predict(X), atol=1e-6)
