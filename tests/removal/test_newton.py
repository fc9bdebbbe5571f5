"""Newton's method on batches of small convex problems."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skinfluence.removal.smooth._newton import hessians, minimise_each, pair_products
from skinfluence.removal.smooth._pointwise import SERIES_ERROR, Logistic, Tweedie

LOSSES = [Logistic(), Tweedie(1), Tweedie(1.5), Tweedie(1.9), Tweedie(2)]


def name(pointwise):
    power = getattr(pointwise, "rise", None)
    return type(pointwise).__name__ + ("" if power is None else f"-{2 - power:g}")


def problems(pointwise, k, n=60, p=4, seed=0):
    rng = np.random.default_rng(seed)
    Z, eta = rng.normal(size=(n, p)), rng.normal(size=n)
    if isinstance(pointwise, Logistic):
        y = (rng.random(n) < 0.5).astype(float)
    else:
        y = rng.gamma(1.0, 2.0, size=n)
    weights = rng.gamma(1.0, size=(k, n)) * (rng.random((k, n)) < 0.8)
    scale = 10.0 ** rng.uniform(-3, 2, size=k)
    penalty = scale[:, None, None] * np.eye(p)
    pull = rng.normal(size=(k, p))
    return Z, eta, y, weights, penalty, pull


def gradient(pointwise, problem, u):
    Z, eta, y, weights, penalty, pull = problem
    slope = pointwise.slope(eta + u @ Z.T, y)
    return (weights * slope) @ Z + pull + np.einsum("kab,kb->ka", penalty, u)


def test_pair_products_and_hessians():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(30, 5))
    outer = Z[:, :, None] * Z[:, None]
    upper = np.triu_indices(5)
    assert_allclose(pair_products(Z), outer[:, upper[0], upper[1]])
    for k in (1, 3, 8, 20):
        A = rng.random((k, 30))
        assert_allclose(hessians(Z, A), np.einsum("kj,jab->kab", A, outer))


@pytest.mark.parametrize("start", [0.0, 3.0])
@pytest.mark.parametrize("k", [1, 20])
@pytest.mark.parametrize("pointwise", LOSSES, ids=name)
def test_minimisers_have_no_gradient(pointwise, k, start):
    problem = problems(pointwise, k)
    Z, eta, y, weights, penalty, pull = problem
    first = start * np.random.default_rng(1).normal(size=(k, 4))
    u, converged = minimise_each(Z, eta, y, weights, pointwise, penalty, pull, first)
    assert converged.all()
    before = np.abs(gradient(pointwise, problem, first)).max()
    assert np.abs(gradient(pointwise, problem, u)).max() < 1e-11 * max(1, before)


@pytest.mark.parametrize("pointwise", LOSSES, ids=name)
def test_far_away_starts_converge(pointwise):
    problem = problems(pointwise, 10)
    Z, eta, y, weights, penalty, pull = problem
    near, _ = minimise_each(
        Z, eta, y, weights, pointwise, penalty, pull, np.zeros((10, 4))
    )
    start = np.tile([6.0, -6.0, 3.0, 0.0], (10, 1))
    far, converged = minimise_each(
        Z, eta, y, weights, pointwise, penalty, pull, start, max_iter=500
    )
    assert converged.all()
    assert_allclose(far, near, rtol=1e-8, atol=1e-8)


def test_problems_do_not_see_each_other():
    pointwise = Logistic()
    Z, eta, y, weights, penalty, pull = problems(pointwise, 12)
    start = np.zeros((12, 4))
    together, _ = minimise_each(Z, eta, y, weights, pointwise, penalty, pull, start)
    for j in range(12):
        one = slice(j, j + 1)
        alone, _ = minimise_each(
            Z, eta, y, weights[one], pointwise, penalty[one], pull[one], start[one]
        )
        assert_allclose(alone[0], together[j], rtol=1e-9, atol=1e-11)


def test_minima_at_infinity_are_not_converged():
    Z = np.column_stack([np.linspace(-1, 1, 10), np.ones(10)])
    y = (Z[:, 0] > 0).astype(float)
    mixed = y.copy()
    mixed[0] = 1.0
    none = np.zeros((1, 2, 2))
    weights = np.ones((3, 10))
    weights[1, 0] = 0.0  # leaves separable classes
    weights[2, 3] = 0.0
    _, converged = minimise_each(
        Z,
        np.zeros(10),
        mixed,
        weights,
        Logistic(),
        none,
        np.zeros((3, 2)),
        np.zeros((3, 2)),
    )
    assert converged.tolist() == [True, False, True]
    _, converged = minimise_each(
        Z,
        np.zeros(10),
        0 * y,
        weights,
        Tweedie(1),
        none,
        np.zeros((3, 2)),
        np.zeros((3, 2)),
    )
    assert not converged.any()


def test_singular_problems_are_not_converged():
    Z = np.ones((10, 2))
    y = np.arange(10) % 2.0
    _, converged = minimise_each(
        Z,
        np.zeros(10),
        y,
        np.ones((1, 10)),
        Logistic(),
        np.zeros((1, 2, 2)),
        np.zeros((1, 2)),
        np.zeros((1, 2)),
    )
    assert not converged.any()


# ------------------------------------------------------------------ pointwise losses


@pytest.mark.parametrize("pointwise", LOSSES, ids=name)
def test_derivatives_are_those_of_each_other(pointwise):
    eta = np.linspace(-4, 4, 17)
    y = np.tile([0.0, 1.0], 9)[:17]
    first, second, third = pointwise.derivatives(eta, y)
    assert_allclose(pointwise.slope(eta, y), first, rtol=1e-12, atol=1e-14)
    assert_allclose(pointwise.curvature(eta, y), second, rtol=1e-12)
    h = 1e-5
    up, down = (pointwise.derivatives(eta + step, y) for step in (h, -h))
    assert_allclose((up[0] - down[0]) / (2 * h), second, rtol=1e-8, atol=1e-9)
    assert_allclose((up[1] - down[1]) / (2 * h), third, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("pointwise", LOSSES, ids=name)
def test_third_derivative_is_bounded_by_the_second(pointwise):
    eta = np.linspace(-30, 30, 601)
    for y in (0.0, 1.0, 7.0):
        if y == 7.0 and isinstance(pointwise, Logistic):
            continue
        _, second, third = pointwise.derivatives(eta, np.full_like(eta, y))
        assert (np.abs(third) <= pointwise.M * second * (1 + 1e-12)).all()


@pytest.mark.parametrize("pointwise", LOSSES, ids=name)
def test_remainder_is_the_error_of_the_tangent(pointwise):
    eta = np.linspace(-4, 4, 9)[:, None]
    y = np.tile([0.0, 1.0], 5)[:9, None]
    t = np.array([-5.0, -0.5, -0.1, 0.1, 0.5, 5.0])
    a = pointwise.curvature(eta, y)
    expected = pointwise.slope(eta + t, y) - pointwise.slope(eta, y) - a * t
    remainder = pointwise.remainder(eta, y, a, t)
    assert_allclose(remainder, expected, rtol=1e-9, atol=1e-13)
    big = pointwise.remainder(eta, y, a, np.array([-700.0, 700.0]))
    if isinstance(pointwise, Logistic):
        assert np.isfinite(big).all()


@pytest.mark.parametrize("pointwise", LOSSES, ids=name)
def test_series_keeps_its_bound(pointwise):
    eta = np.linspace(-4, 4, 201)
    y = np.tile([0.0, 1.0], 101)[:201]
    a = pointwise.curvature(eta, y)
    c2, c3, c4, c5 = pointwise.series(eta, y)
    limit = SERIES_ERROR * a * 0.04**6
    ratio = 0.0
    for t in (-0.04, 0.04):
        series = t**2 * (c2 + t * (c3 + t * (c4 + t * c5)))
        error = np.abs(series - pointwise.remainder(eta, y, a, t))
        rounding = 1e-16 if isinstance(pointwise, Logistic) else 1e-13
        assert (error <= limit + rounding).all()
        ratio = max(ratio, (error / np.maximum(limit, 1e-300)).max())
    if isinstance(pointwise, Logistic):
        assert 0.5 < ratio
