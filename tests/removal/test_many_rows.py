"""Means over many test rows, streamed: the same as of the matrix."""

import numpy as np
import pytest
from checks.shaped_rows import FAMILIES, wide
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, LogisticRegression

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("name", ["logistic", "multinomial", "ridge, two outputs"])
@pytest.mark.parametrize("step", ["newton", "infinitesimal", "exact"])
def test_streamed_means_equal_means_of_the_matrix(monkeypatch, name, step):
    estimator, kind, _ = FAMILIES[name]
    X, y, X_test, y_test = wide(kind, n=90, d=5, n_test=300)
    if step == "exact":
        influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    else:
        influence = InfluenceFunctions(estimator, step=step).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    weight = np.arange(len(X_test)) % 7.0
    expected = weight @ matrix / weight.sum()
    monkeypatch.setattr("skinfluence.removal._raw.TILE", 1000)
    values = influence.sample_values(X_test, y_test, sample_weight=weight)
    assert_allclose(values, expected, rtol=1e-10, atol=1e-16)
    monkeypatch.setattr(type(influence), "_blocks", lambda self, n: [[0, 2], [5]])
    values = influence.sample_values(X_test, y_test)
    if step != "infinitesimal":  # needs no blocks
        assert_allclose(values, matrix[[0, 2, 5]].sum(axis=0) / len(matrix))


def test_streamed_means_of_rows_with_full_leverage():
    X, y, X_test, y_test = wide("real", n=40, d=3)
    X = np.column_stack([X, np.arange(40) == 7])
    X_test = np.column_stack([X_test, np.ones(len(X_test))])
    influence = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    assert list(influence.refitted_rows_) == [7]
    expected = influence.influence(X_test, y_test).mean(axis=0)
    assert_allclose(influence.sample_values(X_test, y_test), expected)


def test_streamed_means_include_refitted_rows():
    X, y, X_test, y_test = wide("binary", n=40, d=3)
    y[:] = 0
    y[7] = 1  # without it there is one class
    y_test[:] = np.arange(len(y_test)) % 2
    influence = LeaveOneOutInfluence(LogisticRegression(), solver="exact").fit(X, y)
    assert list(influence.refitted_rows_) == [7]
    expected = influence.influence(X_test, y_test).mean(axis=0)
    assert_allclose(influence.sample_values(X_test, y_test), expected)
