"""Write which_method.rst and its figure from the table that `suggest` reads."""

from pathlib import Path
from xml.sax.saxutils import escape

from skinfluence.suggestion._kinds import KINDS
from skinfluence.suggestion._table import ANSWERS, COSTS, LINES, QUESTIONS

FOLDER = Path(__file__).parent

# The folders of the field's taxonomy, each with a colour that holds black text.
COLOURS = {
    "what is known exactly": "#cfe8fc",
    "retraining": "#fde2c4",
    "final parameters": "#d9f2d9",
    "training run": "#eadcf5",
    "tools": "#ececec",
}
BRANCHES = {
    "LeaveOneOutInfluence": "what is known exactly",
    "KNNShapley": "what is known exactly",
    "case_diagnostics": "what is known exactly",
    "DownsamplingInfluence": "retraining",
    "ShapleyInfluence": "retraining",
    "OutOfBagInfluence": "retraining",
    "TreeInfluence": "final parameters",
    "InfluenceFunctions": "final parameters",
    "TracIn": "training run",
    "HyDRA": "training run",
}

HEADER = """\
.. _which_method:

Which method?
=============

Start from the question, then look for the model. :func:`~skinfluence.suggest` reads
the same table, and returns the class, the reason, the cost and three lines of code:

>>> from sklearn.linear_model import LogisticRegression
>>> from skinfluence import suggest
>>> suggestion = suggest(LogisticRegression(), "rows")
>>> print(suggestion.code)
from skinfluence import LeaveOneOutInfluence
method = LeaveOneOutInfluence(model).fit(X, y)
worst = method.sample_values(X_test, y_test).argsort()[:20]

``print(suggestion)`` shows the reason and the cost as well. A Pipeline counts as its
last step. Methods are named after the class or function of skinfluence; a gap means
that the question has no meaning for the model.

.. container:: wide-figure

   .. image:: ../_static/which_method.svg
      :alt: A table of questions and models; each cell names the method to use.
      :target: ../_static/which_method.svg

How many rows? Up to some 200 rows any model can be trained once without each of them:
``suggest(estimator, question, n_rows=150)`` says so where nothing faster is known.
Where the models of many rows do not fit into memory, :doc:`retraining` describes
validation rows that are given to ``fit``.

"""


def figure():
    """Return the figure as SVG: a row for each question, a column for each kind."""
    left, width, height, top = 400, 158, 34, 84
    total = left + width * len(KINDS) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} '
        f'{top + height * len(QUESTIONS) + 60}" font-family="sans-serif" '
        'font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]

    def text(x, y, words, style=""):
        lines.append(f'<text x="{x}" y="{y}" {style}>{escape(words)}</text>')

    text(10, top - 14, "Question", 'font-weight="bold"')
    for k, kind in enumerate(KINDS):
        x = left + width * (k + 0.5)
        text(x, top - 14, kind, 'text-anchor="middle" font-weight="bold"')
    for j, (name, words) in enumerate(QUESTIONS.items()):
        y = top + height * j
        text(10, y + 14, f'"{name}"', 'font-weight="bold"')
        text(10, y + 28, words, 'font-size="10.5"')
        for k, kind in enumerate(KINDS):
            answer = ANSWERS[name].get(kind)
            if answer is None:
                continue
            colour = COLOURS[BRANCHES.get(answer.name, "tools")]
            x = left + width * k
            lines.append(
                f'<rect x="{x + 2}" y="{y + 2}" width="{width - 4}" '
                f'height="{height - 4}" rx="4" fill="{colour}"/>'
            )
            style = 'text-anchor="middle" font-size="12"'
            text(x + width / 2, y + 21, answer.name, style)
    y = top + height * len(QUESTIONS) + 30
    for k, (name, colour) in enumerate(COLOURS.items()):
        x = left + k * 220
        lines.append(
            f'<rect x="{x}" y="{y - 12}" width="16" height="16" fill="{colour}"/>'
        )
        text(x + 22, y + 1, name)
    text(10, 28, "Which method?", 'font-size="20" font-weight="bold"')
    text(left, 28, "Model: the last step of a Pipeline", 'font-size="13"')
    return "\n".join([*lines, "</svg>", ""])


def page():
    """Return the text of the page."""
    lines = [HEADER, "The models", "----------", ""]
    lines += [f"- **{kind}**: {words}" for kind, words in KINDS.items()]
    lines += [""]
    for name, words in QUESTIONS.items():
        title = f"{words[:-1]}?"
        lines += [title, "-" * len(title), ""]
        lines += [f'``question="{name}"``', ""]
        lines += [".. list-table::", "   :header-rows: 1", "   :widths: 18 24 58", ""]
        lines += ["   * - model", "     - method", "     - why"]
        by_answer = {}
        for kind, answer in ANSWERS[name].items():
            by_answer.setdefault(answer, []).append(kind)
        for answer, kinds in by_answer.items():
            role = "func" if answer.name.islower() else "class"
            lines += [
                f"   * - {', '.join(kinds)}",
                f"     - :{role}:`~skinfluence.{answer.name}`",
                f"     - {answer.reason}".replace("^", r"\^"),
            ]
        first = next(iter(by_answer))
        names = ", ".join(sorted({first.name, first.inner} - {""}))
        lines += ["", f"For instance, for the model {by_answer[first][0]}::", ""]
        code = [
            f"from skinfluence import {names}",
            f"method = {first.fit}",
            LINES[name],
        ]
        lines += [f"    {line}" for line in code] + [""]
    lines += ["What they cost", "--------------", ""]
    lines += [
        "n training rows, p columns, T trees. :doc:`complexity` has measured times.",
        "",
    ]
    lines += [".. list-table::", "   :header-rows: 1", "   :widths: 30 70", ""]
    lines += ["   * - method", "     - cost"]
    words = {"n": "n", "many": "100 n", "inner": "the method that it is given"}
    for name, cost in COSTS.items():
        lines += [f"   * - ``{name}``", f"     - {cost.format(**words)}"]
    return "\n".join([*lines, ""])


def write(folder=FOLDER):
    """Write page and figure, unless they are there with the same words already."""
    for path, text in (
        (folder / "user_guide" / "which_method.rst", page()),
        (folder / "_static" / "which_method.svg", figure()),
    ):
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
