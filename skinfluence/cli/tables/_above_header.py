"""Titles and comments above the header of a text, and rows that are longer than it."""

import csv
import io

from skinfluence._counts import counted
from skinfluence.cli.tables._bounds import BadTable
from skinfluence.cli.tables._dialects import (
    SAMPLE,
    lines_of,
    numbered_records,
    read_records,
    separator_and_quote,
)
from skinfluence.cli.tables._table import AUTO

# The line that names the separator for Excel.
SEPARATOR_LINE = b"sep="
MOST_ABOVE = 20


def told_separator(content):
    """Return the separator that the first line says, ``sep=;`` say, or None."""
    line = content.partition(b"\n")[0].rstrip(b"\r")
    if line.startswith(SEPARATOR_LINE) and len(line) == len(SEPARATOR_LINE) + 1:
        return chr(line[-1])
    return None


def above_header(content, reading, separator):
    """Return the lines above the header.

    If the first record does not hold the target and one of the next does, that is
    the header; titles and comments stand above it.

    Parameters
    ----------
    content : bytes
        UTF-8.
    reading : Reading
        How the file is read.
    separator : str
        Separator by the name of the file.

    Returns
    -------
    above : bytes
        The lines above the header.
    n_records : int
        Its number of records.
    """
    start = 0 if told_separator(content) is None else content.find(b"\n") + 1
    if reading.header == AUTO and reading.target is not None:
        text = content[start : start + SAMPLE].decode(errors="ignore")
        separator, quote = separator_and_quote(text, reading, separator)
        # Latin-1 has a character for every byte.
        text, target = content[:SAMPLE].decode("latin-1"), reading.target.encode()
        lines, end = lines_of(text), 0
        for i, (record, last) in enumerate(read_records(lines, separator, quote)):
            if target.decode("latin-1") in record and (len(record) > 1 or i == 0):
                return "".join(lines[:end]).encode("latin-1"), i
            if i == MOST_ABOVE:
                break
            end = last
    return content[:start], int(start > 0)


def say_above(line):
    """Note the line from which the header was taken."""
    return (
        f"the header is taken from line {line}, which holds the target (--header yes "
        "takes the first line)"
    )


def too_long(content, dialect, n_above):
    """Return an error that names the first record with more values than the header.

    Parameters
    ----------
    content : bytes
        UTF-8, from the header on.
    dialect : Dialect
        How values are written.
    n_above : int
        Records above it.
    """
    width, first = None, n_above + 1
    for record, number in numbered_records(content, dialect):
        lines = io.StringIO(record.decode(), newline="")
        reader = csv.reader(lines, delimiter=dialect.separator, quotechar=dialect.quote)
        n_values = len(next(reader))
        width = n_values if width is None else width
        if n_values > width:
            return BadTable(
                f"line {number + n_above} has {counted(n_values, 'value')}, line "
                f"{first} has {width}: put values that hold {dialect.separator!r} in "
                "quotes, name all columns, or give --separator"
            )
    return None


def unclosed(error, content, dialect, n_above):
    """Return an error that names the line of a quote that is never closed, or None.

    Parameters
    ----------
    error : Exception
        Raised by pandas.
    content, dialect, n_above
        As in `too_long`.
    """
    if "EOF inside string" not in str(error):
        return None
    # The rest of the file is one value, and so part of the last record.
    _, number = numbered_records(content, dialect)[-1]
    return BadTable(
        f"a {dialect.quote} is opened in line {number + n_above} and never closed: "
        f"close it, or write {2 * dialect.quote} for one that is part of a quoted value"
    )
