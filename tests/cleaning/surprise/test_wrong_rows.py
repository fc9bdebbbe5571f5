"""Estimated shares of fine rows against the truth: chance, flips, folds, small tables.

``benchmarks/bench_wrong_rows.py`` has the same on more seeds and larger tables.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import TimeSeriesSplit

from skinfluence.cleaning._folds import folds
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows


def lowest(scores):
    return scores.values.argsort(kind="stable")[: len(scores.values) // 10]


def estimated_fine(X, y):
    scores = score_rows(X, y, classification=True)
    return wrong_rows(scores).fine_share(lowest(scores))


@pytest.mark.parametrize("n", [60, 500])
@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.7, 0.3], [0.9, 0.1], [1 / 3] * 3])
def test_labels_of_chance_may_all_be_fine(n, shares):
    fine = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(n, 4)), rng.choice(len(shares), n, p=shares)
        smallest, estimate = estimated_fine(X, y)
        fine.append(estimate)
        assert smallest <= estimate
    assert np.mean(fine) >= 0.9


@pytest.mark.parametrize(
    ("slope", "shift", "n"), [(0.3, 0, 500), (1, 0, 500), (1, 3.8, 1000)]
)
def test_labels_of_a_logistic_model_are_fine(slope, shift, n):
    fine = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, 4))
        y = rng.random(n) < expit(slope * X[:, 0] - shift)
        fine.append(estimated_fine(X, y)[1])
    assert np.mean(fine) >= 0.9


def flip(y, share, every_second, rng):
    k = y.max() + 1
    if every_second:
        wrong = (y % 2 == 1) & (rng.random(len(y)) < share)
        return np.where(wrong, (y + 1) % k, y), wrong
    wrong = np.zeros(len(y), dtype=bool)
    wrong[rng.choice(len(y), int(share * len(y)), replace=False)] = True
    return np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong


@pytest.mark.parametrize("every_second", [False, True])
@pytest.mark.parametrize("share", [0, 0.1, 0.2])
@pytest.mark.parametrize(
    ("load", "bound"),
    [(load_digits, 0.1), (load_breast_cancer, 0.1), (load_wine, 0.2)],
)
def test_flipped_labels_are_counted(load, bound, share, every_second):
    X, clean = load(return_X_y=True)
    for seed in range(2):
        y, is_wrong = flip(clean, share, every_second, np.random.default_rng(seed))
        scores = score_rows(X, y, classification=True)
        low, wrong = lowest(scores), wrong_rows(scores)
        fine = 1 - wrong.probability[low].mean()
        assert fine == pytest.approx((~is_wrong[low]).mean(), abs=bound)
        assert wrong.probability.mean() == pytest.approx(is_wrong.mean(), abs=0.04)
        flagged = wrong.probability > 0.5
        if share:
            assert is_wrong[flagged].mean() > 0.8
            assert flagged[is_wrong].mean() > 0.7


def test_the_matrix_names_the_classes_that_are_mixed_up():
    X, y = load_digits(return_X_y=True)
    is_wrong = (y == 3) & (np.random.default_rng(0).random(len(y)) < 0.3)
    wrong = wrong_rows(score_rows(X, np.where(is_wrong, 8, y), True))
    assert wrong.transition[3, 8] == pytest.approx(is_wrong[y == 3].mean(), abs=0.05)
    np.testing.assert_allclose(wrong.transition.sum(axis=1), 1)
    assert np.delete(np.diag(wrong.transition), 3).min() > 0.97


def test_the_range_holds_the_truth_where_rows_are_hard_and_wrong():
    held = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(800, 4))
        y = (rng.random(800) < expit(2 * X[:, 0])).astype(int)
        y, is_wrong = flip(y, 0.15, False, rng)
        scores = score_rows(X, y, classification=True)
        low = lowest(scores)
        smallest, estimate = wrong_rows(scores).fine_share(low)
        held.append(smallest - 0.02 <= (~is_wrong[low]).mean() <= estimate + 0.02)
    assert sum(held) >= 4


def test_rows_that_no_fold_judges_are_right():
    X, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(178)
    X, y = X[order], y[order]
    y[::8] = (y[::8] + 1) % 3
    pairs = folds(y, TimeSeriesSplit(3), True, 0)
    wrong = wrong_rows(score_rows(X, y, True, pairs))
    unjudged = np.arange(pairs[0][1].min())
    assert (wrong.probability[unjudged] == 0).all()
    assert (wrong.ceiling[unjudged] == 0).all()
    assert wrong.probability[48::8].mean() > 0.7


def test_a_row_is_right_where_all_its_labels_are():
    X, y = load_iris(return_X_y=True)
    columns = [
        flip((y == label).astype(int), 0.1, False, np.random.default_rng(label))[0]
        for label in (0, 2)
    ]
    alone = [wrong_rows(score_rows(X, column, True)) for column in columns]
    both = wrong_rows(score_rows(X, np.column_stack(columns), True))
    right = np.prod([1 - wrong.probability for wrong in alone], axis=0)
    # Fits of single columns start elsewhere.
    np.testing.assert_allclose(both.probability, 1 - right, atol=0.02)
    assert both.share > 0.1
    assert (both.ceiling >= both.probability).all()
    assert both.transition is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classification", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_small_and_constant_tables(classification, n):
    X = np.random.default_rng(0).normal(size=(n, 2))
    for table in (X, np.ones((n, 2))):
        for y in (np.arange(n), np.arange(n) % 2, np.zeros(n, dtype=int)):
            wrong = wrong_rows(score_rows(table, y, classification))
            assert (wrong.probability == 0).all()
            assert (wrong.ceiling >= 0).all()
            assert (wrong.ceiling <= 1).all()


@pytest.mark.filterwarnings("error")
def test_classes_that_are_separable_are_fine():
    x = np.arange(60.0)[:, None]
    wrong = wrong_rows(score_rows(x, x[:, 0] > 30, True))
    assert wrong.share < 1e-6
    assert wrong.share_ceiling < 0.02


def test_no_rows_have_no_share():
    wrong = wrong_rows(score_rows(np.eye(4), np.arange(4) % 2, True))
    assert np.isnan(wrong.fine_share(np.zeros(4, dtype=bool))).all()


def test_a_share_is_a_number_where_rows_are_certainly_wrong():
    above = np.full(3, 1 + 2**-52)  # by a rounding
    certain = replace(
        wrong_rows(score_rows(np.eye(4), np.arange(4) % 2, True)),
        floor=above,
        probability=above,
        ceiling=above,
    )
    smallest, largest = certain.fine_share(np.arange(3))
    assert smallest == 0
    assert abs(largest) < 1e-12
