"""Sums of influences over many test rows, beside the matrix that they are sums of."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence._losses import Deviance, LogLoss, MarginLoss, SquaredError
from skinfluence.removal.linear import _mean_series, _moved_coefficients

RNG = np.random.default_rng(0)
N, P = 400, 3
X = RNG.normal(size=(N, P))
SIGNAL = X @ [1.0, -0.5, 0.3] + RNG.normal(size=N)
ROWS = RNG.normal(size=(30, P))
SIGNAL_OF_TESTS = ROWS @ [1.0, -0.5, 0.3]
WEIGHT = np.where(np.arange(30) == 4, 0.0, RNG.gamma(1.0, size=30))
TARGETS = {
    "number": lambda signal: signal,
    "two numbers": lambda signal: np.column_stack([signal, signal**2]),
    "two": lambda signal: (signal > 0).astype(int),
    "three": lambda signal: np.digitize(signal, [-0.5, 0.5]),
    "counts": lambda signal: np.round(np.exp(signal / 2)),
}
MODELS = {
    "least squares": (LinearRegression(), "number"),
    "two outputs": (Ridge(), "two numbers"),
    "margins": (RidgeClassifier(), "three"),
    "logistic": (LogisticRegression(), "two"),
    "Poisson": (PoissonRegressor(alpha=0.1), "counts"),
}


def lazily(*arrays):
    da = pytest.importorskip("dask.array")
    return [
        da.from_array(a, chunks=(150, *((n,) for n in a.shape[1:]))) for a in arrays
    ]


@pytest.fixture
def left(monkeypatch):
    """Which removals every series was not accurate enough for."""
    seen, whole = [], _mean_series.series_sums

    def recorded(*args):
        out, bad = whole(*args)
        seen.append(bad)
        return out, bad

    monkeypatch.setattr(_moved_coefficients, "series_sums", recorded)
    return seen


def sums(name):
    """Return weighted sums over the test rows, and the same of the whole matrix."""
    model, target = MODELS[name]
    y, coded = TARGETS[target](SIGNAL), TARGETS[target](SIGNAL_OF_TESTS)
    # Poisson regression takes steps of this kind out of core.
    method = LeaveOneOutInfluence(model, tol=1e-1)
    method.fit(*(lazily(X, y) if name in ("Poisson", "logistic") else (X, y)))
    loss, removals = method._loss, method._removals
    coded = coded if target in ("two", "three") else coded.reshape(30, -1)
    matrix = np.asarray(removals.influence(ROWS, coded, loss))
    return removals.mean_influence(ROWS, coded, loss, WEIGHT), WEIGHT @ matrix


@pytest.mark.parametrize("accuracy", [1e-12, 1e-8, 1e-6])
@pytest.mark.parametrize("name", MODELS)
def test_sums_are_as_accurate_as_they_say(name, accuracy, left, monkeypatch):
    """Of steps along one direction, for Poisson with a common move besides."""
    monkeypatch.setattr(_mean_series, "ACCURACY", accuracy)
    found, expected = sums(name)
    assert left
    bad = np.concatenate(left)
    if name in ("logistic", "Poisson"):
        # Slopes are at most one, and at most twice the largest mean and count.
        slopes = WEIGHT.sum() * (1.0 if name == "logistic" else 30.0)
        gap = np.abs(found - expected)
        assert gap.max() <= accuracy * slopes
        assert (gap < 1e-14).sum() >= bad.sum()  # in any order of the blocks
        if accuracy == 1e-12:
            assert bad.all()
        else:
            assert 0 < bad.sum() < N
            assert gap.max() > 1e-3 * accuracy
    else:
        assert not bad.any()
        assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["logistic", "Poisson"])
def test_sums_near_zero_are_as_accurate_as_others(name, left, monkeypatch):
    """Where the first two terms cancel, the third is not small beside their sum."""
    monkeypatch.setattr(_mean_series, "ACCURACY", 1.0)
    monkeypatch.setattr(_mean_series, "RELATIVE", 1e-3)
    found, expected = sums(name)
    assert 0 < np.concatenate(left).sum() < N
    assert_allclose(found, expected, rtol=1e-3, atol=1e-15)
    monkeypatch.setattr(_mean_series, "RELATIVE", np.inf)
    found, expected = sums(name)
    assert (np.abs(found / expected - 1) > 1e-3).any()


def test_few_test_rows_and_negative_weights_are_summed_one_by_one(left):
    loo = LeaveOneOutInfluence(Ridge()).fit(X, SIGNAL)
    y = SIGNAL_OF_TESTS[:, None]
    loo._removals.mean_influence(ROWS[:4], y[:4], loo._loss, WEIGHT[:4])
    loo._removals.mean_influence(ROWS, y, loo._loss, -WEIGHT)
    assert not left


def test_a_test_row_at_the_clip_has_no_series(left):
    """Its loss is constant, or about to be."""
    model = LogisticRegression(C=10.0)
    newton = InfluenceFunctions(model, step="newton").fit(X, TARGETS["two"](SIGNAL))
    rows, y = ROWS.copy(), TARGETS["two"](SIGNAL_OF_TESTS)
    scale = 36.0 / newton.estimator_.decision_function([[1.0, 0.0, 0.0]])[0]
    for row, size in ((0, 2.0), (1, 1.0), (2, 1.02), (3, 0.98)):
        rows[row], y[row] = [size * scale, 0.0, 0.0], 0
    found = newton.sample_values(rows, y)
    assert left
    assert_allclose(found, newton.influence(rows, y).mean(axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "link", "y"),
    [
        (LogLoss(), "logit", np.arange(7) % 2),
        (Deviance(1), "log", np.arange(7.0)[:, None]),
        (Deviance(1.5), "log", np.arange(7.0)[:, None]),
        (Deviance(2), "log", 1 + np.arange(7.0)[:, None]),
        (SquaredError(), "identity", np.arange(7.0)[:, None]),
        (MarginLoss("squared_margin"), "margin", np.arange(7) % 2),
    ],
)
def test_expansions_are_derivatives(loss, link, y):
    raw, h = np.linspace(-3, 3, 7)[:, None], 1e-3
    slope, curvature, bend = loss.expansion(y, raw, link)
    moves = np.array([h, -h, 2 * h, -2 * h])[None, :, None]
    up, down, far, back = loss.change(y, raw, np.tile(moves, (7, 1, 1)), link).T
    first = (8 * (up - down) - (far - back)) / (12 * h)
    second = (16 * (up + down) - (far + back)) / (12 * h**2)
    assert_allclose(slope[:, 0], first, rtol=1e-7, atol=1e-10)
    assert_allclose(curvature[:, 0], second, rtol=1e-6, atol=1e-8)
    third = np.abs(loss.expansion(y, raw + h, link)[1] - curvature)
    assert (third <= curvature * np.expm1(bend * h) + 1e-15).all()
    if bend:
        assert third.max() > 0.3 * bend * h * curvature[third.argmax()]


def test_other_losses_have_no_expansion():
    raw = np.zeros((2, 3))
    assert LogLoss().expansion(np.array([0, 1]), raw, "softmax") is None
    assert Deviance(3).expansion(np.ones((2, 1)), raw[:, :1], "log") is None
    assert Deviance(0).expansion(np.ones((2, 1)), raw[:, :1], "log") is None
    assert MarginLoss("hinge").expansion(np.array([0, 1]), raw[:, :1], "margin") is None
    assert SquaredError().expansion(np.ones((2, 1)), raw[:, :1], "log") is None
