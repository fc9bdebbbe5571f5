"""A lesson: cells of a percent script, read through jupytext, and how they are run."""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import jupytext

FOLDER = Path(__file__).parent
ROLES = ("exercise", "wrong", "solution", "check")
HEADER = re.compile(
    r"\*\*Level:\*\* (?P<level>[^*]+)\. "
    r"\*\*Time:\*\* (?P<reading>\d+) minutes of reading, "
    r"(?P<doing>\d+) of exercises\. "
    r"\*\*Before:\*\* (?P<before>[^*]+)\."
)


@dataclass(frozen=True)
class Cell:
    """Source of a cell; its role is "text", "code" or one of ``ROLES``."""

    role: str
    source: str
    alt: str = ""  # what its picture shows


@dataclass(frozen=True)
class Lesson:
    """The cells of a lesson, and what its first cell says about it."""

    name: str
    title: str
    level: str
    reading: int
    doing: int
    before: str
    cells: list


def paths():
    """Return the sources, in the order of the course."""
    return sorted((FOLDER / "lessons").glob("*.py"))


def read(path):
    """Return the lesson of a script; raise if its cells are not in order."""
    cells = [_cell(cell, path) for cell in jupytext.read(path, fmt="py:percent").cells]
    roles = " ".join(c.role for c in cells if c.role != "text")
    complete = r"(code|exercise (wrong )+solution check)"
    if not re.fullmatch(rf"{complete}( {complete})*", roles):
        raise ValueError(
            f"{path.name}: an exercise must be the cells exercise, wrong (once or "
            f"more), solution, check, in this order. Got {roles}."
        )
    title, about = (" ".join(part.split()) for part in _head(cells[0].source))
    found = HEADER.fullmatch(about)
    if not title.startswith("# ") or found is None:
        raise ValueError(
            f"{path.name}: the first cell must begin with the title and the line of "
            f"level, minutes and prerequisites. Got {title!r} and {about!r}."
        )
    known = found.groupdict()
    for minutes in ("reading", "doing"):
        known[minutes] = int(known[minutes])
    return Lesson(path.stem, title=title[2:], cells=cells, **known)


def _head(source):
    """Return the first two paragraphs."""
    return (source + "\n\n\n\n").split("\n\n")[:2]


def _cell(cell, path):
    if cell.cell_type == "markdown":
        return Cell("text", cell.source)
    tags = cell.metadata.get("tags", [])
    if len(tags) > 1 or not set(tags) <= set(ROLES):
        raise ValueError(
            f"{path.name}: a cell has one of the tags {ROLES}, or none. Got {tags}."
        )
    role = tags[0] if tags else "code"
    return Cell(role, cell.source, cell.metadata.get("alt", ""))


def namespace(lesson):
    """Return the globals of a lesson's code: those of a module, so classes work."""
    module = sys.modules[lesson.name] = ModuleType(lesson.name)
    return module.__dict__


def execute(source, names):
    """Run a cell; return the value of its last expression, or None."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
    if last is not None:
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    return None
