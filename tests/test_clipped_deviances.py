"""Deviances of means that underflow: monotone and finite, with a floor."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.metrics import mean_tweedie_deviance

from skinfluence import (
    LeaveOneOutInfluence,
)
from skinfluence._losses import Deviance

POWERS = [1, 1.3, 1.9, 2, 3]


@pytest.mark.parametrize("power", POWERS)
def test_deviance_falls_up_to_the_target(power):
    mean = np.concatenate([[0.0, 5e-324], np.geomspace(1e-300, 1.0, 400)])
    for y in [0.0] * (power < 2) + [1e-30, 1e-12, 1.0, 1e12]:
        scale = y or 1.0
        values = Deviance(power).value(
            np.full((len(mean), 1), y), scale * mean[:, None]
        )
        assert np.isfinite(values).all()
        assert (np.diff(values) <= 0).all() if y else (np.diff(values) >= 0).all()
        known = mean > 3e-16 if y else mean > 0
        truth = [
            mean_tweedie_deviance([y], [scale * m], power=power) for m in mean[known]
        ]
        # near the target the deviance is a difference of large numbers
        size = scale ** (2 - power)
        assert_allclose(values[known], truth, rtol=1e-9, atol=1e-12 * size)
        if y:  # at most that of a mean of eps times the target
            eps = np.finfo(float).eps
            most = mean_tweedie_deviance([y], [eps * y], power=power)
            assert_allclose(values[mean < eps], most, rtol=1e-12)


def clipped_deviance(y, log_mean, power):
    """Deviance in exact arithmetic, of a mean of at least eps times the target."""
    y, q = Decimal(float(y)), Decimal(power)
    if y:
        log_mean = max(log_mean, y.ln() - 52 * Decimal(2).ln())
    mean = log_mean.exp()
    if q == 1:
        return 2 * ((y * (y.ln() - log_mean) if y else 0) - y + mean)
    if q == 2:
        return 2 * (log_mean - y.ln() + y / mean - 1)
    rest = y ** (2 - q) / ((1 - q) * (2 - q)) if y else 0
    down, up = ((a * log_mean).exp() for a in (1 - q, 2 - q))
    return 2 * (rest - y * down / (1 - q) + up / (2 - q))


@pytest.mark.parametrize("power", POWERS)
def test_deviance_of_moves_across_the_floor(power):
    raw = np.array([-2000.0, -800.0, -60.0, -20.0, 0.0, 30.0])
    moves = np.array([-3000.0, -760.0, -50.0, -1.0, 0.0, 1e-3, 20.0, 780.0, 1990.0])
    targets = [0.0] * (power < 2) + [1e-9, 1.0, 1e9]
    for y in targets:
        before = np.repeat(raw[:, None], 1, axis=1)
        delta = np.repeat(moves[None, :, None], len(raw), axis=0)
        delta[before + moves > 300] = 0.0  # means that overflow are no matter here
        with np.errstate(invalid="raise"):
            change = Deviance(power).change(
                np.full((len(raw), 1), y), before, delta.copy(), "log"
            )
        for t, m in np.ndindex(change.shape):
            with localcontext(prec=60):
                start = Decimal(float(raw[t]))
                end = start + Decimal(float(delta[t, m, 0]))
                first, last = (clipped_deviance(y, eta, power) for eta in (start, end))
            # digits of a move, of the two parts of a loss, and of the losses
            limit = Decimal(1e-11) * max(abs(first), abs(last)) + Decimal(1e-300)
            if y == 0:  # the floor of the mean itself
                limit += Decimal(2 / (2 - power) * 2.3e-308 ** (2 - power))
            assert abs(Decimal(float(change[t, m])) - (last - first)) <= limit


@pytest.mark.parametrize("power", POWERS)
def test_slope_of_the_deviance_on_both_sides_of_the_floor(power):
    y = np.repeat([1e-6, 1.0, 1e6], 4)[:, None]
    raw = np.log(y) + np.array([-900.0, -36.2, -36.0, -1.0] * 3)[:, None]
    slope, h = Deviance(power).slope(y, raw, "log"), 1e-6

    def value(raw):
        return Deviance(power).value(y, np.exp(raw))

    difference = (value(raw + h) - value(raw - h)) / (2 * h)
    assert_allclose(slope[:, 0], difference, rtol=1e-6)
    assert (slope.reshape(3, 4)[:, :2] == 0).all()
    assert (slope.reshape(3, 4)[:, 2:] != 0).all()


@pytest.mark.parametrize(
    "estimator",
    [PoissonRegressor(), GammaRegressor(), TweedieRegressor(power=1.5)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_exact_influence_on_means_that_underflow_equals_refits(estimator):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    y = np.exp(X[:, 0] + 0.3 * rng.normal(size=30))
    estimator.set_params(alpha=0.1, solver="newton-cholesky", tol=1e-12)
    X_test = np.array([[-1e5, 0.0], [-900.0, 0.0], [-60.0, 0.0], [1.0, 1.0]])
    y_test = np.array([1.0, 2.0, 0.5, 3.0])
    mean = clone(estimator).fit(X, y).predict(X_test)
    assert mean[0] == 0
    assert 0 < mean[1] < 1e-200
    assert mean[2] < 1e-16
    exact, refit = (
        LeaveOneOutInfluence(estimator, solver=solver)
        .fit(X, y)
        .influence(X_test, y_test)
        for solver in ("exact", "refit")
    )
    assert (exact[:2] == 0).all()
    assert np.abs(exact[3]).max() > 1e-4
    scale = 1 + np.abs(refit).max(axis=1, keepdims=True)
    assert (np.abs(exact - refit) <= 1e-6 * scale).all()
