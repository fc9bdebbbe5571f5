"""The output in the tutorials is that of their commands."""

import doctest
import re
import runpy
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from skinfluence.__main__ import main

FOLDER = Path(__file__).parents[1] / "doc" / "tutorials"
PAGES = sorted(path for path in FOLDER.glob("*.rst") if path.stem != "index")
N_COMMANDS = {"clean_a_table": 4}  # the others are about Python alone
NUMBER = r"[-+]?\d+\.\d+"  # counts, lines and whole percents are words


def sessions(page):
    """Return commands and what they print, as the page shows them."""
    blocks = re.findall(r"\.\. code-block:: console\n\n((?:    .*\n|\n)+)", page)
    text = "\n".join(re.sub("^    ", "", block, flags=re.M) for block in blocks)
    for session in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, printed = session.replace("\\\n", "").partition("\n")
        yield shlex.split(command), printed


def run(command):
    if command[:3] == ["python", "-m", "skinfluence"]:
        assert main(command[3:]) == 0
    else:
        runpy.run_path(str(FOLDER / Path(command[1]).name), run_name="__main__")


def same(printed, shown):
    """Words are equal; decimals up to what another version of a solver changes."""
    lines = [
        [line.rstrip() for line in text.strip().split("\n")]
        for text in (printed, shown)
    ]
    if len(lines[0]) != len(lines[1]):
        return False
    for one, other in zip(*lines, strict=True):
        if re.split(NUMBER, one) != re.split(NUMBER, other):
            return False
        numbers = [np.array(re.findall(NUMBER, s), dtype=float) for s in (one, other)]
        if not np.allclose(*numbers, rtol=0.01, atol=0.002):
            return False
    return True


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_print_the_text_of_the_tutorial(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = path.read_text(encoding="utf-8")
    shutil.copy(FOLDER / "verdicts.csv", tmp_path)
    ran = 0
    for command, shown in sessions(page):
        capsys.readouterr()
        run(command)
        printed = capsys.readouterr().out
        assert same(printed, shown), f"{' '.join(command)} prints\n{printed}"
        ran += 1
    assert ran >= N_COMMANDS.get(path.stem, 0)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    outcome = doctest.testfile(
        str(path), module_relative=False, encoding="utf-8", optionflags=flags
    )
    assert outcome.attempted > 0
    assert outcome.failed == 0
    for name in re.findall(r"savefig\(\"(.+?)\"", page):
        assert (tmp_path / name).exists()
        assert f".. image:: {name}" in page  # and make_pictures.py has made it
        assert (FOLDER / name).exists(), "run doc/tutorials/make_pictures.py"


def test_all_tutorials_are_in_the_index():
    index = (FOLDER / "index.rst").read_text(encoding="utf-8")
    front = (FOLDER.parent / "index.rst").read_text(encoding="utf-8")
    for path in PAGES:
        assert f"   {path.stem}\n" in index
        assert f":link: tutorials/{path.stem}\n" in front
