"""Tables of which neighbours are asked."""

import pytest
from tables import shuffled


@pytest.fixture(scope="module")
def wine():
    return shuffled("wine", 110)


@pytest.fixture(scope="module")
def diabetes():
    return shuffled("diabetes", 110)
