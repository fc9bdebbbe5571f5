"""One row outweighs all others: what is left without it is no difference of sums."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from truth.extended_precision import (
    WIDE,
    Logistic,
    Tweedie,
    influences,
    minimisers,
    softmax_influences,
)

from skinfluence import LeaveOneOutInfluence

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETS = [[4], [4, 7], [7, 9]]
MASKS = np.array([np.isin(np.arange(24), rows) for rows in SETS])


def table(seed, weight):
    """Rows, rows with ones for an intercept, weights, noise for targets."""
    rng = np.random.default_rng(seed)
    X, weights = rng.normal(size=(24, 3)), np.where(np.arange(24) == 4, weight, 1.0)
    return X, np.column_stack([X, np.ones(24)]), weights, rng


def found(estimator, X, y, weights):
    """Influences without row 4 and without the sets, and the estimator behind them."""
    loo = LeaveOneOutInfluence(estimator, solver="exact")
    loo.fit(X, y, sample_weight=weights)
    one, sets = loo.influence(X, y)[:, [4]], loo.group_influence(X, y, groups=MASKS)
    return np.column_stack([one, sets]), loo


@pytest.mark.parametrize("weight", [1e6, 1e9, 1e13])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_a_row_that_outweighs_all_others_takes_the_penalty_with_it(alpha, weight):
    """The penalty without it is that of the others' weights, not a difference."""
    X, one, weights, rng = table(0, weight)
    y = rng.poisson(np.exp(X[:, 0] / 2))
    estimator = PoissonRegressor(alpha=alpha, tol=1e-10, max_iter=10_000)
    values, loo = found(estimator, X, y, weights)
    penalty = weights.sum() * alpha * np.array([1.0, 1, 1, 0])
    args = Tweedie(1), one, y, weights, penalty, [[4], *SETS], one, y, weights
    truth = influences(*args)
    assert_allclose(values, truth, atol=3e-8)
    low, high = loo.group_influence_bounds(X, y, groups=MASKS)
    assert (low <= truth[:, 1:]).all()
    assert (truth[:, 1:] <= high).all()
    assert (high - low).max() < 1e-6


@pytest.mark.parametrize("weight", [1e6, 1e9, 1e13])
@pytest.mark.parametrize("C", [0.1, 10.0])
def test_logistic(C, weight):
    X, one, weights, rng = table(1, weight)
    y = (X[:, 0] + rng.normal(size=24) > 0).astype(int)
    estimator = LogisticRegression(C=C, tol=1e-8, max_iter=10_000)
    penalty = np.array([1.0, 1, 1, 0]) / C
    args = Logistic(), one, y, weights, penalty, [[4], *SETS], one, y
    assert_allclose(found(estimator, X, y, weights)[0], influences(*args), atol=1e-9)


@pytest.mark.parametrize("weight", [1e6, 1e9])
@pytest.mark.parametrize("C", [0.1, 1.0])
def test_multinomial(C, weight):
    X, one, weights, rng = table(0, weight)
    y = np.argmax(X + rng.normal(size=X.shape), axis=1)
    estimator = LogisticRegression(C=C, tol=1e-8, max_iter=10_000)
    penalty = np.array([1.0, 1, 1, 0]) / C
    args = one, y, weights, penalty, [[4], *SETS], one, y
    truth = softmax_influences(*args)
    assert_allclose(found(estimator, X, y, weights)[0], truth, atol=1e-7)


def l1_minimiser(X, y, weights, l1):
    """The only minimiser whose signs meet the conditions, in long double."""
    for signs in product([0, 1, -1], repeat=3):
        used = np.append(np.array(signs) != 0, True)
        tilt, theta = l1 * np.append(signs, 0)[used], np.zeros(4, WIDE)
        args = X[:, used], y, weights[None], np.zeros((1, used.sum())), Logistic()
        try:
            theta[used] = minimisers(*args, steps=60, tilt=tilt)[0]
        except (AssertionError, np.linalg.LinAlgError):
            continue  # unbounded: these signs are wrong
        slope = weights * Logistic().slope(X.astype(WIDE) @ theta, y)
        gradient = (slope @ X.astype(WIDE))[:3]
        small = np.abs(gradient[~used[:3]]) <= l1
        if (np.sign(theta[:3]) == signs).all() and small.all():
            return theta
    raise AssertionError("No signs meet the conditions.")


@pytest.mark.parametrize("weight", [1e6, 1e9, 1e13])
@pytest.mark.parametrize("C", [0.3, 3.0])
def test_l1_logistic(C, weight):
    """saga ends far from the optimum here, where curvatures have underflown."""
    X, one, weights, rng = table(0, weight)
    y = (X[:, 0] + rng.normal(size=24) > 0).astype(int)
    params = {"l1_ratio": 1, "solver": "saga", "max_iter": 50, "random_state": 0}
    values, _ = found(LogisticRegression(C=C, **params), X, y, weights)
    refits = np.vstack([weights, np.where(MASKS[[0, 0, 1, 2]], 0.0, weights)])
    losses = np.array(
        [
            Logistic().loss(one.astype(WIDE) @ l1_minimiser(one, y, w, 1 / C), y)
            for w in refits
        ]
    )
    assert_allclose(values.T, losses[1:] - losses[0], atol=1e-8)
