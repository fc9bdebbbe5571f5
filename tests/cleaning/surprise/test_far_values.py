"""Values far from all others do not decide how the others are seen."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_friedman1
from sklearn.metrics import average_precision_score

from skinfluence.cleaning.surprise._far_values import Nearer
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.cleaning.surprise._scorer_matrix import scorer_matrix


def test_far_values_become_logarithms_in_the_same_order():
    x = np.array([-1e6, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 1e3, 1e6, 1e9])
    limit = 6 * np.median(np.abs(np.delete(x, 5) - 1))
    out = Nearer().fit_transform(x[:, None])[:, 0]
    np.testing.assert_array_equal(out[1:8], x[1:8])
    np.testing.assert_allclose(out[10], 1 + limit * (1 + np.log((1e9 - 1) / limit)))
    np.testing.assert_allclose(out[0], 1 - limit * (1 + np.log((1e6 + 1) / limit)))
    assert (np.diff(out) > 0).all()
    assert x[0] == -1e6  # not changed in place


@pytest.mark.parametrize(
    "column",
    [np.zeros(50), np.eye(50)[0], 1e9 * np.eye(50)[0], np.arange(50.0) ** 2],
    ids=["constant", "indicator", "constant but one", "skewed"],
)
def test_columns_without_far_values_stay(column):
    np.testing.assert_array_equal(Nearer().fit_transform(column[:, None])[:, 0], column)


def test_stored_values_of_sparse_matrices():
    X = np.zeros((40, 2))
    X[:10, 0], X[0, 0], X[:3, 1] = 1.0, 1e4, [1, -2, 3]
    out = Nearer().fit_transform(sp.csr_matrix(X)).toarray()
    np.testing.assert_array_equal(out[1:], X[1:])
    np.testing.assert_allclose(out[0], [6 * (1 + np.log(1e4 / 6)), 1])


def test_normal_columns_are_standardised_only():
    X = np.random.default_rng(0).normal(3, 2, (200, 3))
    np.testing.assert_allclose(scorer_matrix(X), (X - X.mean(axis=0)) / X.std(axis=0))


@pytest.mark.parametrize("classification", [True, False], ids=["labels", "numbers"])
@pytest.mark.parametrize("form", ["array", "frame", "sparse"])
def test_a_few_wrong_units_leave_the_other_rows_alone(form, classification):
    X, y = make_friedman1(300, n_features=5, noise=0.5, random_state=0)
    rng, wrong = np.random.default_rng(0), np.arange(300) < 30
    if classification:
        y = (y > np.median(y)) ^ wrong
    else:
        y[wrong] = rng.permutation(y)[wrong]
    X[np.arange(30, 60), rng.integers(0, 5, 30)] *= 1000
    make = {"array": np.asarray, "frame": pd.DataFrame, "sparse": sp.csr_matrix}[form]
    values = score_rows(make(X), y, classification).values
    rest = np.r_[:30, 60:300]
    # Chance is 0.11; without bringing cells nearer it is 0.07 to 0.11.
    least = 0.6 if classification else 0.3
    assert average_precision_score(wrong[rest], -values[rest]) > least


@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_the_largest_float_is_brought_nearer(unit):
    """Even where it has no quotient with the limit."""
    x = unit * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    x = np.append(x, np.finfo(float).max)[:, None]
    limit = Nearer().fit(x).limit_[0]
    far = Nearer().fit_transform(x)[-1, 0]
    logarithm = np.log(np.finfo(float).max) - np.log(limit)
    np.testing.assert_allclose(far, limit * (1 + logarithm), rtol=0.05)
