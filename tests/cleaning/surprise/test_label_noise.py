"""The fits of label noise against tables drawn from a known link and known noise."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad
from scipy.special import softmax

from skinfluence.cleaning.surprise import _label_noise
from skinfluence.cleaning.surprise._label_noise import LabelNoise, fit_label_noise
from skinfluence.cleaning.surprise._scorer import score_rows


def drawn(n, transition, slope=8.0, seed=0):
    """Predictions, observed and true labels of rows with this noise."""
    rng = np.random.default_rng(seed)
    k = len(transition)
    s = softmax(rng.normal(scale=2, size=(n, k)), axis=1)
    true = (softmax(slope * s, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    true = np.minimum(true, k - 1)
    seen = (transition[true].cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return s, np.minimum(seen, k - 1), true


def uniform(k, rate):
    transition = np.full((k, k), rate / (k - 1))
    np.fill_diagonal(transition, 1 - rate)
    return transition


def test_the_posterior_is_that_of_bayes():
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(3), 20)
    transition = rng.dirichlet(np.ones(3), 3)
    labels = rng.integers(0, 3, 20)
    noise = LabelNoise(np.log(q), transition, 0.0)
    expected = []
    for row, label in zip(q, labels, strict=True):
        joint = [row[j] * transition[j, label] for j in range(3)]
        expected.append(1 - joint[label] / sum(joint))
    np.testing.assert_allclose(noise.probability_wrong(labels), expected, rtol=1e-10)
    clean = LabelNoise(np.log(q), np.eye(3), 0.0)
    assert (clean.probability_wrong(labels) == 0).all()


@pytest.mark.parametrize(("k", "rate"), [(2, 0.1), (2, 0.3), (4, 0.2)])
def test_one_rate_is_found(k, rate):
    s, seen, true = drawn(8000, uniform(k, rate))
    best, possible = fit_label_noise(s, seen, 0.05)
    np.testing.assert_allclose(best.transition, uniform(k, rate), atol=0.025)
    probability, wrong = best.probability_wrong(seen), seen != true
    assert probability.mean() == pytest.approx(wrong.mean(), abs=0.02)
    for low, high in [(0, 0.2), (0.2, 0.8), (0.8, 1)]:
        inside = (probability >= low) & (probability <= high)
        assert probability[inside].mean() == pytest.approx(
            wrong[inside].mean(), abs=0.08
        )
    most = possible[0].transition
    assert best.transition[0, 0] - 0.05 < most[0, 0] <= best.transition[0, 0]


def test_noise_of_one_class_is_found():
    transition = np.eye(4)
    transition[1] = [0, 0.7, 0.3, 0]
    s, seen, true = drawn(6000, transition, slope=12)
    best, _ = fit_label_noise(s, seen, 0.05)
    np.testing.assert_allclose(best.transition, transition, atol=0.03)
    assert (best.transition == 0).sum() == 11
    flagged = best.probability_wrong(seen) > 0.5
    assert (seen != true)[flagged].mean() > 0.85


@pytest.mark.parametrize("slope", [0.0, 1.0, 4.0, 12.0])
def test_hard_rows_are_no_noise(slope):
    for seed in range(5):
        s, seen, _ = drawn(500, np.eye(3), slope, seed)
        best, _ = fit_label_noise(s, seen, 0.3)
        assert best.probability_wrong(seen).mean() < 0.005


def test_slopes_of_the_fits(monkeypatch):
    s, seen, _ = drawn(50, uniform(3, 0.2))
    seen_losses = []
    minimise = _label_noise._minimise

    def watched(loss, start, *args, **kwargs):
        seen_losses.append((loss, start))
        return minimise(loss, start, *args, **kwargs)

    monkeypatch.setattr(_label_noise, "_minimise", watched)
    fit_label_noise(s, seen, 0.1)
    assert len({len(start) for _, start in seen_losses}) == 2
    for loss, start in seen_losses[:3]:
        place = start + 0.05
        error = check_grad(lambda p: loss(p)[0], lambda p: loss(p)[1], place)  # noqa: B023
        assert error < 1e-4


@pytest.mark.parametrize("seed", [0, 1])
def test_classes_that_regressions_confuse_are_no_noise(seed, monkeypatch):
    """Fifths of an amount of which ridge regressions see the middle ones badly."""
    rng = np.random.default_rng(seed)
    size, colour, clarity = rng.normal(-0.4, 0.6, 900), *rng.integers(0, 8, (2, 900))
    amount = 1.7 * size - 0.07 * colour * (1 + 0.5 * (size > 0))
    amount += 0.12 * clarity + rng.normal(0, 0.1, 900)
    others = rng.normal(size=(900, 2)).T
    codes = [np.array(list("abcdefgh"))[code] for code in (colour, clarity)]
    X = pd.DataFrame(dict(zip("pqrst", [np.exp(size), *others, *codes], strict=True)))
    y = np.digitize(amount, np.quantile(amount, [0.2, 0.4, 0.6, 0.8]))
    said = score_rows(X, y, classification=True).columns[0].predictions
    best, possible = fit_label_noise(said, y, 0.05)
    assert best.probability_wrong(y).mean() < 0.005
    assert possible[1].probability_wrong(y).mean() > 0.1  # the range has them
    monkeypatch.setattr(_label_noise, "_link_is_wrong", lambda *args: False)
    without, _ = fit_label_noise(said, y, 0.05)
    assert without.probability_wrong(y).mean() > 0.1


def test_slope_of_the_free_link(monkeypatch):
    s, seen, _ = drawn(50, uniform(3, 0.2))
    losses = []
    minimise = _label_noise._minimise

    def watched(loss, start, *args, **kwargs):
        losses.append((loss, start))
        return minimise(loss, start, *args, **kwargs)

    monkeypatch.setattr(_label_noise, "_minimise", watched)
    _label_noise._link_is_wrong(_label_noise._Link(s), seen, -np.inf)
    ((loss, start),) = losses
    assert len(start) == 7 * 3
    error = check_grad(lambda p: loss(p)[0], lambda p: loss(p)[1], start + 0.05)
    assert error < 1e-4
