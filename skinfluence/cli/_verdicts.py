"""The verdicts of a reviewer, read from the file that the review page hands out."""

import re

from skinfluence.cleaning.review._verdicts import (
    COLUMNS,
    check_given,
    check_verdicts,
    read_columns,
)
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._read import read_table
from skinfluence.cli.tables._table import Reading

# The page puts a quote before texts that a spreadsheet would run.
QUOTED = re.compile(r"'+[=+\-@\t\r\n]")


def read_verdicts(path, source, target, table):
    """Read verdicts on a table.

    Parameters
    ----------
    path : str or Path
        A CSV file with columns ``row`` and ``verdict``, and ``value``, ``note`` and
        ``given`` where they are needed.
    source : Table
        The table that was reviewed.
    target : str
        Name of the column that was reviewed.
    table : str
        Name of the table, for errors.

    Returns
    -------
    verdicts : Verdicts
    where : callable
        Says where in the file a verdict is, from its position.

    Raises
    ------
    BadInput
        For what `check_verdicts` refuses, and for verdicts on another table.
    """
    file = read_table([path], Reading(header="yes"))
    cells, made = file.cells, slice(None)
    if "verdict" in cells.columns:
        made = [str(v).strip() != "" for v in cells["verdict"]]
    lines = file.lines[made]

    def where(i):
        return f"{path}, line {lines[i]}"

    def complaint(i, here, given):
        return (
            f"line {source.lines[verdicts.rows[i]]} of {table} has {here!r} as "
            f"{target!r}, and the row that was reviewed had {given!r}: give the table "
            f"that was reviewed (without a column given in {path} nothing is compared)"
        )

    columns = {n: list(map(str, cells[n])) for n in COLUMNS if n in cells.columns}
    for name in COLUMNS[2:]:
        columns[name] = list(map(_plain, columns.get(name, [""] * len(cells))))
    try:
        verdicts = check_verdicts(read_columns(columns, path), len(source.cells), where)
        check_given(verdicts, source.cells[target].to_numpy(dtype=object), complaint)
    except ValueError as error:
        raise BadInput(str(error)) from None
    return verdicts, where


def _plain(text):
    return text[1:] if QUOTED.match(text) else text
