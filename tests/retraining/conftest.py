"""Tables of the tests of retraining."""

import pytest
from sklearn.datasets import load_diabetes
from tables import first


@pytest.fixture
def table():
    return first("diabetes", 40)


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    X = X / X.std(axis=0)
    y = (y - y.mean()) / y.std()
    return X[:9, 2:5], y[:9], X[400:405, 2:5], y[400:405]
