"""Rows and groups left out of the stack equal refits of its ridge regressions."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from skinfluence.cleaning._suspects import fixed_scorer_error
from skinfluence.cleaning.surprise._hurt_rows import influence_of_rows, most_hurt
from skinfluence.cleaning.surprise._jackknife import (
    N_GROUPS,
    jackknife_error,
    replicated_predictions,
)
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._stacked_ridge import (
    PENALTIES,
    StackedRidge,
    feature_maps,
)


@pytest.fixture(scope="module")
def data():
    X, y = load_wine(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[::4]), y[::4].copy()
    y[[3, 20, 40]] = (y[[3, 20, 40]] + 1) % 3
    return X, np.eye(3)[y]


def refit(stack, used, row):
    """Predict one row by refitting every member to some rows."""
    said = (1 - stack.weights.sum()) * stack.mean
    for F, penalty, weight in zip(
        feature_maps(stack.Z), stack.penalties, stack.weights, strict=True
    ):
        model = Ridge(penalty).fit(F[used], stack.T[used])
        said = said + weight * model.predict(F[[row]])[0]
    return said


def test_rows_of_a_fold_are_predicted_without_it(data):
    Z, T = data
    folds = list(KFold(4, shuffle=True, random_state=0).split(Z))
    stack = StackedRidge(Z, T, folds)
    for F, penalty in zip(feature_maps(Z), stack.penalties, strict=True):
        errors = [
            sum(
                ((Ridge(p).fit(F[a], T[a]).predict(F[b]) - T[b]) ** 2).sum()
                for a, b in folds
            )
            for p in PENALTIES
        ]
        assert penalty == PENALTIES[np.argmin(errors)]
    for train, test in folds:
        expected = [refit(stack, train, row) for row in test]
        np.testing.assert_allclose(stack.predictions[test], expected, atol=1e-8)


def test_rows_that_no_fold_holds_out_have_no_prediction(data):
    stack = StackedRidge(*data, [(np.arange(30), np.arange(30, 45))])
    assert np.isnan(stack.predictions[:30]).all()
    assert np.isfinite(stack.predictions[30:]).all()


def test_replicates_lack_a_group_and_the_row(data):
    stack = StackedRidge(*data)
    n, rows = len(stack.T), np.array([3, 20, 11])
    said = replicated_predictions(stack, rows)
    group = np.random.default_rng(0).permutation(n) % N_GROUPS
    for g in range(N_GROUPS):
        for i, row in enumerate(rows):
            used = np.flatnonzero((group != g) & (np.arange(n) != row))
            np.testing.assert_allclose(said[g, i], refit(stack, used, row), atol=1e-8)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(0).normal(size=12)
    replicates = np.array([[np.delete(x, i).mean()] for i in range(12)])
    expected = x.std(ddof=1) / np.sqrt(12)
    np.testing.assert_allclose(jackknife_error(replicates), [expected])


def of_numbers(n, rng):
    X = rng.normal(size=(n, 3))
    return X, 2 * X[:, 0] + np.exp(0.5 * X[:, 1]) * rng.normal(size=n)


def of_labels(n, rng):
    X = rng.normal(size=(n, 3))
    return X, (rng.random(n) < 1 / (1 + np.exp(-3 * X[:, 0]))).astype(int)


@pytest.mark.parametrize("draw", [of_numbers, of_labels])
def test_standard_errors_are_the_spread_over_other_samples(draw):
    labels, asked = draw is of_labels, np.arange(6)
    X_asked, y_asked = draw(6, np.random.default_rng(7))
    y_asked[:4] = 1 - y_asked[:4] if labels else y_asked[:4] + [5, -5, 7, -9]
    values, errors = [], []
    for seed in range(30):
        X, y = draw(120, np.random.default_rng(seed))
        X, y = np.vstack([X_asked, X]), np.concatenate([y_asked, y])
        scores = score_rows(X, y, classification=labels)
        values.append(scores.values[asked])
        if seed < 8:
            errors.append(fixed_scorer_error(scores, asked))
    spread = np.var(values, axis=0, ddof=1).mean()
    stated = np.mean(np.square(errors))
    assert 0.75 < np.sqrt(stated / spread) < 1.3


def test_influence_of_rows_equals_refits_without_two_rows(data):
    stack = StackedRidge(*data)
    n, rows = len(stack.T), np.array([3, 40])
    influence = influence_of_rows(stack, rows)
    everything = np.arange(n)
    for j in (0, 3, 17, 44):
        without_j = refit(stack, np.delete(everything, j), j)
        for i, row in enumerate(rows):
            if row == j:
                assert influence[j, i] == 0
                continue
            without_both = refit(stack, np.delete(everything, [j, row]), j)
            expected = ((stack.T[j] - without_both) ** 2).sum() - (
                (stack.T[j] - without_j) ** 2
            ).sum()
            np.testing.assert_allclose(influence[j, i], expected, atol=1e-8)
    for hurt, column in zip(most_hurt(stack, rows, 3), influence.T, strict=True):
        np.testing.assert_array_equal(hurt, column.argsort(kind="stable")[:3])
        assert (column[hurt] < 0).all()
