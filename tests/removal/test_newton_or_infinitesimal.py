"""How the errors of both steps grow with n, k and d: a law of random data.

Without k of n rows of d columns the Newton step is off by about k d / n^2, and the
infinitesimal one from it by (k + d) sqrt(k d) / n^2 (Rubinstein and Hopkins,
arXiv:2512.12572). A wrong term of the order of the influence, sqrt(k d) / n, changes
the exponents of n to -1, a wrong Hessian those of k and d by one half.
"""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

# Slopes of other seeds differ from the law by up to .15, wrong exponents by .5 or more.
TOLERANCE = 0.2

logistic = LogisticRegression(fit_intercept=False)
poisson = PoissonRegressor(alpha=1e-3, fit_intercept=False)


def errors(estimator, n, seed, k, d, n_sets=60, n_test=100):
    """Error of the Newton step, and the distance of the infinitesimal one from it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_test, d))
    eta = X.sum(axis=1) / np.sqrt(d)
    if estimator is poisson:
        y = rng.poisson(np.exp(eta / 2))
    else:
        y = (rng.random(n + n_test) < expit(eta)).astype(int)
    sets = np.zeros((n_sets, n), dtype=bool)
    for one in sets:
        one[rng.choice(n, k, replace=False)] = True
    exact, newton, infinitesimal = (
        method.fit(X[:n], y[:n]).group_influence(X[n:], y[n:], groups=sets)
        for method in (
            LeaveOneOutInfluence(estimator),
            InfluenceFunctions(estimator, step="newton"),
            InfluenceFunctions(estimator),
        )
    )
    # The size of each set's error over test rows, in the mean over sets.
    return [
        np.sqrt(np.mean(error**2, axis=0)).mean()
        for error in (exact - newton, newton - infinitesimal)
    ]


def slopes(sizes, each, seeds=range(3)):
    """Fitted exponents of both errors, over several tables."""
    logs = [np.log([each(size, seed) for size in sizes]) for seed in seeds]
    return np.polyfit(np.log(sizes), np.mean(logs, axis=0), 1)[0]


@pytest.mark.parametrize("estimator", [logistic, poisson], ids=["logistic", "poisson"])
def test_errors_fall_with_the_square_of_the_rows(estimator):
    found = slopes([500, 1000, 2000, 4000], partial(errors, estimator, k=8, d=8))
    assert_allclose(found, [-2, -2], rtol=0, atol=TOLERANCE)


def test_errors_grow_with_the_rows_removed():
    # Many more rows than columns, but few of all: (k + d) sqrt(k d) is about k^(3/2).
    found = slopes([20, 40, 80, 160], lambda k, s: errors(logistic, 4000, s, k, d=2))
    assert_allclose(found, [1, 1.5], rtol=0, atol=TOLERANCE)


def test_errors_grow_with_the_columns():
    found = slopes([8, 16, 32], lambda d, s: errors(logistic, 1000, s, 1, d, 150))
    assert_allclose(found, [1, 1.5], rtol=0, atol=TOLERANCE)
