"""Rows far from the others: wrong more often where targets show it, else as any row."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.special import expit
from sklearn.metrics import average_precision_score

from skinfluence.cleaning.surprise._far_rows import Distance, odds_of_far_rows
from skinfluence.cleaning.surprise._jackknife import replicated_values
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows


def log_distance(Z):
    return Distance(Z).of(Z)


def test_the_distance_is_mahalanobis_distance():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    inverse = np.linalg.inv(np.cov(Z.T))
    squared = [mahalanobis(row, Z.mean(axis=0), inverse) ** 2 for row in Z]
    expected = np.log(squared) - np.median(np.log(squared))
    np.testing.assert_allclose(log_distance(Z), expected / expected.std(), atol=1e-9)
    # A column that repeats another says nothing new.
    twice = log_distance(np.column_stack([Z, Z[:, 0]]))
    assert np.corrcoef(twice, expected)[0, 1] > 0.95


def drawn(slope, seed=0, n=3000):
    """Draw residuals of models, of which far rows have those of other targets."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 6))
    said, spread = Z[:, 0] + Z[:, 1], np.exp(0.4 * log_distance(Z))
    targets = said + 0.2 * spread * rng.standard_t(3, n)
    wrong = rng.random(n) < expit(-3 + slope * log_distance(Z))
    targets[wrong] = rng.permutation(targets)[wrong]
    columns = (targets - said)[:, None], targets[:, None], spread[:, None]
    return log_distance(Z), *columns, wrong


@pytest.mark.parametrize("seed", [0, 1])
def test_odds_are_those_of_the_simulation(seed):
    distance, residuals, targets, spread, _ = drawn(1.5, seed)
    odds = odds_of_far_rows(distance, residuals, targets, spread)[:, 0]
    assert (odds[distance <= 0] == 1).all()
    beyond = (distance > 0) & (odds < 50)  # farther out the share is bounded
    slope = (np.log(odds[beyond]) / distance[beyond]).mean()
    assert slope == pytest.approx(1.5, abs=0.35)


def test_rows_that_no_fold_judges_have_odds_as_well():
    distance, residuals, targets, spread, _ = drawn(1.5)
    whole = odds_of_far_rows(distance, residuals, targets, spread)
    residuals[::10] = np.nan
    odds = odds_of_far_rows(distance, residuals, targets, spread)
    assert np.isfinite(odds).all()
    assert np.corrcoef(np.log(odds[::10, 0]), np.log(whole[::10, 0]))[0, 1] > 0.9


@pytest.mark.parametrize("slope", [0, -1.5], ids=["anywhere", "near rows"])
def test_wrong_targets_of_rows_that_are_not_far_have_no_effect(slope):
    for seed in range(3):
        assert (odds_of_far_rows(*drawn(slope, seed)[:4]) == 1).all()


def with_wrong_cells(seed, n=800):
    """Draw a table with an interaction; all columns of some rows have an error."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 6))
    y = 4 * np.sin(6 * X[:, 0]) + 6 * X[:, 1] * X[:, 2] + 3 * X[:, 3]
    y += 0.3 * rng.normal(size=n)
    wrong = rng.random(n) < 0.15
    X[wrong] += X.std(axis=0) * rng.normal(size=(wrong.sum(), 6))
    return X, y, wrong


def test_rows_with_wrong_cells_come_first_and_are_flagged():
    """Residuals alone reach .58 and .47, and flag 10 of the 246 rows."""
    right, flagged = 0, 0
    for seed in (41, 44):
        X, y, wrong = with_wrong_cells(seed)
        scores = score_rows(X, y, classification=False)
        assert average_precision_score(wrong, -scores.values) > 0.65
        suspect = wrong_rows(scores).probability > 0.5
        flagged, right = flagged + suspect.sum(), right + (suspect & ~wrong).sum()
    assert flagged > 50
    assert right < 0.15 * flagged


def test_values_without_groups_of_rows_have_the_odds_of_their_row():
    X, y, _ = with_wrong_cells(41)
    scores = score_rows(X, y, classification=False)
    rows = np.r_[scores.values.argsort()[:20], 0:60]
    without = replicated_values(scores.columns[0], rows)
    assert (scores.columns[0].odds[rows[:20]] > 10).any()
    assert np.corrcoef(without.mean(axis=0), scores.values[rows])[0, 1] > 0.98


def spread_from_the_middle(X, rng):
    return X[:, 0] + X[:, 1] + 0.3 * (X**2).sum(axis=1) * rng.normal(size=len(X))


RIGHT = {
    "radial": spread_from_the_middle,
    "exponential": lambda X, rng: np.exp(X[:, 0]) + 0.3 * rng.normal(size=len(X)),
    "cubes": lambda X, rng: X[:, 0] ** 3 + X[:, 1] ** 2 + rng.normal(size=len(X)),
    "t3": lambda X, rng: 2 * X[:, 0] + rng.standard_t(3, len(X)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_rows_are_as_likely_wrong_wherever_they_are(name):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(400, 4))
        (scored,) = score_rows(X, RIGHT[name](X, rng), False).columns
        assert (scored.odds == 1).all()


def test_odds_of_distance_and_residual_are_multiplied():
    """Under Cauchy errors the odds of a wrong row are as 1 + u^2."""
    X, y, _ = with_wrong_cells(40, 400)
    (scored,) = score_rows(X, y, False).columns
    odds = np.linspace(1, 5, 400)[:, None]
    u = (scored.T - scored.predictions) / scored.typical
    now = replace(scored, odds=odds).values(scored.predictions, scored.T)
    cauchy = odds * (1 + u**2)
    # odds = 37 (1 + u^2) / 37 at six typical residuals, where the loss is a half.
    np.testing.assert_allclose(-now, ((cauchy - 1) / (cauchy + 35))[:, 0], rtol=1e-9)
