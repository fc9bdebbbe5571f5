"""Rows that agree with what is given or suggested for a suspect."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import StandardScaler

from skinfluence.cleaning.reasons._agreeing_rows import (
    nearest_rows_of_labels,
    nearest_rows_of_numbers,
)


def nearest(Z, row, allowed, n):
    distance = np.where(allowed, ((Z - Z[row]) ** 2).sum(axis=1), np.inf)
    return distance.argsort()[:n]


def test_nearest_of_a_label():
    X, y = load_wine(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    kept = np.random.default_rng(0).random(178) > 0.2
    rows = np.array([3, 90, 17])
    wanted = (y[rows] + 1) % 3
    found = nearest_rows_of_labels(X, y, wanted, rows, kept, 4)
    for row, label, neighbors in zip(rows, wanted, found, strict=True):
        allowed = kept & (np.arange(178) != row) & (y == label)
        np.testing.assert_array_equal(neighbors, nearest(Z, row, allowed, 4))


def test_nearest_whose_number_is_nearer_to_one_of_two():
    X, y = load_diabetes(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    kept = np.random.default_rng(0).random(442) > 0.2
    rows = np.array([3, 90, 17])
    other = y[rows] + np.array([80.0, -60.0, 5.0])
    found = nearest_rows_of_numbers(X, y, y[rows], other, rows, kept, 4)
    for row, away, neighbors in zip(rows, other, found, strict=True):
        allowed = kept & (np.arange(442) != row)
        allowed &= np.abs(y - y[row]) < np.abs(y - away)
        np.testing.assert_array_equal(neighbors, nearest(Z, row, allowed, 4))


def test_a_row_is_not_evidence_for_itself():
    X, y = load_wine(return_X_y=True)
    kept, row = np.ones(178, dtype=bool), np.array([5])
    (found,) = nearest_rows_of_labels(X, y, y[row], row, kept, 3)
    assert 5 not in found
    assert len(found) == 3
    (found,) = nearest_rows_of_numbers(X, y * 1.0, y[row], [9.0], row, kept, 3)
    assert 5 not in found
    assert len(found) == 3


def test_fewer_rows_than_asked_for():
    X, y = np.arange(6.0)[:, None], np.array([0, 0, 0, 0, 1, 2])
    kept = np.array([True] * 4 + [True, False])
    wanted = np.array([1, 2])
    found = nearest_rows_of_labels(X, y, wanted, np.array([0, 1]), kept, 3)
    assert [list(rows) for rows in found] == [[4], []]
    found = nearest_rows_of_numbers(X, y, [1.0], [0.0], np.array([0]), kept, 3)
    assert [list(rows) for rows in found] == [[4]]


@pytest.mark.parametrize("far", [1e6, np.finfo(float).max])
def test_a_far_cell_is_brought_nearer_as_for_the_scorer(far):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    X[5, 1] = far
    y, kept, rows = np.arange(300) % 2, np.ones(300, dtype=bool), np.arange(10, 30)
    away = np.abs(X[:, 1] - np.median(X[:, 1]))
    limit = 6 * np.median(away[away > 0])
    nearer = X.copy()
    nearer[5, 1] = np.median(X[:, 1]) + limit * (1 + np.log(away[5]) - np.log(limit))
    Z = StandardScaler().fit_transform(nearer)
    of_labels = nearest_rows_of_labels(X, y, 1 - y[rows], rows, kept, 3)
    of_numbers = nearest_rows_of_numbers(X, y, 1.0 - y[rows], y[rows], rows, kept, 3)
    for row, *found in zip(rows, of_labels, of_numbers, strict=True):
        expected = nearest(Z, row, y != y[row], 3)
        for neighbors in found:
            np.testing.assert_array_equal(neighbors, expected)
