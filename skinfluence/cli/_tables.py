"""The tables that the command line writes: the ranking and the cleaned table."""

import numpy as np

from skinfluence.cli._amounts import amount
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli._relabelled import relabelled

WEIGHT = "sample_weight"


def ranking_table(problem, analysis):
    """Tabulate all rows, the most suspect first."""
    order = analysis.values.argsort(kind="stable")
    suspects = analysis.suspects
    error = np.full(len(order), np.nan)
    error[suspects.row] = suspects.standard_error
    hurts = np.full(len(order), "", dtype=object)
    hurts[suspects.row] = [
        " ".join(map(str, problem.rows[rows])) for rows in suspects.hurts
    ]
    columns = {
        "row": problem.rows,
        "line": problem.lines,
        "given": problem.y,
        "suggested" if problem.classification else "predicted": analysis.expected,
        "value": _rounded(analysis.values),
        "standard_error": _rounded(error),
        "probability_wrong": _rounded(analysis.wrong.probability),
        "probability_ceiling": _rounded(analysis.wrong.ceiling),
        "suspect": ~analysis.kept,
        "hurts": hurts,
        "reason": np.array(analysis.reasons, dtype=object),
    }
    pandas = import_pandas()
    ranking = pandas.DataFrame(
        {name: column[order] for name, column in columns.items()}
    )
    ranking.insert(2, "rank", np.arange(1, len(order) + 1))
    if problem.files is not None:
        ranking.insert(1, "file", problem.files[order])
    return ranking


def _rounded(values):
    return np.array([float(f"{v:.6g}") for v in values])


def cleaned_table(problem, analysis, settings):
    """Return the table after the action on suspects."""
    target, action = settings.target, settings.action
    if action == "drop":
        return problem.table.iloc[analysis.kept]
    table = problem.table.copy()
    if action == "weight":
        right = 1 - analysis.wrong.probability
        table[WEIGHT] = np.where(analysis.kept, 1.0, _rounded(right))
        return table
    suggested = analysis.expected[~analysis.kept]
    if not problem.classification:
        suggested = [float(amount(number)) for number in suggested]
    rows = problem.rows[~analysis.kept]
    column = relabelled(problem.source, target, rows, suggested)
    return table.assign(**{target: column.iloc[problem.rows]})
