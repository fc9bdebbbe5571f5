"""Numbers are judged by refits without the row, in units of what is typical there."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler
from stack_by_refits import stack_by_refits
from tables import standardised

from skinfluence.cleaning.surprise._amounts import fit_amounts
from skinfluence.cleaning.surprise._far_values import Nearer
from skinfluence.cleaning.surprise._scorer import score_rows


def judged_by_refits(Z, T):
    """Residuals in typical ones, and the predictions, by refits; (n, m) each."""
    first = T - stack_by_refits(Z, T)
    size = np.abs(first)
    middle = np.median(size, axis=0)
    logs = np.log(np.clip(size, middle / 10, 5 * middle))
    typical = np.exp(stack_by_refits(Z, logs))
    typical *= np.median(size / typical, axis=0)
    pulled = T - first + np.clip(first, -2 * typical, 2 * typical)
    said = stack_by_refits(Z, pulled)
    u = (T - said) / typical
    return u / np.median(np.abs(u), axis=0), said


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_numbers_are_judged_by_refits_without_the_row(n_outputs):
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:24], np.column_stack([y, X[:, 2] * 1000 + y])[:24, :n_outputs] - 150
    Z = StandardScaler().fit_transform(Nearer().fit_transform(X))
    u, said = judged_by_refits(Z, standardised(y))
    scores = score_rows(X, y.ravel() if n_outputs == 1 else y, classification=False)
    loss = (u**2 / (36 + u**2)).mean(axis=1)
    np.testing.assert_allclose(scores.values, -loss, rtol=1e-6)
    expected = (said * y.std(axis=0) + y.mean(axis=0)).reshape(scores.expected.shape)
    np.testing.assert_allclose(scores.expected, expected, rtol=1e-6)


def test_numbers_that_vary_by_factors_are_judged_by_their_logarithms():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = np.exp(3 * X[:, 0] + rng.normal(scale=0.2, size=40))
    Z = StandardScaler().fit_transform(Nearer().fit_transform(X))
    logs = np.log(y)
    u, said = judged_by_refits(Z, standardised(logs[:, None]))
    scores = score_rows(X, y, classification=False)
    np.testing.assert_allclose(scores.values, -(u**2 / (36 + u**2))[:, 0], rtol=1e-6)
    expected = np.exp(said[:, 0] * logs.std() + logs.mean())
    np.testing.assert_allclose(scores.expected, expected, rtol=1e-6)


def test_logarithms_are_taken_of_columns_that_need_them():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    error = rng.normal(size=(3, 300))
    y = np.column_stack(
        [
            np.exp(X[:, 0] + 0.3 * error[0]),
            20 + X[:, 1] + error[1],  # positive, and on its scale
            X[:, 0] + error[2],
        ]
    )
    amounts = fit_amounts(X, y)
    assert amounts.logarithm.tolist() == [True, False, False]
    np.testing.assert_allclose(amounts.numbers(amounts.T), y)


def test_the_typical_residual_is_that_of_the_place():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 3))
    spread = np.exp(0.8 * X[:, 0])
    y = X[:, 1] + spread * rng.normal(size=800)
    typical = fit_amounts(X, y[:, None]).typical[:, 0]
    assert np.corrcoef(np.log(typical), np.log(spread))[0, 1] > 0.9
    even = fit_amounts(X, (X[:, 1] + rng.normal(size=800))[:, None]).typical[:, 0]
    assert np.log(even).std() < 0.1


def swapped(y, share, seed):
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    noisy = y.copy()
    noisy[rows] = y[rng.permutation(rows)]
    return noisy, np.isin(np.arange(len(y)), rows)


def uneven(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 4))
    return X, 2 * X[:, 0] + X[:, 1] + np.exp(0.7 * X[:, 2]) * rng.normal(size=500)


def prices(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 4))
    return X, np.exp(X[:, 0] + 0.5 * X[:, 1] + 0.3 * rng.normal(size=500))


# Squared errors on the scale of y reach .59, .44 and .44.
@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda seed: make_friedman1(500, noise=1, random_state=seed), 0.64),
        (uneven, 0.55),
        (prices, 0.7),
    ],
    ids=["friedman1", "uneven", "prices"],
)
def test_swapped_numbers_come_first(make, bound):
    found = []
    for seed in (50, 51):
        X, y = make(seed)
        noisy, wrong = swapped(y, 0.2, seed)
        values = score_rows(X, noisy, classification=False).values
        found.append(average_precision_score(wrong, -values))
    assert np.mean(found) > bound


def test_numbers_of_which_most_are_zero_are_finite():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.where(rng.random(60) < 0.9, 0.0, rng.exponential(size=60))
    values = score_rows(X, y, classification=False).values
    assert np.isfinite(values).all()
    assert len(np.unique(values)) > 50


def test_rows_that_no_fold_judges_say_nothing():
    X, y = uneven(0)
    X, y = X[:90], y[:90]
    pairs = [(np.arange(30), np.arange(30, 60)), (np.arange(60), np.arange(60, 90))]
    scores = score_rows(X, y, False, pairs)
    assert np.isnan(scores.values[:30]).all()
    assert np.isfinite(scores.values[30:]).all()
    np.testing.assert_array_equal(scores.expected[:30], y[:30])


@pytest.mark.parametrize("most", [100, None])
@pytest.mark.parametrize("huge", [1e200, np.finfo(float).max, -np.finfo(float).max])
def test_huge_targets_are_the_lowest(huge, most):
    """Their squares overflow, in the sample and outside."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X.sum(axis=1) + 0.3 * rng.normal(size=300)
    y[:6] = huge
    scores = score_rows(X, y, False, most=most)
    assert set(scores.values.argsort()[:6]) == set(range(6))
    assert np.isfinite(scores.values).all()
    assert np.isfinite(scores.expected).all()
