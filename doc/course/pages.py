"""Run the lessons and write them as pages of the documentation."""

import contextlib
import io
from pathlib import Path

import matplotlib
from course import notebooks
from course.lesson import FOLDER, execute, namespace, paths, read

PAGES = FOLDER / "pages"
DOWNLOADS = """\
{{download}}`Notebook with exercises <../_build/student/{name}.ipynb>`,
{{download}}`notebook with solutions <../_build/solutions/{name}.ipynb>`.
"""
FOLDED = """\
<details>
<summary>{summary}</summary>

{content}
</details>
"""


def write():
    """Write notebooks, pages and the table of contents; run what has changed."""
    notebooks.write()
    PAGES.mkdir(exist_ok=True)
    tools = max(path.stat().st_mtime for path in FOLDER.glob("*.py"))
    lessons = []
    for path in paths():
        lessons.append(read(path))
        page = PAGES / f"{path.stem}.md"
        newest = max(tools, path.stat().st_mtime)
        if not page.exists() or page.stat().st_mtime < newest:
            page.write_text(run(lessons[-1]), encoding="utf-8")
    for page in PAGES.glob("*.md"):
        if page.stem not in {lesson.name for lesson in lessons}:
            page.unlink()
    (PAGES / "overview.txt").write_text(overview(lessons), encoding="utf-8")


def overview(lessons):
    """Return the table of all lessons, with minutes and their sum."""
    lines = [
        "| lesson | level | reading | exercises | before |",
        "|---|---|---|---|---|",
    ]
    for k, one in enumerate(lessons, 1):
        link = f"{k}. {{doc}}`{one.title} <pages/{one.name}>`"
        minutes = f"{one.reading} min | {one.doing} min"
        lines.append(f"| {link} | {one.level} | {minutes} | {one.before} |")
    reading = sum(one.reading for one in lessons)
    doing = sum(one.doing for one in lessons)
    lines.append(
        f"\nIn all {reading / 60:.1f} hours of reading and {doing / 60:.1f} hours of "
        f"exercises, as estimated by the authors: {(reading + doing) / 60:.0f} hours.\n"
    )
    return "\n".join(lines)


def run(lesson):
    """Return the page of a lesson, with the outputs and pictures of its cells."""
    matplotlib.use("Agg")
    names = namespace(lesson)
    wrong, parts = [], []
    for k, cell in enumerate(lesson.cells):
        shown = ""
        if cell.role in ("code", "solution", "check"):
            shown = outputs(cell, names, PAGES / f"{lesson.name}_{k}.png")
        code = f"```python\n{cell.source}\n```\n{shown}"
        if cell.role == "text":
            parts.append(cell.source)
        elif cell.role == "wrong":
            wrong.append(f"```python\n{cell.source}\n```\n")
        elif cell.role == "solution":
            solution = code
        elif cell.role == "check":
            parts += [
                "The check:",
                code,
                FOLDED.format(summary="A wrong answer", content="\n".join(wrong)),
                FOLDED.format(summary="The solution", content=solution),
            ]
            wrong = []
        else:
            parts.append(code)
        if k == 0:
            parts.append(DOWNLOADS.format(name=lesson.name))
    return "\n\n".join(parts) + "\n"


def outputs(cell, names, path):
    """Run a cell; return what it prints and draws, as Markdown."""
    from matplotlib import pyplot as plt

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = execute(cell.source, names)
    drawn = plt.get_fignums()
    text = printed.getvalue()
    if value is not None and not drawn:
        text += repr(value)
    parts = [f"\n```text\n{text.rstrip()}\n```\n"] if text else []
    if len(drawn) > 1 or bool(drawn) != bool(cell.alt):
        raise ValueError(
            f"{path.stem}: a cell draws one picture at most, and one that does must "
            f"say what is seen, alt=..."
        )
    if drawn:
        plt.savefig(path, dpi=150, bbox_inches="tight")
        plt.close("all")
        parts.append(f"\n![{cell.alt}]({Path(path).name})\n")
    return "".join(parts)
