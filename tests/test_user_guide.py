"""The examples of the user guide run, with the printed results."""

import doctest
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "doc" / "user_guide").glob("*.rst"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_examples_run(path):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    outcome = doctest.testfile(
        str(path), module_relative=False, encoding="utf-8", optionflags=flags
    )
    assert outcome.failed == 0
