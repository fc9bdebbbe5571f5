"""Write the notebooks of all lessons: the student's, and the solutions."""

import re

import nbformat
from course.lesson import FOLDER, paths, read

KINDS = {
    "student": ("text", "code", "exercise", "check"),
    "solutions": ("text", "code", "solution", "check"),
}
ROLE = re.compile(r"\{[a-z]+\}`~?(?:([^`<]+?) <[^`>]+>|([^`]+))`")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(lesson, kind):
    """Return a lesson as a notebook, without outputs."""
    cells = []
    for k, cell in enumerate(c for c in lesson.cells if c.role in KINDS[kind]):
        if cell.role == "text":
            new = nbformat.v4.new_markdown_cell(plain(cell.source))
        else:
            new = nbformat.v4.new_code_cell(cell.source)
        new.id = f"{lesson.name[:2]}-{k}"  # the same in every build
        cells.append(new)
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.validate(made)
    return made


def plain(text):
    """Write links to the documentation as code: notebooks do not know them."""

    def name(found):
        words, target = found.groups()
        return words or f"`{target.rpartition('.')[2]}`"

    return ROLE.sub(name, text)


def write():
    """Write both notebooks of every lesson into ``_build``."""
    for kind in KINDS:
        folder = FOLDER / "_build" / kind
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths():
            made = notebook(read(path), kind)
            nbformat.write(made, folder / f"{path.stem}.ipynb")


if __name__ == "__main__":
    write()
