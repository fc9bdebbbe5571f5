"""Changes of the log loss, against fifty digits."""

from decimal import Decimal, getcontext

import numpy as np
import pytest

from skinfluence._losses import LogLoss


def log_loss(y, raw):
    """Log loss of exact raw predictions, clipped where p is the eps of float64."""
    total = sum((score.exp() for score in raw), Decimal(0))
    return min(total.ln() - raw[y], 52 * Decimal(2).ln())


def exact_change(y, raw, delta):
    """Loss after the move minus loss before."""
    before = [Decimal(float(score)) for score in raw]
    after = [
        score + Decimal(float(move)) for score, move in zip(before, delta, strict=True)
    ]
    return float(log_loss(y, after) - log_loss(y, before))


@pytest.mark.parametrize("n_columns", [1, 2, 4])
@pytest.mark.parametrize("size", [1e-3, 1, 40, 300, 2000])
@pytest.mark.parametrize("move", [1e-12, 1e-3, 1, 40, 300, 2000])
def test_change(n_columns, size, move):
    getcontext().prec = 50
    rng = np.random.default_rng(0)
    raw = size * rng.standard_normal((5, n_columns))
    delta = move * rng.standard_normal((5, 4, n_columns))
    y = rng.integers(0, max(n_columns, 2), 5)
    with np.errstate(all="raise", under="ignore"):
        link = "logit" if n_columns == 1 else "softmax"
        change = LogLoss().change(y, raw, delta, link)
    if n_columns == 1:
        raw, delta = (np.concatenate([0 * v, v], axis=-1) for v in (raw, delta))
    for t, i in np.ndindex(change.shape):
        expected = exact_change(y[t], raw[t], delta[t, i])
        # Half a digit of the loss itself, where it is large and moves a lot
        atol = 1e-15 * np.abs(delta[t, i]).max()
        if np.abs(delta[t, i]).max() > 0.3:
            atol += 2e-16 * np.abs(raw[t]).max()
        assert change[t, i] == pytest.approx(expected, rel=1e-12, abs=atol)
