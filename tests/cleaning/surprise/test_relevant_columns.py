"""Weights of columns are slopes, and no row is in what is said of it."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.metrics import average_precision_score

from skinfluence.cleaning.surprise import _relevant_columns
from skinfluence.cleaning.surprise._relevant_columns import (
    RelevantColumns,
    root_mean_square_slopes,
)
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._stacked_ridge import StackedRidge


def friedman(n, seed):
    """Ten standardised columns, of which five act, and labels."""
    X, y = make_friedman1(n, noise=1, random_state=seed)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return Z, (y > np.median(y)).astype(int)


def test_slopes_are_finite_differences():
    Z, y = friedman(80, 0)
    T = np.column_stack([y, 1 - y, Z[:, 0] ** 2])
    stack = StackedRidge(Z, T)
    stack.weights = np.array([0.3, 0.2, 0.0, 0.2, 0.2])
    h = 1e-5
    slopes = np.empty((10, len(Z), 3))
    for j, step in enumerate(h * np.eye(10)):
        slopes[j] = (stack.predict([Z + step]) - stack.predict([Z - step])) / (2 * h)
    expected = np.sqrt((slopes**2).sum(axis=2).mean(axis=1))
    np.testing.assert_allclose(root_mean_square_slopes(stack), expected, rtol=1e-6)


def test_columns_that_say_nothing_are_hardly_seen():
    Z, y = friedman(600, 0)
    for weights, _ in RelevantColumns(Z, np.eye(2)[y]).models:
        assert weights.max() == 1
        assert weights[:5].min() > 2 * weights[5:].max()


@pytest.mark.parametrize("given", [False, True], ids=["parts", "folds"])
def test_the_label_of_a_row_does_not_change_what_is_said_of_it(given):
    Z, y = friedman(120, 0)
    folds = [(np.arange(60), np.arange(60, 90))] if given else None
    test = folds[0][1] if given else _relevant_columns._parts(120)[2][1]
    other = y.copy()
    other[test] = 1 - other[test]
    before, after = (
        RelevantColumns(Z, np.eye(2)[labels], folds).predictions
        for labels in (y, other)
    )
    np.testing.assert_array_equal(before[test], after[test])
    rest = np.setdiff1d(np.arange(120), test)
    if given:
        assert np.isnan(before[rest]).all()
    else:
        assert not np.isclose(before[rest], after[rest]).any(axis=1).all()
        assert ((before > 0.5).argmax(axis=1) == y).mean() > 0.7


def test_parts_hold_every_row_out_once():
    for n, n_parts in [(1_003, 5), (20_000, 2)]:
        parts = _relevant_columns._parts(n)
        assert len(parts) == n_parts
        tests = np.concatenate([test for _, test in parts])
        np.testing.assert_array_equal(np.sort(tests), np.arange(n))
        for train, test in parts:
            np.testing.assert_array_equal(np.setdiff1d(np.arange(n), test), train)


@pytest.mark.parametrize("n", [1, 2, 12])
def test_targets_that_no_column_tells(n):
    Z = np.zeros((n, 3))
    found = RelevantColumns(Z, np.ones((n, 2)), [(np.arange(n), np.arange(n))])
    np.testing.assert_allclose(found.predictions, 1)
    np.testing.assert_array_equal(found.models[0][0], np.ones(3))
    np.testing.assert_allclose(found.predict(Z), 1)


def test_mistakes_are_found_among_columns_that_say_nothing():
    Z, y = friedman(1_000, 0)
    wrong = np.random.default_rng(0).random(1_000) < 0.1
    scores = score_rows(Z, y ^ wrong, classification=True)
    assert scores.columns[0].more.relevant is not None
    found, alone = (
        average_precision_score(wrong, -s.values) for s in (scores, scores.plain)
    )
    assert found > alone + 0.05
