"""A table of people in a file, and fewer models where they are not the subject."""

import pytest
from people_table import people

from skinfluence.cli import _analysis, _settings


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    people().to_csv(path, index=False)
    return path


@pytest.fixture
def two_folds(monkeypatch):
    """Value and compare with two folds: of five, models take most of the time."""
    monkeypatch.setattr(_settings, "N_FOLDS", 2)
    monkeypatch.setattr(_analysis, "N_FOLDS", 2)  # counts them
