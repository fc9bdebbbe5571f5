"""The share of suspects that are fine, where it is known."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from skinfluence.cleaning.surprise._false_discoveries import (
    probability_wrong,
    wrong_share,
)
from skinfluence.cleaning.surprise._scorer import score_rows


def estimate(scores):
    return probability_wrong(scores.values, scores.wrong_values, scores.n_classes)


def test_a_few_rows_do_not_clear_all_of_them():
    # None of the values is as low as the lowest values of wrong rows.
    values = np.linspace(-3, 0, 60)
    wrong_values = np.concatenate([np.full(30, -9.0), np.full(30, -4.0)])
    assert wrong_share(values, wrong_values, None) == pytest.approx(1 / 60)


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_flipped_labels(load, share):
    X, y = load(return_X_y=True)
    n_classes = y.max() + 1
    rng = np.random.default_rng(0)
    wrong = np.zeros(len(y), dtype=bool)
    wrong[rng.choice(len(y), int(share * len(y)), replace=False)] = True
    y = np.where(wrong, (y + rng.integers(1, n_classes, len(y))) % n_classes, y)
    scores = score_rows(X, y, classification=True)
    probability = estimate(scores)
    assert probability.mean() == pytest.approx(share, abs=0.025)
    for flagged in (0.05, 0.1, 0.2):
        top = scores.values.argsort()[: int(flagged * len(y))]
        fine = (~wrong[top]).mean()
        assert fine - 0.05 < 1 - probability[top].mean() < fine + 0.2


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_clean_labels_are_fine(load):
    scores = score_rows(*load(return_X_y=True), classification=True)
    top = scores.values.argsort()[:50]
    assert estimate(scores)[top].mean() < 0.05


def test_clean_numbers_are_fine():
    scores = score_rows(*load_diabetes(return_X_y=True), classification=False)
    assert estimate(scores)[scores.values.argsort()[:40]].mean() < 0.2


@pytest.mark.parametrize(("n_classes", "chance"), [(None, 0), (2, 1), (4, 1 / 3)])
def test_a_known_mixture(n_classes, chance):
    rng = np.random.default_rng(0)
    n, share = 100_000, 0.2
    is_wrong = rng.random(n) < share
    values = rng.normal(np.where(is_wrong, -4, 0), 1)
    # A wrong target becomes right by chance where the row is wrong already.
    right = (rng.random(n) < share) & (rng.random(n) < chance)
    wrong_values = rng.normal(np.where(right, 0, -4), 1)
    assert wrong_share(values, wrong_values, n_classes) == pytest.approx(
        share, abs=0.01
    )
    probability = probability_wrong(values, wrong_values, n_classes)
    for low, high in [(-4, -3), (-3, -2), (-2, -1), (-1, 1)]:
        inside = (values > low) & (values < high)
        expected = is_wrong[inside].mean()
        assert probability[inside].mean() == pytest.approx(expected, abs=0.03)


def test_rows_without_a_value_or_a_difference_are_right():
    assert (probability_wrong(np.zeros(5), np.zeros(5), 2) == 0).all()
    values = np.array([np.nan, -9.0, 0.0, 0.0, 0.0])
    wrong = np.array([np.nan, -9.0, -9.0, -9.0, -9.0])
    assert probability_wrong(values, wrong, None)[0] == 0


def test_values_next_to_each_other_have_a_probability():
    # With constant columns some values differ by rounding only.
    X, y = np.ones((40, 2)), np.arange(40.0)
    assert np.isfinite(estimate(score_rows(X, y, classification=False))).all()
