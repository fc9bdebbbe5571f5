"""Run the tutorials that draw with Python, and keep their pictures beside this file."""

import doctest
import os
from pathlib import Path

import matplotlib

HERE = Path(__file__).resolve().parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

if __name__ == "__main__":
    matplotlib.use("Agg")
    os.chdir(HERE)
    for page in sorted(HERE.glob("*.rst")):
        if "savefig(" in page.read_text(encoding="utf-8"):
            doctest.testfile(
                str(page), module_relative=False, encoding="utf-8", optionflags=FLAGS
            )
