"""Changes and slopes of losses against exact arithmetic and differences."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose

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
from skinfluence._predictions import link_prediction

MARGINS = ["hinge", "squared_hinge", "squared_margin"]
POWERS = [0, 1, 1.5, 2, 3]


def exact_log_loss(y, raw):
    """Log loss of the logits of a row, at most -log eps; one logit for two classes."""
    logits = [Decimal(0), raw[0]] if len(raw) == 1 else raw
    loss = sum((z - logits[y]).exp() for z in logits).ln()
    return min(loss, 52 * Decimal(2).ln())


def exact_brier(y, raw):
    logits = [Decimal(0), raw[0]] if len(raw) == 1 else raw
    total = sum(z.exp() for z in logits)
    p = [z.exp() / total for z in logits]
    square = sum((p_c - (c == y)) ** 2 for c, p_c in enumerate(p))
    return square / 2 if len(p) == 2 else square


def exact_deviance(power):
    def loss(y, raw):
        y, mu, q = Decimal(float(y[0])), raw[0].exp(), Decimal(power)
        if q == 1:
            return 2 * ((y * (y.ln() - raw[0]) if y else 0) - y + mu)
        if q == 2:
            return 2 * (raw[0] - y.ln() + y / mu - 1)
        first, second = 2 - q, 1 - q
        rest = y**first / (first * second) if y else 0
        up, down = (first * raw[0]).exp(), (second * raw[0]).exp()
        return 2 * (rest - y * down / second + up / first)

    return loss


def exact_squared_error(y, raw):
    squares = ((z - Decimal(float(t))) ** 2 for z, t in zip(raw, y, strict=True))
    return sum(squares) / len(raw)


def exact_absolute_error(y, raw):
    errors = (abs(z - Decimal(float(t))) for z, t in zip(raw, y, strict=True))
    return sum(errors) / len(raw)


def exact_margin(name):
    def loss(y, raw):
        if len(raw) == 1:
            codes = [2 * int(y) - 1]
        else:
            codes = [1 if c == y else -1 for c in range(len(raw))]
        violation = [1 - code * z for code, z in zip(codes, raw, strict=True)]
        if name != "squared_margin":
            violation = [max(v, Decimal(0)) for v in violation]
        return sum(v if name == "hinge" else v * v for v in violation)

    return loss


def exact_change(exact_loss, y, raw, delta, digits=30):
    """The growth of a loss, with this many decimal digits."""
    out = np.empty(delta.shape[:2])
    with localcontext(prec=digits):
        for t, m in np.ndindex(*out.shape):
            before = [Decimal(float(z)) for z in raw[t]]
            moves = [Decimal(float(z)) for z in delta[t, m]]
            after = [z + move for z, move in zip(before, moves, strict=True)]
            out[t, m] = float(exact_loss(y[t], after) - exact_loss(y[t], before))
    return out


MOVES = np.array([1e-12, 1e-6, 1e-3, 0.1, 0.9, 3.0, 20.0, 40.0, 90.0])
MOVES = np.concatenate([-MOVES[::-1], [0.0], MOVES])


@pytest.mark.parametrize("size", [0.0, 1.0, 10.0, 30.0, 40.0, 90.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_log_loss_change_keeps_all_digits(n_classes, size):
    rng = np.random.default_rng(0)
    k = 1 if n_classes == 2 else n_classes
    raw = size * np.sign(rng.normal(size=(4, k))) + 0.1 * rng.normal(size=(4, k))
    delta = MOVES[None, :, None] * np.sign(rng.normal(size=(4, 1, k)))
    y = np.arange(4) % n_classes
    expected = exact_change(exact_log_loss, y, raw, delta, digits=100)
    link = "logit" if k == 1 else "softmax"
    change = LogLoss().change(y, raw, delta.copy(), link)
    # A move of logits of this size is itself rounded, and so is a loss that stays.
    before = LogLoss().value(y, link_prediction(raw, link, "predict_proba"))[:, None]
    error = np.abs(change - expected)
    limit = 1e-11 * (1 + size) * np.abs(expected) + 1e-15 * np.abs(before)
    assert (error <= limit).all()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("loss", "exact"), [(LogLoss(), exact_log_loss), (Brier(), exact_brier)]
)
def test_extreme_logits_give_finite_and_right_changes(loss, exact, k):
    extremes = np.array([-800.0, -40.0, 0.0, 800.0])
    raw = np.array(np.meshgrid(*[extremes] * k)).reshape(k, -1).T
    steps = np.array([-1600.0, -800.0, -30.0, -1e-3, 0.0, 30.0, 800.0, 1600.0])
    delta = np.zeros((len(raw), len(steps), k))
    delta[:, :, -1] = steps
    for label in range(max(2, k)):
        y = np.full(len(raw), label)
        link = "logit" if k == 1 else "softmax"
        change = loss.change(y, raw, delta.copy(), link)
        assert np.isfinite(change).all()
        expected = exact_change(exact, y, raw, delta)
        assert_allclose(change, expected, rtol=1e-9, atol=1e-12)
        assert np.isfinite(loss.slope(y, raw, link)).all()


@pytest.mark.parametrize("power", [1, 1.5, 1.9, 2])
def test_deviance_change_keeps_digits(power):
    raw = np.linspace(-5, 5, 7)[:, None]
    y = np.exp(np.linspace(3, -3, 7))[:, None]
    if power < 2:
        y[2] = 0.0
    delta = np.concatenate([MOVES[np.abs(MOVES) < 5], [8.0, -8.0]])[None, :, None]
    delta = np.repeat(delta, 7, axis=0)
    expected = exact_change(exact_deviance(power), y, raw, delta)
    change = Deviance(power).change(y, raw, delta.copy(), "log")
    # Its two parts have this size and may cancel near the optimum.
    parts = np.abs(np.exp((2 - power) * raw)) + y * np.exp((1 - power) * raw)
    scale = parts * np.abs(delta[..., 0])
    limit = 1e-11 * np.abs(expected) + 1e-14 * scale + 1e-20
    assert (np.abs(change - expected) <= limit).all()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("loss", "link", "exact"),
    [
        (SquaredError(), "identity", exact_squared_error),
        (AbsoluteError(), "identity", exact_absolute_error),
        *((MarginLoss(name), "margin", exact_margin(name)) for name in MARGINS),
    ],
)
def test_change_of_polynomial_losses(loss, link, exact, k):
    rng = np.random.default_rng(0)
    raw, delta = rng.normal(size=(9, k)), rng.normal(size=(9, 5, k))
    delta *= 10.0 ** -np.arange(5)[:, None]
    if link == "margin":
        y = rng.integers(max(2, k), size=9)
    else:
        y = rng.normal(size=(9, k))
    change = loss.change(y, raw, delta.copy(), link)
    expected = exact_change(exact, y, raw, delta)
    assert_allclose(change, expected, rtol=1e-10, atol=1e-14)


def test_squared_error_change_does_not_cancel():
    y, raw = np.array([[3.0]]), np.array([[1e6]])
    delta = np.full((1, 1, 1), 1e-9)
    expected = exact_change(exact_squared_error, y, raw, delta)
    change = SquaredError().change(y, raw, delta.copy(), "identity")
    assert_allclose(change, expected, rtol=1e-12)


def test_zero_one_change_counts_flips_of_the_class():
    y = np.array([0, 1])
    raw = np.array([[-1.0], [-1.0]])
    delta = np.array([[[0.5], [1.5]], [[0.5], [1.5]]])
    assert ZeroOne().change(y, raw, delta, "logit").tolist() == [[0, 1], [0, -1]]
    raw = np.array([[0.0, 1.0, 0.5]])
    delta = np.array([[[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]])
    for link in ("softmax", "margin"):
        change = ZeroOne().change(np.array([0]), raw, delta, link)
        assert change.tolist() == [[0, -1, 0]]


# --------------------------------------------------------------------- the slopes


@pytest.mark.parametrize(
    ("loss", "link", "k"),
    [
        (LogLoss(), "logit", 1),
        (LogLoss(), "softmax", 3),
        (Brier(), "logit", 1),
        (Brier(), "softmax", 2),
        (Brier(), "softmax", 3),
        (SquaredError(), "identity", 1),
        (SquaredError(), "identity", 3),
        (SquaredError(), "log", 1),
        (AbsoluteError(), "identity", 1),
        (AbsoluteError(), "identity", 3),
        (AbsoluteError(), "log", 1),
        (MinusPrediction(), "identity", 3),
        (MinusPrediction(), "log", 1),
        *((Deviance(power), "log", 1) for power in POWERS),
        *((MarginLoss(name), "margin", k) for name in MARGINS for k in (1, 3)),
    ],
    ids=lambda v: (
        f"{v.name}{getattr(v, 'power', '')}" if hasattr(v, "name") else str(v)
    ),
)
def test_slope_is_the_derivative_of_the_value(loss, link, k):
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(25, k))
    if link in ("identity", "log"):
        y = np.exp(rng.normal(size=(25, k)))
    else:
        y = rng.integers(max(2, k), size=25)

    def value(raw):
        return loss.value(y, link_prediction(raw, link, loss.response))

    h = 1e-6
    slope = loss.slope(y, raw, link)
    assert slope.shape == raw.shape
    for c in range(k):
        step = h * (np.arange(k) == c)
        difference = (value(raw + step) - value(raw - step)) / (2 * h)
        assert_allclose(slope[:, c], difference, rtol=1e-7, atol=1e-8)
