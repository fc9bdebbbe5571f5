"""New values of a column, written as the others of the column are."""

import re
from decimal import Decimal

import numpy as np

from skinfluence._shown import shown
from skinfluence.cleaning._labels_or_amounts import few_whole_numbers
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.tables._number_marks import SIGN, SPACES, UNIT, NumberMarks

# A unit before or behind a number, with the space between them.
UNITS = re.compile(
    rf"\s*{SIGN}?((?:{UNIT}[{SPACES}]*)?){SIGN}?[\d.,][^%]*?((?:[{SPACES}]*{UNIT})?)\s*"
)


def relabelled(source, name, rows, values, path="the new values"):
    """Return a column of a table in which some rows have new values.

    A value that another row has is written as in that row, for instance ``007``;
    any other number with the decimal mark of the file, and with the unit (``$``, ``%``)
    that all numbers of the column have.

    Parameters
    ----------
    source : Table
        Table that was read.
    name : str
        Name of the column.
    rows : sequence of int
        Positions of the rows.
    values : sequence
        Numbers where the column holds numbers; texts otherwise.
    path : str
        Where the values come from, for errors.

    Returns
    -------
    column : Series
        Texts of cells, see `Table.cells`.
    """
    pandas = import_pandas()
    typed, cells = source.typed[name], source.cells[name]
    column = cells.to_numpy(dtype=object, copy=True)
    known, unit = _known(typed, column), _unit(typed, column)
    for row, value in zip(rows, values, strict=True):
        column[row] = _cell(value, known, typed, source.file, name, path, unit)
    column = pandas.Series(column, index=cells.index)
    if isinstance(cells.dtype, pandas.CategoricalDtype):
        new = [v for v in column[list(rows)].unique() if v not in cells.cat.categories]
        return column.astype(cells.cat.add_categories(new).dtype)
    if cells.dtype.kind in "iu" and any(isinstance(column[i], float) for i in rows):
        missing = isinstance(cells.dtype, pandas.api.extensions.ExtensionDtype)
        return column.astype("Float64" if missing else np.float64)
    return column.astype(cells.dtype)


def relabelled_to_number(value, source, name, where):
    """Return the number that a reviewer wrote, with or without the marks of the table.

    Parameters
    ----------
    value : str or number
        As written: "12,5" and "12.5" are equal if the table has decimal commas.
    source : Table
        Table that was read.
    name : str
        Name of the column of numbers.
    where : str
        File and line of the value, for errors.

    Raises
    ------
    BadInput
        For texts that are not numbers, and for ambiguous ones: 1.234 if points may be
        marks of thousands.
    """
    if not isinstance(value, str):
        return _plain(float(value))
    marks = getattr(source.file, "marks", NumberMarks())
    readings = [NumberMarks(), marks]
    if marks.decimal == ",":
        readings.append(NumberMarks(",", "."))
    numbers = {m.number(value) for m in readings if m.is_number(value)}
    if len(numbers) == 1:
        return _plain(numbers.pop())
    what = f"{where}: {name!r} holds numbers, and a row is relabelled to"
    if numbers:
        either = " or ".join(written_number(_plain(n), source) for n in sorted(numbers))
        raise BadInput(
            f"{what} {shown(value)!r}, which may be one of two: write {either}"
        )
    raise BadInput(
        f"{what} {shown(value)!r}: write a number, with the decimal mark "
        f"{marks.decimal!r}"
    )


def written_number(number, source):
    """Return a number as text, with the decimal mark of a table."""
    if hasattr(source.file, "number"):
        return source.file.number(number)
    return str(number)


def _plain(number):
    return int(number) if number.is_integer() else number


def is_new_label(source, name, value):
    """Tell whether no row of a column of labels has this value; False for amounts.

    Parameters
    ----------
    source : Table
        Table that was read.
    name : str
        Name of the column.
    value : str
        A value that `relabelled` takes.
    """
    typed = source.typed[name]
    present = typed[typed.notna()]
    if not is_numeric(typed):
        return str(value) not in set(map(str, present))
    numbers = present.to_numpy(dtype=np.float64)
    return few_whole_numbers(numbers) and float(value) not in numbers


def _known(typed, cells):
    """Return the cell of the first row with each value."""
    known = {}
    key = float if is_numeric(typed) else str
    present = typed.notna().to_numpy()
    for value, cell in zip(typed[present], cells[present], strict=True):
        known.setdefault(key(value), cell)
    return known


def _unit(typed, cells):
    """Return the texts before and behind all numbers of a column; they may be empty."""
    if not is_numeric(typed):
        return "", ""
    texts = [t for t in cells[typed.notna().to_numpy()] if isinstance(t, str)]
    found = {match.groups() for match in map(UNITS.fullmatch, texts) if match}
    return found.pop() if len(found) == 1 else ("", "")


def is_numeric(typed):
    """Tell whether a column holds numbers."""
    return typed.dtype.kind in "iuf"


def _cell(value, known, typed, file, name, path, unit):
    if is_numeric(typed):
        number = float(value)
        if number in known:
            return known[number]
        number = _plain(number)
        if any(isinstance(cell, Decimal) for cell in known.values()):
            return Decimal(str(number))
        if hasattr(file, "number"):
            number = file.number(number)
        before, behind = unit
        if not before + behind:
            return number
        text = str(number)
        sign = "-" if text.startswith("-") else ""
        return f"{sign}{before}{text.removeprefix('-')}{behind}"
    text = str(value)
    if text not in known and typed.dtype.kind == "b":
        both = " and ".join(map(str, sorted(known)))
        raise BadInput(
            f"{path}: {name!r} holds {both}, and a row is relabelled to {shown(text)!r}"
        )
    return known.get(text, text)
