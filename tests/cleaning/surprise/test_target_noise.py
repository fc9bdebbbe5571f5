"""Exchanged numbers are shown; chance, heavy tails, uneven spread are no mistakes."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows

N = 300


def linear(X):
    return 2 * X[:, 0] + X[:, 1]


CLEAN = {
    "normal chance": lambda X, rng: rng.normal(size=N),
    "exponential chance": lambda X, rng: rng.exponential(size=N),
    "weak": lambda X, rng: 0.3 * X[:, 0] + rng.normal(size=N),
    "linear": lambda X, rng: linear(X) + rng.normal(size=N),
    "t3": lambda X, rng: linear(X) + rng.standard_t(3, N),
    "heteroscedastic": lambda X, rng: (
        linear(X) + np.exp(0.7 * X[:, 0]) * rng.normal(size=N)
    ),
}


@pytest.mark.parametrize("name", CLEAN)
def test_right_numbers_are_not_called_wrong(name):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(N, 4))
        wrong = wrong_rows(score_rows(X, CLEAN[name](X, rng), False))
        assert wrong.share == 0
        assert wrong.transition is None


def test_an_output_of_chance_beside_a_good_one_is_not_called_wrong():
    X, y = load_diabetes(return_X_y=True)
    both = np.column_stack([y, np.random.default_rng(0).permutation(y)])
    assert wrong_rows(score_rows(X, both, False)).share == 0


def test_exchanged_numbers_are_found():
    X, y = load_diabetes(return_X_y=True)
    assert wrong_rows(score_rows(X, y, False)).share == 0
    shown = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = rng.choice(442, 66, replace=False)
        noisy = y.copy()
        noisy[rows] = noisy[rng.permutation(rows)]
        wrong = wrong_rows(score_rows(X, noisy, False))
        if wrong.share > 0:
            shown.append(wrong.probability.mean())
            np.testing.assert_array_equal(wrong.probability, wrong.ceiling)
    assert len(shown) >= 3
    assert np.mean(shown) == pytest.approx(0.15, abs=0.05)


LIMITED = {
    "uniform": lambda rng: rng.uniform(-1, 1, 600),
    "two ends": lambda rng: 2 * rng.beta(0.5, 0.5, 600) - 1,
    "cut off": lambda rng: np.clip(rng.normal(size=600), -1, 1),
}


@pytest.mark.parametrize("name", LIMITED)
def test_targets_with_limits_are_no_mistakes(name):
    """Residuals are cut off at limits, differently at each prediction."""
    for seed in range(3):
        rng = np.random.default_rng(900 + seed)
        y = LIMITED[name](rng)
        X = np.column_stack([y + rng.normal(0, 1.0, 600), rng.normal(size=(600, 3))])
        assert wrong_rows(score_rows(X, y, False)).share == 0
