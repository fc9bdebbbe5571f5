"""Tables of which neighbours are asked."""

import pytest
from neighbor_refits import shuffled
from sklearn.datasets import load_diabetes, load_wine


@pytest.fixture(scope="module")
def wine():
    return shuffled(load_wine, 110)


@pytest.fixture(scope="module")
def diabetes():
    return shuffled(load_diabetes, 110)
