"""The README's example prints its output; READMEs of folders name every file."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import skinfluence

README = Path(__file__).parents[1] / "README.md"
PACKAGE = Path(skinfluence.__file__).parent


def test_readme_example_prints_what_it_says():
    code, output = re.search(
        r"```python\n(.*?)```\n\n```\n(.*?)```", README.read_text(), re.DOTALL
    ).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


@pytest.mark.parametrize(
    "readme",
    [pytest.param(p, id=p.parent.name) for p in sorted(PACKAGE.rglob("README.md"))],
)
def test_readme_of_a_folder_names_its_files(readme):
    named = set(re.findall(r"\b_\w+\.py\b", readme.read_text()))
    files = {path.name for path in readme.parent.rglob("_*.py")} - {"__init__.py"}
    assert named == files
