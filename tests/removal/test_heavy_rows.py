"""One row outweighs all others: what is left without it is no difference of sums."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import PoissonRegressor
from truth.extended_precision import Tweedie, influences

from skinfluence import LeaveOneOutInfluence

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("weight", [1e6, 1e9, 1e13])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_a_row_that_outweighs_all_others_takes_the_penalty_with_it(alpha, weight):
    """The penalty without it is that of the others' weights, not a difference."""
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(24, 3)), np.where(np.arange(24) == 4, weight, 1.0)
    y = rng.poisson(np.exp(X[:, 0] / 2))
    estimator = PoissonRegressor(alpha=alpha, tol=1e-10, max_iter=10_000)
    loo = LeaveOneOutInfluence(estimator, solver="exact")
    loo.fit(X, y, sample_weight=weights)
    masks = np.zeros((2, 24), dtype=bool)
    masks[0, [4, 7]], masks[1, [7, 9]] = True, True
    found = np.column_stack(
        [loo.influence(X, y)[:, [4]], loo.group_influence(X, y, groups=masks)]
    )
    one, penalty = np.column_stack([X, np.ones(24)]), alpha * np.array([1.0, 1, 1, 0])
    sets, total = [[4], [4, 7], [7, 9]], weights.sum()
    args = Tweedie(1), one, y, weights, total * penalty, sets, one, y, weights
    assert_allclose(found, influences(*args), atol=3e-8)
