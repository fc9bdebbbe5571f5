"""The target or cell to blame for each suspect, and its kind of row, as texts."""

from dataclasses import dataclass

import numpy as np

from skinfluence._shown import shown
from skinfluence.cleaning.reasons._explanations import MAX_EXPLAINED, explain
from skinfluence.cleaning.surprise._preprocessing import text_columns

# Of a cell beside a target that is likelier wrong.
WORTH_A_LOOK = 0.25


@dataclass(frozen=True)
class Explained:
    """The reasons of the first suspects, worst first; lists of equal length.

    Attributes
    ----------
    rows : ndarray of int
        The suspects.
    to_blame : list of str
        "target" or "cell"; empty if unknown.
    column : list of str
        Column of the cell that is most to blame; empty if unknown.
    cell, suggested_cell : list
        As they are written in the table.
    kind : list of str
        See `Explanations`.
    texts : list of str
        Text to append to the reason of the value.
    unknown : str
        Why no cell is blamed; empty where one is.
    """

    rows: np.ndarray
    to_blame: list
    column: list
    cell: list
    suggested_cell: list
    kind: list
    texts: list
    unknown: str = ""

    def added_to(self, reasons):
        """Return the reasons of all rows, longer for the first suspects."""
        reasons = list(reasons)
        for row, text in zip(self.rows, self.texts, strict=True):
            if text:
                reasons[row] = f"{reasons[row]}; {text}"
        return reasons

    def column_of_all(self, values, n):
        """Return a column for all n rows, empty but for the first suspects."""
        column = np.full(n, "", dtype=object)
        column[self.rows] = values
        return column


def explain_suspects(task, suspects, kept):
    """Explain the first suspects of a table.

    Parameters
    ----------
    task : Task
        The table.
    suspects : ndarray of int
        Worst first.
    kept : ndarray of bool
        False for suspects.

    Returns
    -------
    explained : Explained
    """
    rows = suspects[:MAX_EXPLAINED]
    found = explain(task.X, task.y, rows, kept, task.classification)
    names = ["" if j < 0 else task.X.columns[j] for j in found.column]
    cells, suggested = (
        [
            task.table[name].iloc[int(i)] if name and i >= 0 else ""
            for i, name in zip(of, names, strict=True)
        ]
        for of in (rows, found.donor)
    )
    is_text = np.isin(found.column, text_columns(task.X))
    fitting = [
        "" if i < 0 else f"a text like {shown(value)}" if text else shown(value)
        for i, value, text in zip(found.donor, suggested, is_text, strict=True)
    ]
    lines = zip(
        found.to_blame, found.cell_probability, names, cells, fitting, strict=True
    )
    texts = [
        "; ".join(filter(None, [_text(*line), kind]))
        for line, kind in zip(lines, found.kind, strict=True)
    ]
    return Explained(
        rows,
        list(found.to_blame),
        names,
        cells,
        suggested,
        list(found.kind),
        texts,
        found.unknown,
    )


def _text(to_blame, chance, name, cell, fits):
    if not to_blame:
        return ""
    what = f"{shown(name)}: {shown(cell)}" + f", where {fits} fits" * bool(fits)
    if to_blame == "cell":
        return (
            "a cell is likelier wrong than the target (probability "
            f"{_percent(chance)}): {what}, with which the target is predicted as given"
        )
    chances = _percent(1 - chance)
    text = f"the target is likelier wrong than a cell (probability {chances})"
    return f"{text}; otherwise {what}" if chance >= WORTH_A_LOOK else text


def _percent(chance):
    """Return a probability as text; never that something is certain."""
    return f"{min(chance, 0.99):.0%}"
