"""The tables that the command line writes: the ranking and the cleaned table."""

import numpy as np

from skinfluence.cli._amounts import suggested_amount
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli._relabelled import relabelled

WEIGHT = "sample_weight"


def ranking_table(problem, analysis):
    """Tabulate all rows, the most suspect first."""
    order, suspects = analysis.order, analysis.suspects
    error = np.full(len(order), np.nan)
    error[suspects.row] = suspects.standard_error
    probability = np.full(len(order), np.nan)
    probability[suspects.row] = suspects.suggested_probability
    hurts = np.full(len(order), "", dtype=object)
    hurts[suspects.row] = [
        " ".join(map(str, problem.rows[rows])) for rows in suspects.hurts
    ]
    explained, n = analysis.explained, len(order)
    columns = {
        "row": problem.rows,
        "line": problem.lines,
        "given": problem.y,
        "suggested" if problem.classification else "predicted": analysis.expected,
        "suggested_probability": _rounded(probability),
        "value": _rounded(analysis.values),
        "standard_error": _rounded(error),
        "probability_wrong": _rounded(analysis.wrong.probability),
        "probability_ceiling": _rounded(analysis.wrong.ceiling),
        "suspect": ~analysis.kept,
        "hurts": hurts,
        "to_blame": explained.column_of_all(explained.to_blame, n),
        "blamed_column": explained.column_of_all(explained.column, n),
        "suggested_cell": explained.column_of_all(
            [str(cell) for cell in explained.suggested_cell], n
        ),
        "kind": explained.column_of_all(explained.kind, n),
        "reason": np.array(analysis.reasons, dtype=object),
    }
    if analysis.decided is not None:
        columns["decided"] = analysis.decided.asked
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
    """Return the table after the action on suspects, with the rows not valued."""
    target, action = settings.target, settings.action
    suspects, decided = analysis.acted_on, analysis.decided
    gone = np.zeros(len(suspects), dtype=bool) if decided is None else decided.dropped
    if action == "drop":
        gone = gone | suspects
    written = np.sort(np.concatenate([problem.rows[~gone], problem.others]))
    table = problem.source.cells.iloc[written]
    if action == "weight":
        weight = np.ones(problem.n_rows)
        right = _rounded(1 - analysis.wrong.probability)
        weight[problem.rows[suspects]] = right[suspects]
        table = table.assign(**{WEIGHT: weight[written]})
    # All at once, so that each new target is written as the others are.
    changed = analysis.relabelled(action)
    if not changed.any():
        return table
    new = np.array(problem.y if decided is None else decided.y, dtype=object)
    if action == "relabel":
        new[suspects] = analysis.expected[suspects]
        if not problem.classification:
            new[suspects] = [
                float(suggested_amount(number, problem.whole_numbers))
                for number in new[suspects]
            ]
    column = relabelled(problem.source, target, problem.rows[changed], new[changed])
    return table.assign(**{target: column.iloc[written]})
