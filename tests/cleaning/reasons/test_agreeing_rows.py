"""Rows that agree with what is suggested for a suspect."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skinfluence.cleaning.reasons._agreeing_rows import nearest_agreeing_rows


@pytest.mark.parametrize("classification", [True, False])
def test_nearest_of_the_suggested_label(classification):
    X, y = load_wine(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    rng = np.random.default_rng(0)
    suggested, kept = (y + 1) % 3, rng.random(178) > 0.2
    rows = np.array([3, 90, 17])
    found = nearest_agreeing_rows(X, y, suggested, rows, kept, 4, classification)
    for row, neighbors in zip(rows, found, strict=True):
        allowed = kept & (np.arange(178) != row)
        if classification:
            allowed &= y == suggested[row]
        distance = np.where(allowed, ((Z - Z[row]) ** 2).sum(axis=1), np.inf)
        np.testing.assert_array_equal(neighbors, distance.argsort()[:4])


def test_a_row_is_not_evidence_for_itself():
    X, y = load_wine(return_X_y=True)
    kept = np.ones(178, dtype=bool)
    (found,) = nearest_agreeing_rows(X, y, y, np.array([5]), kept, 3, True)
    assert 5 not in found
    assert len(found) == 3


def test_fewer_rows_than_asked_for():
    X, y = np.arange(6.0)[:, None], np.array([0, 0, 0, 0, 1, 2])
    kept = np.array([True] * 4 + [True, False])
    suggested = np.array([1, 2, 0, 0, 0, 0])
    found = nearest_agreeing_rows(X, y, suggested, np.array([0, 1]), kept, 3, True)
    assert [list(rows) for rows in found] == [[4], []]
