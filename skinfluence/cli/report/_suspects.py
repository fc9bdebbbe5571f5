"""Suspects as the report shows them: each above the rows that speak against it."""

import numpy as np

from skinfluence._shown import shown
from skinfluence.cli.report._agreeing_rows import nearest_agreeing_rows
from skinfluence.cli.report._markup import tag

N_SUSPECTS = 20
N_NEIGHBORS = 3
# More columns are no table that anybody reads.
N_COLUMNS = 30


def top_suspects(target, problem, analysis):
    """Make the part of the report that shows suspects beside rows that agree.

    Parameters
    ----------
    target : str
        Name of the column to predict.
    problem : Task
        The table.
    analysis : Analysis
        What was found.

    Returns
    -------
    elements : list of Element
    """
    suspects = analysis.suspects
    shown = suspects.row[:N_SUSPECTS]
    parts = [tag("h2", "Top suspects")]
    if not len(shown):
        return [*parts, tag("p", "There are none.")]
    neighbors = nearest_agreeing_rows(
        problem.X,
        problem.y,
        analysis.expected,
        shown,
        analysis.kept,
        N_NEIGHBORS,
        problem.classification,
    )
    names = [name for name in problem.table.columns if name != target]
    note = "Each above the nearest rows that "
    note += "have the suggested label" if problem.classification else "are no suspects"
    note += "; their values unlike the suspect's are coloured"
    note += " (numbers: a standard deviation away)."
    if len(names) > N_COLUMNS:
        note += f" The first {N_COLUMNS} of {len(names)} columns."
        names = names[:N_COLUMNS]
    parts.append(tag("p", note, class_="note"))
    for i, near in enumerate(neighbors):
        parts.append(tag("h3", f"{i + 1}. row {problem.rows[shown[i]]}"))
        parts.append(tag("p", _facts(problem, analysis, i)))
        parts.append(_rows_table(target, names, problem, shown[i], near))
    return parts


def _facts(problem, analysis, i):
    suspects = analysis.suspects
    error = suspects.standard_error[i]
    spread = "" if np.isnan(error) else f" (standard error {error:.2g})"
    hurts = ", ".join(str(row) for row in problem.rows[suspects.hurts[i]])
    suggested = suspects.suggested[i]
    if not problem.classification:
        suggested = f"{suggested:.4g}"
    return (
        f"Given {shown(suspects.given[i])}, suggested {shown(suggested)}; value "
        f"{suspects.value[i]:.3g}{spread}; wrong with a probability between "
        f"{suspects.probability_wrong[i]:.2f} and "
        f"{suspects.probability_ceiling[i]:.2f}. {analysis.reasons[suspects.row[i]]}."
        + (f" Hurts most the held-out rows {hurts}." if hurts else "")
    )


def _rows_table(target, names, problem, row, near):
    columns = [Column(problem, name) for name in names]
    role = "agrees" if problem.classification else "near"
    lines = [_row_line("suspect", target, problem, row, columns, class_="suspect")]
    lines += [_row_line(role, target, problem, j, columns, row) for j in near]
    head = tag("tr", [tag("th", shown(name)) for name in ("", "row", target, *names)])
    table = tag("table", tag("thead", head), tag("tbody", lines))
    return tag("div", table, class_="scroll")


def _row_line(role, target, problem, row, columns, suspect=None, **attributes):
    cells = [
        tag("td", shown(column.text[row]), **column.mark(row, suspect))
        for column in columns
    ]
    return tag(
        "tr",
        tag("td", role),
        tag("td", problem.rows[row]),
        tag("td", shown(problem.table[target].iloc[row])),
        cells,
        **attributes,
    )


class Column:
    """What is shown of a column, and which of its values are unlike."""

    def __init__(self, problem, name):
        self.text = problem.table[name].to_numpy()
        self.numbers = None
        if name in problem.X.columns and problem.X[name].dtype.kind in "iuf":
            self.numbers = problem.X[name].to_numpy(dtype=np.float64, na_value=np.nan)
            self.spread = np.nanstd(self.numbers)

    def mark(self, row, suspect):
        """Colour a cell that is unlike the suspect's: a standard deviation away."""
        if suspect is None:
            return {}
        unlike = str(self.text[row]) != str(self.text[suspect])
        if self.numbers is not None and unlike:
            distance = abs(self.numbers[row] - self.numbers[suspect])
            unlike = not distance <= self.spread
        return {"class_": "differs"} if unlike else {}
