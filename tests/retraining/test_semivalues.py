"""Semivalues of games whose values are known, by enumeration and by sampling."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import comb, gammaln

from skinfluence.retraining.semivalues._enumeration import (
    EnumeratedValues,
    members,
    symmetric_chains,
)
from skinfluence.retraining.semivalues._permutations import (
    PermutationSampling,
    truncate,
)
from skinfluence.retraining.semivalues._running_mean import RunningMean
from skinfluence.retraining.semivalues._sample_reuse import SampleReuse
from skinfluence.retraining.semivalues._size_probabilities import size_probabilities

# Games are losses of coalitions: minus what the coalition is worth. Each takes a
# boolean array (n_coalitions, n_players) and has one "test row" per game.


def voting(inside):
    """One if more than half of the players agree (Castro, Gomez, Tejada 2009)."""
    return -(2 * inside.sum(axis=1) > inside.shape[1]).astype(float)


def shoes(inside):
    """A pair of shoes; the first third of the players hold left ones."""
    left = inside.shape[1] // 3
    return -np.minimum(inside[:, :left].sum(axis=1), inside[:, left:].sum(axis=1)) * 1.0


def additive(inside):
    """Player i is worth i**2, whatever the others do."""
    return inside @ -(np.arange(inside.shape[1]) ** 2.0)


GAMES = (voting, shoes, additive)


def losses(inside):
    """Losses of all games, (n_coalitions, n_games)."""
    return np.stack([game(np.asarray(inside)) for game in GAMES], axis=1)


def prefix_losses(order):
    """Losses of the prefixes of an order, (n_games, n_players + 1)."""
    n = len(order)
    inside = np.zeros((n + 1, n), dtype=bool)
    inside[:, order] = np.tri(n + 1, n, -1, dtype=bool)
    return losses(inside).T


def exact(n, semivalue, **parameters):
    """Values by enumeration, (n_games, n_players)."""
    values = EnumeratedValues(size_probabilities(semivalue, n, **parameters), 3)
    for codes in np.array_split(np.arange(2**n), 3):
        values.add(codes, losses(members(codes, n)))
    return values.values


def shapley_by_definition(n):
    """Average over all orders of what a player adds."""
    total = np.zeros((3, n))
    orders = list(permutations(range(n)))
    for order in orders:
        loss = prefix_losses(np.array(order))
        total[:, list(order)] += loss[:, :-1] - loss[:, 1:]
    return total / len(orders)


@pytest.mark.parametrize("semivalue", ["shapley", "banzhaf", "beta"])
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_probabilities_of_sizes(semivalue, n):
    p = size_probabilities(semivalue, n, alpha=16, beta=1)
    assert p.shape == (n,)
    assert_allclose(p.sum(), 1.0, rtol=1e-12)


def test_beta_is_the_weight_of_kwon_and_zou():
    # Their w(j) of coalitions of j - 1 players: n B(j + b - 1, n - j + a) / B(a, b),
    # times C(n - 1, j - 1) and 1 / n.
    n, a, b = 9, 4.0, 1.5
    j = np.arange(1, n + 1)

    def log_beta(x, y):
        return gammaln(x) + gammaln(y) - gammaln(x + y)

    expected = comb(n - 1, j - 1) * np.exp(
        log_beta(j + b - 1, n - j + a) - log_beta(a, b)
    )
    actual = size_probabilities("beta", n, alpha=a, beta=b)
    assert_allclose(actual, expected, rtol=1e-10)
    flat = size_probabilities("beta", n, alpha=1, beta=1)
    assert_allclose(flat, size_probabilities("shapley", n), rtol=1e-12)
    small = size_probabilities("beta", n, alpha=16, beta=1)
    assert small[0] == small.max()


@pytest.mark.parametrize("n", [3, 6])
def test_enumeration_is_the_definition(n):
    assert_allclose(exact(n, "shapley"), shapley_by_definition(n), atol=1e-12)


def test_closed_forms():
    for n in (5, 11):
        value = exact(n, "shapley")
        assert_allclose(value[0], 1 / n, rtol=1e-12)  # symmetric voting
        assert_allclose(value[2], np.arange(n) ** 2.0, atol=1e-10)
        banzhaf = exact(n, "banzhaf")
        assert_allclose(banzhaf[0], comb(n - 1, n // 2) / 2 ** (n - 1), rtol=1e-12)
        assert_allclose(banzhaf[2], np.arange(n) ** 2.0, atol=1e-10)
        assert_allclose(
            exact(n, "beta", alpha=4, beta=1)[2], np.arange(n) ** 2.0, atol=1e-10
        )
    # One left shoe and two right ones: 2/3, 1/6, 1/6
    assert_allclose(exact(3, "shapley")[1], [2 / 3, 1 / 6, 1 / 6], rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_chains_hold_every_coalition_once(n):
    seen = []
    count = 0
    for order, start, stop in symmetric_chains(n):
        assert sorted(order) == list(range(n))
        codes = np.concatenate([[0], np.cumsum(2 ** order.astype(int))])
        seen.extend(codes[start:stop])
        count += 1
    assert sorted(seen) == list(range(2**n))
    assert count == comb(n, n // 2)


def sampled(sampling, n_draws):
    """Mean and standard error of draws of `prefix_losses`."""
    mean = RunningMean((3, sampling.n_players))
    for draw in range(n_draws):
        orders = sampling.orders(draw)
        mean.add(sampling.value(orders, [prefix_losses(o) for o in orders]))
    return mean.mean, mean.standard_error()


@pytest.mark.parametrize("antithetic", [True, False])
@pytest.mark.parametrize(
    ("semivalue", "parameters"),
    [("shapley", {}), ("beta", {"alpha": 4, "beta": 1}), ("banzhaf", {})],
)
def test_permutations_are_unbiased(semivalue, parameters, antithetic):
    n = 9
    p = size_probabilities(semivalue, n, **parameters)
    values, errors = sampled(PermutationSampling(p, 0, antithetic), 400)
    truth = exact(n, semivalue, **parameters)
    assert (np.abs(values - truth) < 4 * errors + 1e-10).all()
    assert errors[:2].max() < 0.15
    if semivalue == "shapley":  # efficiency, in every draw and so in the mean
        total = prefix_losses(np.arange(n))[:, 0] - prefix_losses(np.arange(n))[:, -1]
        assert_allclose(values.sum(axis=1), total, atol=1e-10)


def test_large_games_with_closed_forms():
    n = 51
    p = size_probabilities("shapley", n)
    values, errors = sampled(PermutationSampling(p, 1), 3000)
    assert (np.abs(values[0] - 1 / n) < 4 * errors[0]).all()
    assert_allclose(values[2], np.arange(n) ** 2.0, rtol=1e-9)


def test_antithetic_orders_cancel_linear_terms_of_the_position():
    n = 12
    p = size_probabilities("shapley", n)
    worth = np.arange(1.0, n + 1)

    def variance(antithetic, n_draws):
        sampling, mean = PermutationSampling(p, 0, antithetic), RunningMean((1, n))
        for draw in range(n_draws):
            orders = sampling.orders(draw)
            sums = np.insert(np.cumsum(worth[orders], axis=1), 0, 0, axis=1)
            mean.add(sampling.value(orders, (sums**2)[:, None]))
        return (mean.standard_error() ** 2).mean()

    assert variance(True, 20) < 1e-20 * variance(False, 40)


def test_draws_depend_on_their_number_only():
    p = size_probabilities("shapley", 8)
    one, other = PermutationSampling(p, 3), PermutationSampling(p, 3)
    assert_array_equal(one.orders(5), other.orders(5))
    assert_array_equal(one.orders(5)[1], one.orders(5)[0][::-1])
    assert (one.orders(5)[0] != one.orders(6)[0]).any()
    assert (one.orders(5)[0] != PermutationSampling(p, 4).orders(5)[0]).any()
    places = np.stack([one.orders(draw)[0] for draw in range(4000)])
    share = (places == 2).mean(axis=0)  # every place equally likely
    assert_allclose(share, 1 / 8, atol=4 * np.sqrt(7 / 64 / 4000))


@pytest.mark.parametrize("antithetic", [True, False])
def test_standard_errors_of_permutations_are_calibrated(antithetic):
    n, n_draws = 7, 40
    p = size_probabilities("shapley", n)
    truth = exact(n, "shapley")[1]
    covered = []
    for seed in range(150):
        values, errors = sampled(PermutationSampling(p, seed, antithetic), n_draws)
        covered.append(np.abs(values[1] - truth) < 1.96 * errors[1])
    assert 0.90 <= np.mean(covered) <= 0.99


def reuse(n, n_coalitions, seed):
    """Banzhaf values from random coalitions, in two parts."""
    rng = np.random.default_rng(seed)
    estimate = SampleReuse(n, 3, reference=losses(np.ones((1, n), dtype=bool))[0])
    for size in (n_coalitions // 3, n_coalitions - n_coalitions // 3):
        inside = rng.random((size, n)) < 0.5
        estimate.add(inside, losses(inside))
    return estimate


def test_sample_reuse_is_the_difference_of_means():
    n = 6
    rng = np.random.default_rng(0)
    inside = rng.random((50, n)) < 0.4
    loss = 1000 + rng.normal(size=(50, 3))
    estimate = SampleReuse(n, 3, reference=loss[0])
    estimate.add(inside[:20], loss[:20])
    estimate.add(inside[20:], loss[20:])
    for i in range(n):
        with_it, without = loss[inside[:, i]], loss[~inside[:, i]]
        expected = without.mean(axis=0) - with_it.mean(axis=0)
        assert_allclose(estimate.mean[:, i], expected, atol=1e-10)
        error = np.sqrt(
            without.var(axis=0, ddof=1) / len(without)
            + with_it.var(axis=0, ddof=1) / len(with_it)
        )
        assert_allclose(estimate.standard_error()[:, i], error, rtol=1e-9)


def test_sample_reuse_is_unbiased_and_calibrated():
    n = 7
    truth = exact(n, "banzhaf")
    covered = []
    for seed in range(150):
        estimate = reuse(n, 200, seed)
        distance = np.abs(estimate.mean - truth)
        covered.append(distance < 1.96 * estimate.standard_error())
    assert 0.90 <= np.mean(covered) <= 0.99
    estimate = reuse(n, 20_000, 7)
    assert (np.abs(estimate.mean - truth) < 4 * estimate.standard_error()).all()


def test_running_mean_and_its_standard_error():
    draws = 1e6 + np.random.default_rng(0).normal(size=(7, 2, 3))
    mean = RunningMean((2, 3))
    for draw in draws:
        mean.add(draw)
    assert_allclose(mean.mean, draws.mean(axis=0), rtol=1e-12)
    own = draws.var(axis=0, ddof=1)
    variance = (6 * own + 10 * own.mean(axis=1, keepdims=True)) / 16
    expected = np.sqrt(variance / 7)
    assert_allclose(mean.standard_error(), expected, rtol=1e-8)


def test_too_few_draws_have_no_standard_error():
    mean = RunningMean((2,))
    mean.add(np.array([1.0, 2.0]))
    assert np.isinf(mean.standard_error()).all()
    estimate = SampleReuse(2, 1, reference=np.zeros(1))
    inside = np.array([[True, False], [True, True], [True, False]])
    estimate.add(inside, np.array([[1.0], [2.0], [4.0]]))
    assert np.isnan(estimate.mean[0, 0])
    assert np.isinf(estimate.standard_error()[0]).all()


def test_truncation_is_the_rule_of_ghorbani_and_zou():
    means = np.array([1.0, 0.5, 0.31, 0.45, 0.3])
    for tolerance, length in ((0.05, 2), (0.3, 1), (1e-6, 4), (1.0, 0)):
        losses = means + np.array([[0.1], [-0.1]])
        assert truncate(losses, tolerance) == length
        expected = np.append(means[: length + 1], [means[length]] * (4 - length))
        assert_allclose(losses.mean(axis=0), expected)
