"""Figures are closed after each test, and a table of digits."""

import sys

import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skinfluence import LeaveOneOutInfluence


@pytest.fixture(autouse=True)
def close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module")
def digits():
    digits = load_digits()
    X, y = digits.data / 16, digits.target
    loo = LeaveOneOutInfluence(LogisticRegression(max_iter=1000)).fit(X[:150], y[:150])
    return loo, X[150:200], y[150:200], y[:150], digits.images
