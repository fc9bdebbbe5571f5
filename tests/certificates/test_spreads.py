"""How far a loss can be from its value within a distance of the raw prediction."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from skinfluence._losses import (
    AbsoluteError,
    Brier,
    Deviance,
    LogLoss,
    MarginLoss,
    MinusPrediction,
    SquaredError,
    ZeroOne,
)
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal.certificates._spreads import change_with_error, spread

CAP = -np.log(np.finfo(float).eps)


def log_loss(y, raw):
    if raw.shape[-1] == 1:
        return np.minimum(np.logaddexp(0, np.where(y == 1, -1, 1) * raw[..., 0]), CAP)
    apart = raw - raw[..., y][..., None]
    return np.minimum(np.log(np.exp(apart).sum(axis=-1)), CAP)


def brier(y, raw):
    p = softmax(raw, axis=-1)
    if raw.shape[-1] == 1:
        return (y - expit(raw[..., 0])) ** 2
    return ((p - np.eye(raw.shape[-1])[y]) ** 2).sum(axis=-1)


def zero_one(y, raw):
    if raw.shape[-1] == 1:
        return 1.0 * ((raw[..., 0] > 0) != y)
    return 1.0 * (raw.argmax(axis=-1) != y)


def hinge(power, clipped):
    def value(y, raw):
        code = np.array([2 * y - 1]) if raw.shape[-1] == 1 else 2 * np.eye(3)[y] - 1
        violation = 1 - code * raw
        return (np.maximum(violation, 0) if clipped else violation) ** power @ np.ones(
            raw.shape[-1]
        )

    return value


def deviance(power):
    def value(y, raw):
        mu = np.maximum(np.exp(raw[..., 0]), np.finfo(float).eps * y)
        if power == 1:
            return 2 * (y * np.log(y / mu) - y + mu)
        if power == 2:
            return 2 * (np.log(mu / y) + y / mu - 1)
        a, b = 1 - power, 2 - power
        return 2 * (y**b / (a * b) - y * mu**a / a + mu**b / b)

    return value


CLASS, AMOUNT = "class", "amount"
LOSSES = [
    (LogLoss(), log_loss, "logit", 1, CLASS),
    (LogLoss(), log_loss, "softmax", 3, CLASS),
    (Brier(), brier, "logit", 1, CLASS),
    (Brier(), brier, "softmax", 3, CLASS),
    (ZeroOne(), zero_one, "logit", 1, CLASS),
    (ZeroOne(), zero_one, "softmax", 3, CLASS),
    (ZeroOne(), zero_one, "margin", 3, CLASS),
    (MarginLoss("squared_margin"), hinge(2, False), "margin", 1, CLASS),
    (MarginLoss("squared_hinge"), hinge(2, True), "margin", 3, CLASS),
    (MarginLoss("hinge"), hinge(1, True), "margin", 1, CLASS),
    (SquaredError(), lambda y, r: ((r - y) ** 2).mean(-1), "identity", 2, AMOUNT),
    (SquaredError(), lambda y, r: ((np.exp(r) - y) ** 2)[..., 0], "log", 1, AMOUNT),
    (AbsoluteError(), lambda y, r: np.abs(r - y).mean(-1), "identity", 2, AMOUNT),
    (AbsoluteError(), lambda y, r: np.abs(np.exp(r) - y)[..., 0], "log", 1, AMOUNT),
    (MinusPrediction(), lambda y, r: -r.mean(-1), "identity", 2, AMOUNT),
    (MinusPrediction(), lambda y, r: -np.exp(r)[..., 0], "log", 1, AMOUNT),
    (Deviance(1), deviance(1), "log", 1, AMOUNT),
    (Deviance(1.5), deviance(1.5), "log", 1, AMOUNT),
    (Deviance(2), deviance(2), "log", 1, AMOUNT),
]


def name(case):
    return f"{case[0].name} {getattr(case[0], 'power', '')} {case[2]} {case[3]}"


def within(rng, raw, radius, link):
    """Raw predictions of some distance, those at the ends among them."""
    k = len(raw)
    step = rng.uniform(-1, 1, size=(4000, k))
    corners = rng.integers(2, size=(1000, k)) * 2.0 - 1
    step = np.concatenate([step, corners, np.zeros((1, k))])
    if link == "softmax":  # the distance is a range; shifts do not count
        return raw + radius * step / 2
    return raw + radius * step


@pytest.mark.parametrize("case", LOSSES, ids=name)
@pytest.mark.parametrize("radius", [1e-3, 0.5, 5.0, 60.0])
def test_no_loss_is_outside_and_some_are_at_the_ends(case, radius):
    loss, value, link, k, kind = case
    rng = np.random.default_rng(0)
    reached = 0
    for _ in range(30):
        raw = rng.normal(size=k) * rng.choice([0.3, 3.0, 10.0])
        if kind == CLASS:
            y, encoded = (target := int(rng.integers(max(k, 2)))), np.array([target])
        else:
            y = np.exp(rng.normal())
            encoded = np.full((1, k), y)
        args = encoded, raw[None, None], np.full((1, 1, 1), radius), link
        with np.errstate(over="ignore"):
            down, up = spread(loss, *args)
            change = value(y, within(rng, raw, radius, link)) - value(y, raw)
        noise = 1e-13 * (1 + abs(value(y, raw)) + np.abs(change))
        assert (change >= down - noise).all()
        assert (change <= up + noise).all()
        reached += change.max() >= 0.7 * up[0, 0] - 1e-9
    assert reached >= 15 or (isinstance(loss, Brier) and k > 1)  # which is not sharp


@pytest.mark.parametrize("case", LOSSES, ids=name)
def test_an_infinite_distance_leaves_all_values_of_the_loss(case):
    loss, value, link, k, kind = case
    y = np.array([1]) if kind == CLASS else np.full((1, k), 2.0)
    raw = np.full((1, 1, k), 0.3) + np.arange(k) / 10
    down, up = spread(loss, y, raw, np.full((1, 1, 1), np.inf), link)
    here = value(1 if kind == CLASS else 2.0, raw[0, 0])
    assert not np.isnan([down, up]).any()
    if not isinstance(loss, MinusPrediction):
        assert down[0, 0] <= -here * (1 - 1e-12)
    largest = {"log_loss": CAP, "brier": 1.0 if k == 1 else 2.0, "zero_one": 1.0}
    end = largest.get(loss.name, np.inf)
    if loss.name == "prediction" and link == "log":
        end = 0.0  # no mean is negative
    assert up[0, 0] >= end - here - 1e-12
    assert up[0, 0] <= end - here + 1e-9 or end == np.inf


@pytest.mark.parametrize("end", [-400.0, -20.0, 5.0, 400.0])
def test_moves_so_long_that_probabilities_underflow(end):
    raw, delta = np.array([[800.0]]), np.full((1, 1, 1), end - 800)
    change, error = change_with_error(LogLoss(), np.array([1]), raw, delta, "logit")
    truth = min(np.logaddexp(0, -end), CAP)
    assert abs(change[0, 0] - truth) <= error[0, 0] + 1e-15 * truth < 1e-13 * truth
    several = np.array([[800.0, 0.0, -1.0]])
    delta = np.array([[[end - 800, 0.0, 0.0]]])
    change, error = change_with_error(
        LogLoss(), np.array([0]), several, delta, "softmax"
    )
    truth = min(np.log1p(np.exp(-end) + np.exp(-1 - end)), CAP)
    assert abs(change[0, 0] - truth) <= error[0, 0] + 1e-15 * truth < 1e-13 * truth


@pytest.mark.parametrize("k", [1, 3])
def test_tiny_losses_can_fall(k):
    raw = np.array([[[50.0]]]) if k == 1 else np.array([[[0.0, 50.0, -1.0]]])
    args = raw, np.full((1, 1, 1), 0.1), "logit" if k == 1 else "softmax"
    down, up = spread(LogLoss(), np.array([1]), *args)
    loss = np.exp(-50.0) + (np.exp(-51.0) if k == 3 else 0)
    np.testing.assert_allclose(down, -loss * (1 - np.exp(-0.1)), rtol=1e-9)
    np.testing.assert_allclose(up, loss * np.expm1(0.1), rtol=1e-9)


def test_losses_of_your_own_are_refused():
    class Own:
        name = "own"

    with pytest.raises(UnsupportedEstimator, match="a loss of your own"):
        spread(Own(), None, None, None, "logit")
