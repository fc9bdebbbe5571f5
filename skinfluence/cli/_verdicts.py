"""The verdicts of a reviewer, read from the file that the review page hands out."""

import re
from dataclasses import replace
from numbers import Number

from skinfluence.cleaning.review._verdicts import (
    COLUMNS,
    check_given,
    check_verdicts,
    read_columns,
    same_text,
)
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._relabelled import is_numeric, relabelled_to_number
from skinfluence.cli._row_checks import row_checks
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

# The page puts a quote before texts that a spreadsheet would run.
QUOTED = re.compile(r"'+[=+\-@\t\r\n]")


def read_verdicts(path, source, target, table):
    """Read verdicts on a table.

    Parameters
    ----------
    path : str or Path
        A file with columns ``row`` and ``verdict``, and optionally ``value``, ``note``,
        ``given`` and ``check``.
    source : Table
        The table that was reviewed.
    target : str
        Name of the column that was reviewed.
    table : str
        Name of the table, for errors.

    Returns
    -------
    verdicts : Verdicts
        Values are numbers where the target holds numbers.
    where : callable
        Returns the place of a verdict in the file, from its position.

    Raises
    ------
    BadInput
        For verdicts that `check_verdicts` refuses, and for verdicts on another table.
    """
    file = read_table([path], Reading(header="yes"))
    cells, made = file.cells.rename(columns=lambda n: n.strip().lower()), slice(None)
    if "verdict" in cells.columns:
        made = [str(v).strip() != "" for v in cells["verdict"]]
    lines = file.lines[made]

    def where(i):
        return f"{path}, line {lines[i]}"

    def complaint(i, here, given):
        return (
            f"{where(i)}: line {source.lines[verdicts.rows[i]]} of {table} has "
            f"{here!r} as {target!r}, and the row that was reviewed had {given!r}: "
            "give the table that was reviewed (without the columns given and check "
            "nothing is compared)"
        )

    columns = {n: list(map(str, cells[n])) for n in COLUMNS if n in cells.columns}
    for name in COLUMNS[2:]:
        written = cells[name] if name in cells.columns else [""] * len(cells)
        columns[name] = [_plain(cell) for cell in written]
    try:
        verdicts = check_verdicts(read_columns(columns, path), len(source.cells), where)
        check_given(verdicts, source.cells[target].to_numpy(dtype=object), complaint)
    except ValueError as error:
        raise BadInput(str(error)) from None
    if "check" in cells.columns:
        _check_rows(verdicts, list(cells["check"][made]), source, table, where)
    return replace(verdicts, values=_values(verdicts, source, target, where)), where


def _values(verdicts, source, target, where):
    """Return the new targets of rows: numbers, or labels that other rows have."""
    column = source.typed[target]
    numeric = is_numeric(column)
    labels = set() if numeric else set(map(str, column.dropna()))
    values = []
    for i, value in enumerate(verdicts.values):
        if value != "" and numeric:
            value = relabelled_to_number(value, source, target, where(i))
        elif value != "" and str(value) not in labels:
            alike = [label for label in labels if same_text(label, str(value))]
            value = alike[0] if len(alike) == 1 else value
        values.append(value)
    return values


def _check_rows(verdicts, checks, source, table, where):
    """Refuse verdicts on rows whose cells have changed since the review."""
    here = row_checks(source.cells, verdicts.rows)
    for i, (check, now) in enumerate(zip(checks, here, strict=True)):
        if str(check).strip() not in ("", now):
            raise BadInput(
                f"{where(i)}: line {source.lines[verdicts.rows[i]]} of {table} is not "
                "the row that was reviewed, or its cells were changed since: give the "
                "table that was reviewed, or delete the column check, if the row is "
                "the same"
            )


def _plain(cell):
    """Return the number that a cell holds, or its text without a leading quote."""
    if isinstance(cell, Number) and cell == cell:
        return int(cell) if float(cell).is_integer() else cell
    text = str(cell)
    return text[1:] if QUOTED.match(text) else text
