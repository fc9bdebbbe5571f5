"""A table of people in a file."""

import pytest
from people_table import people


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    people().to_csv(path, index=False)
    return path
