"""The verdicts of a reviewer, read from the file that the review page hands out."""

import re
from dataclasses import dataclass

import numpy as np

from skinfluence._shown import shown
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

VERDICTS = ("keep", "drop", "relabel", "unsure")
COLUMNS = ("row", "verdict", "value", "note", "given")
# The page puts a quote before texts that a spreadsheet would run.
QUOTED = re.compile(r"'+[=+\-@\t\r\n]")


@dataclass(frozen=True)
class Verdicts:
    """What was decided.

    Attributes
    ----------
    rows : ndarray of int
        Positions in the table, each once.
    verdicts : list of {"keep", "drop", "relabel", "unsure"}
        Of each row.
    values : list of str
        What rows are relabelled to; empty for other verdicts.
    notes : list of str
        Of the reviewer.
    given : list of str
        Targets of the rows that were reviewed; empty where they are not known.
    """

    rows: np.ndarray
    verdicts: list
    values: list
    notes: list
    given: list

    def of(self, verdict):
        """Return the rows with a verdict."""
        return self.rows[[v == verdict for v in self.verdicts]]


def read_verdicts(path, n_rows):
    """Read verdicts.

    Parameters
    ----------
    path : str or Path
        A CSV file with columns ``row`` and ``verdict``, and ``value``, ``note`` and
        ``given`` where they are needed.
    n_rows : int
        Rows of the table that was reviewed.

    Returns
    -------
    verdicts : Verdicts

    Raises
    ------
    BadInput
        For rows that the table does not have, unknown or contradicting verdicts, and
        rows that are relabelled to nothing.
    """
    table = read_table([path], Reading(header="yes"))
    cells = table.cells
    for name in ("row", "verdict"):
        if name not in cells.columns:
            raise BadInput(
                f"{path} has no column {name!r}: verdicts have {', '.join(COLUMNS)}"
            )
    n = len(cells)
    empty = [""] * n
    columns = {
        name: [str(value) for value in cells[name]] if name in cells else empty
        for name in COLUMNS
    }
    rows = np.empty(n, dtype=np.int64)
    for i, line in enumerate(table.lines):
        text, verdict = columns["row"][i].strip(), columns["verdict"][i].strip()
        where = f"{path}, line {line}"
        if not text.isdigit() or int(text) >= n_rows:
            raise BadInput(
                f"{where}: row must be a position in the table, 0 to {n_rows - 1}, not "
                f"{shown(text)!r}"
            )
        if verdict not in VERDICTS:
            raise BadInput(
                f"{where}: verdict must be one of {', '.join(VERDICTS)}, not "
                f"{shown(verdict)!r}"
            )
        if verdict == "relabel" and not columns["value"][i]:
            raise BadInput(f"{where}: relabel needs a value")
        columns["verdict"][i] = verdict
        rows[i] = int(text)
    twice = np.flatnonzero(np.bincount(rows, minlength=1) > 1)
    if len(twice):
        raise BadInput(f"{path} decides on row {twice[0]} more than once")
    values = [
        _plain(value) if verdict == "relabel" else ""
        for value, verdict in zip(columns["value"], columns["verdict"], strict=True)
    ]
    notes, given = ([_plain(text) for text in columns[name]] for name in COLUMNS[3:])
    return Verdicts(rows, columns["verdict"], values, notes, given)


def _plain(text):
    return text[1:] if QUOTED.match(text) else text
