"""Coalitions of one class: counted as by going through all of them."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from skinfluence import ShapleyInfluence
from skinfluence.retraining.semivalues._one_class import (
    OneClassGame,
    RestOfGame,
    chance_of_one_class,
    kinds_of_players,
)
from skinfluence.retraining.semivalues._permutations import PermutationSampling
from skinfluence.retraining.semivalues._size_probabilities import size_probabilities

EMPTY = np.array([0.7, 1.1])
ONE_CLASS = np.array([[0.0, 36.0, 5.0], [36.0, 0.0, 4.0]])
KINDS = [
    np.array([0, 0, 1, 0, 1, 2]),
    np.array([0, 1, -1, 0, 2, -1]),
    np.array([1, 1, 1]),
    np.array([-1, -1]),
]


def worth(coalition, kind):
    """Losses of a coalition in the game, shape (2,)."""
    if not coalition:
        return EMPTY
    kinds = {kind[player] for player in coalition}
    if len(kinds) > 1 or -1 in kinds:
        return np.zeros(2)
    return ONE_CLASS[:, kinds.pop()]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("semivalue", ["shapley", "beta"])
def test_values_are_those_by_definition(kind, semivalue):
    n = len(kind)
    p = size_probabilities(semivalue, n, alpha=4, beta=1)
    values = OneClassGame(kind, EMPTY, ONE_CLASS).values(p)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        expected = np.zeros(2)
        for size in range(n):
            for coalition in combinations(others, size):
                gain = worth(coalition, kind) - worth((*coalition, i), kind)
                expected += p[size] / comb(n - 1, size) * gain
        assert_allclose(values[:, i], expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_rest_is_the_losses_without_the_closed_form(kind):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(kind))
    losses = rng.normal(size=(2, len(kind) + 1))
    given = losses.copy()
    game = OneClassGame(kind, EMPTY, ONE_CLASS)
    rest = game.rest(order, losses)
    for length in range(len(kind) + 1):
        expected = given[:, length] - worth(tuple(order[:length]), kind)
        assert_allclose(rest[:, length], expected, atol=1e-12)
    assert_allclose(losses, given)  # may be a file that is mapped read-only
    scheme = PermutationSampling(size_probabilities("shapley", len(kind)), 0)
    source = RestOfGame(lambda draws: [[losses, losses]] * len(draws), scheme, game)
    (both,) = source(range(3, 4))
    for order, found in zip(scheme.orders(3), both, strict=True):
        assert_allclose(found, game.rest(order, losses))


def test_many_players_do_not_overflow():
    chance = chance_of_one_class(3000, 5001)
    assert_allclose(
        chance[:3], [3 / 5, 0.6 * 2999 / 4999, 0.6 * 2999 * 2998 / 24985002]
    )
    assert np.isfinite(chance).all()
    assert (chance[3000:] == 0).all()


def test_players_of_several_classes():
    rows = [np.array([0, 2]), np.array([1]), np.array([3, 4])]
    assert kinds_of_players(rows, np.array([1, 0, 1, 0, 2])).tolist() == [1, 0, -1]


@pytest.mark.parametrize("n_rows", [12, pytest.param(24, marks=pytest.mark.slow)])
def test_who_is_the_first_of_a_class_is_no_noise(n_rows):
    # That is worth 36 nats: sampled, it would hide what else a row does.
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    train, test = slice(20, 20 + n_rows), slice(100, 110)
    groups = np.arange(n_rows) % 12  # some of both classes, where they are pairs
    exact = ShapleyInfluence(LogisticRegression()).fit(
        X[train], y[train], groups=groups
    )
    assert exact.sampling_ == "enumeration"
    truth = exact.influence(X[test], y[test])
    sampled = clone(exact).set_params(max_retrainings=12 * 20, random_state=0)
    values = sampled.fit(X[train], y[train], groups=groups).influence(X[test], y[test])
    assert sampled.sampling_ == "permutations"
    assert np.sqrt(np.mean((values - truth) ** 2)) < 0.2
