"""Estimates from verdicts: against scipy, integrals on a grid and simulations."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import multivariate_normal

from skinfluence.cleaning.review._recalibration import (
    PRIOR_COVARIANCE,
    PRIOR_MEAN,
    estimate,
    features,
)
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows


def table(rng, n, parameters=None, n_labels=1):
    """Rows with scores, and whether they are wrong by the model."""
    spread = rng.normal(-3, 2, n)
    Z = np.column_stack([np.ones(n), spread, spread + rng.normal(0, 1, n)])
    if parameters is None:
        parameters = rng.multivariate_normal(PRIOR_MEAN, PRIOR_COVARIANCE)
    labels = rng.integers(0, n_labels, n)
    effects = rng.normal(size=n_labels) * (n_labels > 1)
    wrong = rng.random(n) < expit(Z @ parameters + effects[labels])
    return Z, labels, wrong


def looked_at(Z, n):
    sure = np.zeros(len(Z), dtype=bool)
    sure[np.argsort(-(Z @ PRIOR_MEAN))[:n]] = True
    return sure


def test_the_mode_agrees_with_another_optimiser():
    rng = np.random.default_rng(0)
    Z, labels, wrong = table(rng, 300, PRIOR_MEAN, n_labels=3)
    sure = looked_at(Z, 80)
    rows = np.flatnonzero(sure)
    prior = multivariate_normal(PRIOR_MEAN, PRIOR_COVARIANCE)

    def loss(b):
        odds = Z[rows] @ b[:3] + b[3:][labels[rows]]
        likelihood = np.where(wrong[rows], expit(odds), expit(-odds))
        return (b[3:] ** 2).sum() / 2 - prior.logpdf(b[:3]) - np.log(likelihood).sum()

    best = minimize(loss, np.zeros(6), method="BFGS", tol=1e-9).x
    found = estimate(Z, labels, sure, wrong & sure)
    expected = Z @ best[:3] + best[3:][labels]
    np.testing.assert_allclose(found.log_odds, expected, atol=2e-3)
    curvature = np.zeros((6, 6))
    for i in np.eye(6):
        for j in np.eye(6):
            h = 1e-3
            moves = [h * (a * i + b * j) for a in (1, -1) for b in (1, -1)]
            f = [loss(best + move) for move in moves]
            curvature += np.outer(i, j) * (f[0] - f[1] - f[2] + f[3]) / (4 * h * h)
    A = np.column_stack([Z, np.eye(3)[labels]])
    error = np.sqrt(np.einsum("ij,jk,ik->i", A, np.linalg.inv(curvature), A))
    np.testing.assert_allclose(found.error, error, rtol=0.02)


def test_without_verdicts_the_prior_holds():
    rng = np.random.default_rng(1)
    Z, labels, _ = table(rng, 200)
    none = np.zeros(200, dtype=bool)
    found = estimate(Z, labels, none, none)
    np.testing.assert_allclose(found.log_odds, Z @ PRIOR_MEAN)
    variance = np.einsum("ij,jk,ik->i", Z, PRIOR_COVARIANCE, Z)
    np.testing.assert_allclose(found.error, np.sqrt(variance))


def test_the_interval_agrees_with_many_draws():
    """Against plain rejection: parameters of the prior, kept by their likelihood."""
    rng = np.random.default_rng(2)
    Z, labels, wrong = table(rng, 400, PRIOR_MEAN)
    sure = looked_at(Z, 15)
    draws = rng.multivariate_normal(PRIOR_MEAN, PRIOR_COVARIANCE, 200_000)
    odds = draws @ Z[sure].T
    likelihood = np.where(wrong[sure], expit(odds), expit(-odds)).prod(axis=1)
    draws = draws[rng.random(len(draws)) < likelihood / likelihood.max()][:4000]
    assert len(draws) > 1000
    p = expit(draws @ Z[~sure].T)
    counts = (rng.random(p.shape) < p).sum(axis=1) + wrong[sure].sum()
    expected = np.quantile(counts, [0.5, 0.025, 0.975])
    found = np.array(estimate(Z, labels, sure, wrong & sure).n_wrong)
    np.testing.assert_allclose(found, expected, rtol=0.15, atol=2)


@pytest.mark.slow
def test_95_of_a_hundred_intervals_cover():
    """Tables drawn from the prior, the rows chosen by rank as a reviewer does."""
    rng = np.random.default_rng(3)
    covered, below, above = 0, 0, 0
    for _ in range(200):
        Z, labels, wrong = table(rng, 300, n_labels=2)
        sure = looked_at(Z, 40)
        _, low, high = estimate(Z, labels, sure, wrong & sure).n_wrong
        covered += low <= wrong.sum() <= high
        below, above = below + (wrong.sum() < low), above + (wrong.sum() > high)
    # Two standard errors of a share of .95 among 200, and rounding to whole rows.
    assert 0.92 <= covered / 200 <= 0.99
    assert max(below, above) <= 12


def test_many_rows_are_summed_as_few_are():
    """One row of every few stands for its neighbours."""
    rng = np.random.default_rng(4)
    Z, labels, wrong = table(rng, 900)
    sure = looked_at(Z, 50)
    few = estimate(Z, labels, sure, wrong & sure).n_wrong
    others = np.concatenate([np.flatnonzero(sure), np.repeat(np.flatnonzero(~sure), 5)])
    asked = np.arange(len(others)) < 50
    many = estimate(Z[others], labels[others], asked, wrong[others] & asked).n_wrong
    found = (wrong & sure).sum()
    np.testing.assert_allclose(many[0] - found, 5 * (few[0] - found), rtol=0.1)


def test_features_where_most_targets_are_equal():
    """The typical loss with the target of another row is zero there."""
    rng = np.random.default_rng(8)
    y = np.zeros(500)
    scores = score_rows(rng.normal(size=(500, 4)), y, False, most=100)
    y[np.setdiff1d(np.arange(500), scores.sample)[:3]] = 5.0
    scores = score_rows(rng.normal(size=(500, 4)), y, False, most=100)
    assert np.median(scores.wrong_values) == 0
    found = features(scores, wrong_rows(scores))
    assert np.isfinite(found).all()
    assert set(found[:, 2].argsort()[-3:]) == set(np.flatnonzero(y))
