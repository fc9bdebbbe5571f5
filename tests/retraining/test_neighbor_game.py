"""Values of the neighbours' game, against all coalitions of up to ten players."""

from itertools import product
from math import factorial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skinfluence.retraining.semivalues._neighbor_game import NeighborGame


def enumerate_values(worth, n, value):
    """Shapley or Banzhaf values by definition."""
    worths = {S: worth(S) for S in product((0, 1), repeat=n)}
    out = np.zeros(n)
    for S, v in worths.items():
        size = sum(S)
        for i in range(n):
            if S[i]:
                continue
            weight = 2.0 ** (1 - n)
            if value == "shapley":
                weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            out[i] += weight * (worths[(*S[:i], 1, *S[i + 1 :])] - v)
    return out


def prediction(S, a, K, soft):
    """Prediction of the K nearest members; players are sorted by distance."""
    nearest = a[np.flatnonzero(S)[:K]]
    return nearest.sum() / (len(nearest) if soft else K)


@pytest.mark.parametrize("value", ["shapley", "banzhaf"])
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("K", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("n", range(1, 11))
def test_all_coalitions(n, K, soft, value):
    a = np.random.default_rng(n).normal(size=n).round(2) + 0.3
    game = NeighborGame(n, K, soft, value)
    for squared, empty in ((False, 0.7), (True, -0.4)):

        def worth(S, squared=squared, empty=empty):
            if not any(S):
                return empty
            said = prediction(S, a, K, soft)
            return -(said**2) if squared else said

        values = game.squared if squared else game.linear
        result = values(np.stack([a, a[::-1]]), np.array([empty, empty]))
        assert_allclose(result[0], enumerate_values(worth, n, value), atol=1e-13)
    # Rows of a block are on their own.
    alone = game.linear(a[::-1][None], np.array([0.7]))
    assert_allclose(game.linear(np.stack([a, a[::-1]]), np.full(2, 0.7))[1], alone[0])


TABLES = [
    (1, False, "shapley", [1, 0, 1, 1, 0], [3 / 4, -1 / 4, 1 / 4, 1 / 4, 0]),
    (1, False, "banzhaf", [1, 0, 1, 1, 0], [5 / 8, -3 / 8, 1 / 8, 1 / 8, 0]),
    (3, False, "shapley", [1, 0, 1, 1, 0], [1 / 4, -1 / 12, 1 / 4, 1 / 4, 0]),
    (3, False, "banzhaf", [1, 0, 1, 1, 0], [7 / 24, -1 / 24, 7 / 24, 7 / 24, 0]),
    (3, True, "shapley", [1, 0, 1, 1, 0], [1 / 3, -5 / 24, 1 / 3, 1 / 3, -1 / 8]),
    (
        2,
        False,
        "shapley",
        [0, 1, 1, 0, 1],
        [-13 / 60, 17 / 60, 17 / 60, -1 / 20, 1 / 5],
    ),
    (2, False, "banzhaf", [0, 1, 1, 0, 1], [-7 / 32, 9 / 32, 9 / 32, -3 / 32, 5 / 32]),
    (
        3,
        False,
        "shapley",
        [1, 1, 0, 0, 0, 1],
        [3 / 10, 3 / 10, -1 / 30, -1 / 30, -1 / 30, 1 / 6],
    ),
]


@pytest.mark.parametrize(("K", "soft", "value", "labels", "expected"), TABLES)
def test_tables(K, soft, value, labels, expected):
    game = NeighborGame(len(labels), K, soft, value)
    values = game.linear(np.array([labels], dtype=float), np.zeros(1))
    assert_allclose(values[0], expected, atol=1e-15)


@pytest.mark.parametrize("soft", [True, False])
def test_values_of_many_players_are_efficient(soft):
    rng = np.random.default_rng(0)
    n, K = 3000, 7
    a = rng.normal(size=(2, n))
    game = NeighborGame(n, K, soft, "shapley")
    said = a[:, :K].mean(axis=1)
    assert_allclose(game.linear(a, np.full(2, 0.2)).sum(axis=1), said - 0.2, atol=1e-11)
    squared = game.squared(a, np.full(2, -0.9))
    assert_allclose(squared.sum(axis=1), 0.9 - said**2, atol=1e-11)
