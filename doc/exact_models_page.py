"""Write exact_models.rst, the page about the models of `tests/exact_models.py`."""

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from exact_models import FAMILIES, PIPELINES, STEPS, claims, sample

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

METHODS = {LeaveOneOutInfluence: {"solver": "exact"}, InfluenceFunctions: {}}

HEADER = """\
Models with exact removal of rows
=================================

For these models :class:`~skinfluence.LeaveOneOutInfluence` computes the model without
a row by algebra instead of retraining it. All other models are retrained once per row.
The tables of this page are generated from the library when the documentation is built.

*solver="auto"*: "exact" if the result equals retraining, preprocessing included; or
"refit" if training selects something from the rows, which ``solver="exact"`` holds
fixed. *Influence functions*: whether :class:`~skinfluence.InfluenceFunctions` supports
the model. *Proven bounds*: which of the two have bounds of the influence of rows and of
groups (:doc:`certified_influence`). n rows, p columns, C classes.

For trees, forests and boosted trees ``solver="exact"`` holds the splits fixed, see
:doc:`trees`; "auto" retrains them.

Rows without an exact solution are refitted: the only row of its class, or a row that
alone determines a coefficient without penalty. ``refitted_rows_`` lists them.
"""


def ask(method, estimator, **params):
    """Fit an influence method without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(estimator, **params).fit(*sample(estimator))


def why_refused(estimator):
    """Return the reason why ``solver="exact"`` raises, or None if it does not."""
    try:
        ask(LeaveOneOutInfluence, estimator, solver="exact")
    except UnsupportedEstimator as error:
        text = error.args[0].partition(" Use LeaveOneOut")[0].rstrip(".")
        return text.rpartition(" has no exact removal of rows: ")[2]
    return None


def has_influence_functions(estimator):
    """Tell whether `InfluenceFunctions` takes a model."""
    try:
        ask(InfluenceFunctions, estimator)
    except UnsupportedEstimator:
        return False
    return True


def proven_bounds(estimator):
    """Say which methods bound the influence of rows and groups on a model."""
    found = []
    X, y = sample(estimator)
    for method, params in METHODS.items():
        try:
            fitted = ask(method, estimator, **params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted.influence_bounds(X[:1], y[:1])
                fitted.group_influence_bounds(X[:1], y[:1], groups=np.arange(48) % 4)
        except UnsupportedEstimator:
            continue
        found.append(method)
    if len(found) == len(METHODS):
        return "both"
    return "leave-one-out" if found else "no"


def cells(estimator):
    """Answers of the library about one estimator."""
    exact = ask(LeaveOneOutInfluence, estimator, solver="exact")
    fixed = ", ".join(f"``{name}``" for name in exact.fixed_steps_)
    return [
        code(estimator),
        f"refit; exact holds {fixed} fixed" if fixed else "exact",
        "yes" if has_influence_functions(estimator) else "no",
        proven_bounds(estimator),
    ]


def code(estimator):
    """Write an estimator as it is written in Python, Pipelines as their steps."""
    steps = [estimator]
    if hasattr(estimator, "steps"):
        steps = [step for _, step in estimator.steps]
    return ", ".join(f"``{' '.join(repr(step).split())}``" for step in steps)


def list_table(header, rows, widths):
    """Return the lines of a table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        for k, cell in enumerate(row):
            lines.append(f"   {'-' if k else '* -'} {cell}".replace("   - ", "     - "))
    return [*lines, ""]


def page():
    """Return the text of the page."""
    rows = []
    for family in FAMILIES:
        for model in claims("exact"):
            if any(model is one for one in family.exact):
                answers = cells(model)
                rows.append([answers[0], family.without, family.cost, *answers[1:]])
    header = [
        "estimator",
        "without a row",
        "cost, order of",
        'solver="auto"',
        "influence functions",
        "proven bounds",
    ]
    lines = [HEADER, *list_table(header, rows, "30 25 20 15 10 10")]
    lines += ["Pipelines", "---------", ""]
    header = ["steps", 'solver="auto"', "influence functions", "proven bounds"]
    lines += list_table(header, [cells(one) for one in PIPELINES], "45 30 15 10")
    lines += [
        "Steps before the model",
        "----------------------",
        "",
        "A Pipeline is exact where these are its steps. Without a row they are what a "
        "refit would make them; the few rows after whose removal they transform the "
        "others otherwise are refitted. A step that is not here, or that most rows "
        'change otherwise, has the Pipeline refitted; ``solver="exact"`` holds it '
        "fixed.",
        "",
    ]
    rows = [[f"``{step.__name__}``", *words] for step, words in STEPS.items()]
    header = ["step", "followed exactly", "rows that are refitted"]
    lines += list_table(header, rows, "20 45 35")
    lines += ["Settings that are refitted", "--------------------------", ""]
    reasons = [[code(one), why_refused(one)] for one in claims("refused")]
    lines += list_table(["estimator", "why"], reasons, "50 50")
    return "\n".join(lines)


def write(path=Path(__file__).parent / "user_guide" / "exact_models.rst"):
    """Write the page, unless it is there with the same words already."""
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
