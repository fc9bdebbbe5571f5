"""Solutions of the course pass their checks; exercises and wrong answers do not."""

import ast
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.append(str(Path(__file__).parents[1] / "doc"))
from course.lesson import execute, namespace, paths, read
from course.notebooks import KINDS, notebook

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_checks_accept_solutions_only(path, monkeypatch):
    plt.switch_backend("agg")
    lesson = read(path)
    names = namespace(lesson)
    monkeypatch.setitem(sys.modules, lesson.name, sys.modules[lesson.name])
    answers = []
    for cell in lesson.cells:
        if cell.role in ("exercise", "wrong"):
            answers.append(cell)
        elif cell.role == "solution":
            before, solved = dict(names), dict(names)
            execute(cell.source, solved)
            # No more than what students write: checks must not need other names of
            # the solution, such as its imports.
            names.update((name, solved[name]) for name in asked_for(answers[0]))
        elif cell.role == "check":
            for answer in answers:
                fails(answer, cell.source, dict(before))
            answers = []
            execute(cell.source, names)
        elif cell.role == "code":
            execute(cell.source, names)
            assert bool(plt.get_fignums()) == bool(cell.alt), cell.source
            plt.close("all")


def asked_for(exercise):
    """Return the names of the functions and classes that an exercise asks for."""
    body = ast.parse(exercise.source).body
    return [one.name for one in body if hasattr(one, "name")]


def fails(answer, check, names):
    """Assert that an answer defines something that the check rejects."""
    execute(answer.source, names)
    error = NotImplementedError if answer.role == "exercise" else AssertionError
    with pytest.raises(error) as caught:
        execute(check, names)
    if error is AssertionError:
        assert str(caught.value), f"this check does not say what is wrong: {check}"


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_notebooks(path):
    lesson = read(path)
    count = sum(cell.role == "exercise" for cell in lesson.cells)
    assert 2 <= count <= 5
    student, solutions = (notebook(lesson, kind) for kind in ("student", "solutions"))
    assert set(KINDS) == {"student", "solutions"}
    open_cells = [c for c in student.cells if "# your code here" in c.source]
    assert len(open_cells) == count
    for cell in lesson.cells:
        sources = [c.source for c in student.cells]
        if cell.role in ("wrong", "solution"):
            assert cell.source not in sources
    assert "NotImplementedError" not in nbformat.writes(solutions)
    assert "{class}" not in nbformat.writes(student)


def test_cells_out_of_order_are_refused(tmp_path):
    path = tmp_path / "lesson.py"
    path.write_text('# %% tags=["solution"]\nx = 1\n')
    with pytest.raises(ValueError, match="in this order. Got solution"):
        read(path)
