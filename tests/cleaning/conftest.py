"""The wine table with wrong labels."""

import pytest
from sklearn.datasets import load_wine


@pytest.fixture
def noisy_wine():
    X, y = load_wine(return_X_y=True)
    y[::10] = (y[::10] + 1) % 3
    return X, y
