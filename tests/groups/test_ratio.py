"""Most influential sets of a ratio of sums, against every set."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression

from skinfluence import LeaveOneOutInfluence, most_influential_set
from skinfluence.groups._ratio import most_influential_ratio_set


@pytest.mark.parametrize("largest", [True, False])
def test_dinkelbach_equals_every_set_where_single_effects_do_not(largest):
    sign = 1 if largest else -1
    missed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n, k = 12, 1 + seed % 4
        b = rng.exponential(size=n) ** 2
        a = b * rng.normal(size=n) + rng.normal(size=n)
        without = {
            rows: np.delete(a, rows).sum() / np.delete(b, rows).sum()
            for rows in map(tuple, combinations(range(n), k))
        }
        best = max(without, key=lambda rows: sign * without[rows])
        rows, ratio = most_influential_ratio_set(a, b, k, largest)
        assert_allclose(ratio, without[best], rtol=1e-12)
        assert tuple(rows) == best
        first = np.argsort(sign * (a - b * a.sum() / b.sum()))[:k]
        missed += tuple(np.sort(first)) != best
    assert missed > 30


def test_of_one_column_without_intercept_it_is_the_best_set():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(14, 1)) ** 3
    y = 0.3 * X[:, 0] + rng.normal(size=14)
    loo = LeaveOneOutInfluence(LinearRegression(fit_intercept=False)).fit(X, y)
    ask = {"n_rows": 3, "target": "coefficient", "coefficient": 0}
    found = most_influential_set(loo, method="dinkelbach", **ask)
    every = most_influential_set(loo, method="exhaustive", **ask)
    assert found.rows.tolist() == every.rows.tolist()
    kept = np.delete(np.arange(14), found.rows)
    assert_allclose(found.value_after, X[kept, 0] @ y[kept] / (X[kept, 0] @ X[kept, 0]))
    sign = np.sign(found.value_before)
    assert sign * every.value_bound <= sign * every.value_after


@pytest.mark.parametrize("method", ["greedy", "one_shot", "dinkelbach"])
def test_no_method_beats_every_set(method):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(12, 2))
    y = X @ [1.0, 0.5] + rng.normal(size=12)
    loo = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    ask = {"n_rows": 2, "target": "coefficient", "coefficient": 1}
    best = most_influential_set(loo, method="exhaustive", **ask)
    found = most_influential_set(loo, method=method, **ask)
    sign = np.sign(best.value_before)
    assert sign * found.value_after >= sign * best.value_after - 1e-12
    assert sign * best.value_after >= sign * best.value_bound
