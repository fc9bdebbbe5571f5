"""The fits of label noise against tables drawn from a known link and known noise."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad
from scipy.special import expit, softmax
from sklearn.datasets import make_friedman1

from skinfluence.cleaning.surprise import _label_noise, _noise_link
from skinfluence.cleaning.surprise._label_noise import fit_label_noise, posterior
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


def test_the_posterior_follows_bayes_rule():
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(3), 20)
    transition = rng.dirichlet(np.ones(3), 3)
    labels = rng.integers(0, 3, 20)
    expected = []
    for row, label in zip(q, labels, strict=True):
        joint = [row[j] * transition[j, label] for j in range(3)]
        expected.append(1 - joint[label] / sum(joint))
    np.testing.assert_allclose(posterior(np.log(q), transition, labels), expected)
    assert (posterior(np.log(q), np.eye(3), labels) == 0).all()


@pytest.mark.parametrize(("k", "rate"), [(2, 0.1), (2, 0.3), (4, 0.2)])
def test_one_rate_is_found(k, rate):
    s, seen, true = drawn(8000, uniform(k, rate))
    noise = fit_label_noise(s, seen, 0.05)
    np.testing.assert_allclose(noise.transition, uniform(k, rate), atol=0.025)
    (_, probability, _), wrong = noise.probability_wrong(s, seen), seen != true
    assert probability.mean() == pytest.approx(wrong.mean(), abs=0.02)
    for low, high in [(0, 0.2), (0.2, 0.8), (0.8, 1)]:
        inside = (probability >= low) & (probability <= high)
        assert probability[inside].mean() == pytest.approx(
            wrong[inside].mean(), abs=0.08
        )
    (least,), (most, _) = noise.less, noise.more
    right = noise.transition[0, 0]
    assert right - 0.1 < most.transition[0, 0] < right < least.transition[0, 0]
    assert least.transition[0, 0] < right + 0.1


def test_noise_of_one_class_is_found():
    transition = np.eye(4)
    transition[1] = [0, 0.7, 0.3, 0]
    s, seen, true = drawn(6000, transition, slope=12)
    noise = fit_label_noise(s, seen, 0.05)
    np.testing.assert_allclose(noise.transition, transition, atol=0.03)
    assert (noise.transition == 0).sum() == 11
    flagged = noise.probability_wrong(s, seen)[1] > 0.5
    assert (seen != true)[flagged].mean() > 0.85


@pytest.mark.parametrize("slope", [0.0, 1.0, 4.0, 12.0])
def test_hard_rows_are_no_noise(slope):
    for seed in range(5):
        s, seen, _ = drawn(500, np.eye(3), slope, seed)
        noise = fit_label_noise(s, seen, 0.3)
        assert noise.probability_wrong(s, seen)[1].mean() < 0.005


def test_slopes_of_the_fits(monkeypatch):
    s, seen, _ = drawn(50, uniform(3, 0.2))
    seen_losses = []
    minimise = _noise_link.minimised

    def watched(loss, start, *args, **kwargs):
        seen_losses.append((loss, start))
        return minimise(loss, start, *args, **kwargs)

    monkeypatch.setattr(_noise_link, "minimised", watched)
    monkeypatch.setattr(_label_noise, "minimised", watched)
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
    _, estimate, most = fit_label_noise(said, y, 0.05).probability_wrong(said, y)
    assert estimate.mean() < 0.005
    assert most.mean() > 0.1  # the range has them
    monkeypatch.setattr(_label_noise, "link_is_wrong", lambda *args: False)
    _, without, _ = fit_label_noise(said, y, 0.05).probability_wrong(said, y)
    assert without.mean() > 0.1


def test_fifths_of_a_noisy_number_are_no_noise():
    """Right by construction, though neighbouring classes overlap."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 8))
    amount = X @ rng.normal(size=8)
    amount = amount / amount.std() + rng.normal(0, 0.4, 600)
    y = np.digitize(amount, np.quantile(amount, [0.2, 0.4, 0.6, 0.8]))
    said = score_rows(X, y, classification=True).columns[0].predictions
    _, estimate, _ = fit_label_noise(said, y, 0.05).probability_wrong(said, y)
    assert (estimate > 0.5).mean() < 0.01


def test_quarters_of_a_noisy_curve_are_no_noise():
    X, amount = make_friedman1(300, n_features=8, random_state=0)
    amount = amount / amount.std() + np.random.default_rng(0).normal(0, 0.4, 300)
    y = np.digitize(amount, np.quantile(amount, [0.25, 0.5, 0.75]))
    said = score_rows(X, y, classification=True).columns[0].predictions
    _, estimate, _ = fit_label_noise(said, y, 0.05).probability_wrong(said, y)
    assert (estimate > 0.5).mean() < 0.01


def test_slopes_of_the_richer_links(monkeypatch):
    s, seen, _ = drawn(50, uniform(3, 0.2))
    losses = []
    minimise = _noise_link.minimised

    def watched(loss, start, *args, **kwargs):
        losses.append((loss, start))
        return minimise(loss, start, *args, **kwargs)

    monkeypatch.setattr(_noise_link, "minimised", watched)
    # Below minus each cost, so that both are fitted, and above what both reach.
    assert not _noise_link.link_is_wrong(_noise_link.NoiseLink(s, 0.1), seen, -20.0)
    assert [len(start) for _, start in losses] == [5 + 6 + 3, 7 * 3]
    for loss, start in losses:
        place = start + 0.05
        error = check_grad(lambda p: loss(p)[0], lambda p: loss(p)[1], place)  # noqa: B023
        assert error < 1e-4


SAID = {
    "probabilities": lambda z: expit(0.7 * z),
    "linear": lambda z: 0.5 + 0.13 * z,
    "between": lambda z: (expit(z) + 0.5 + 0.13 * z) / 2,
}


@pytest.mark.parametrize("said", SAID)
def test_the_range_holds_the_truth_whatever_link_is_true(said):
    held, widths = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        z = rng.normal(scale=2.5, size=3000)
        true, wrong = rng.random(3000) < expit(z), rng.random(3000) < 0.08
        s = SAID[said](z)
        s, seen = np.column_stack([1 - s, s]), (true ^ wrong).astype(int)
        least, estimate, most = fit_label_noise(s, seen, 0.05).probability_wrong(
            s, seen
        )
        assert (least <= estimate).all()
        assert (estimate <= most).all()
        likely = np.argsort(-most)[:300]
        low, high = least[likely].mean(), most[likely].mean()
        truth = wrong[likely].mean()
        chance = 1.96 * (truth * (1 - truth) / 300) ** 0.5
        held.append(low - chance <= truth <= high + chance)
        widths.append(high - low)
    assert all(held)
    assert np.mean(widths) < 0.65


def test_many_rows_are_judged_by_the_fits_to_some(monkeypatch):
    s, seen, true = drawn(6000, uniform(2, 0.15))
    whole = fit_label_noise(s, seen, 0.05).probability_wrong(s, seen)
    monkeypatch.setattr(_label_noise, "MAX_ROWS", 3000)
    least, estimate, most = fit_label_noise(s, seen, 0.05).probability_wrong(s, seen)
    assert len(estimate) == 6000
    assert estimate.mean() == pytest.approx((seen != true).mean(), abs=0.03)
    assert (most - least).mean() > (whole[2] - whole[0]).mean()
