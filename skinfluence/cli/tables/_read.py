"""Read a table from files of any format, or from standard input."""

import sys
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.tables._bounds import check_parsed, read_checked
from skinfluence.cli.tables._columnar import ColumnarFile, read_columnar
from skinfluence.cli.tables._compression import MAGIC, decompressed, zip_members
from skinfluence.cli.tables._delimited import default_file, read_delimited
from skinfluence.cli.tables._file_names import (
    COLUMNAR,
    DELIMITED,
    JSON_LINES,
    SPREADSHEETS,
    STDIN,
    check_name,
    parts_of,
    split_name,
)
from skinfluence.cli.tables._json_lines import JsonLinesFile, read_json_lines
from skinfluence.cli.tables._spreadsheets import SpreadsheetFile, read_spreadsheet
from skinfluence.cli.tables._table import AUTO, Reading
from skinfluence.cli.tables._totals import note_on_totals

# Larger files take several seconds to read.
MANY_BYTES = 10_000_000


def read_table(paths, reading=None):
    """Read a table.

    Parameters
    ----------
    paths : list of str or Path
        Files, whose rows follow each other, or folders of Parquet files; "-" is
        standard input.
    reading : Reading, default=None
        How the files are read.

    Returns
    -------
    table : Table

    Raises
    ------
    BadInput
        Where a file is missing, damaged or no table.
    """
    reading = Reading() if reading is None else reading
    files, tables = [], []
    parts_of_all = [parts_of(path) for path in paths]
    _announce([part for parts in parts_of_all for part in parts])
    for path, parts in zip(paths, parts_of_all, strict=True):
        read = [_read_one(part, reading) for part in parts]
        # A program that filters rows in parallel writes parts without any.
        some = [(p, t) for p, t in zip(parts, read, strict=True) if len(t.typed)]
        if not some:
            raise BadInput(f"{_name(path)} is empty: it has a header and no rows")
        files += [part for part, _ in some]
        tables += [table for _, table in some]
    return tables[0] if len(tables) == 1 else _together(files, tables)


def _announce(files):
    """Print that files are being read, if they are large."""
    n_bytes = sum(Path(f).stat().st_size for f in files if Path(f).is_file())
    if n_bytes >= MANY_BYTES:
        print(f"reading {n_bytes / 1e6:.0f} MB", file=sys.stderr)


def _name(path):
    return "standard input" if str(path) == STDIN else str(path)


def file_like(path, table=None):
    """Return how the table at a path is written: like one that was read, if it may be.

    Parameters
    ----------
    path : Path
        Where.
    table : Table, default=None
        Table that was read.

    Returns
    -------
    file : object
        See `Table.file`.
    """
    _, file_format, _ = split_name(path.name)
    file_format = file_format or ".csv"  # of a ZIP archive
    if file_format in DELIMITED:
        new = default_file(DELIMITED[file_format])
    elif file_format in JSON_LINES:
        new = JsonLinesFile()
    elif file_format in SPREADSHEETS:
        new = SpreadsheetFile(file_format)
    else:
        new = ColumnarFile(file_format)
    if table is None or type(table.file) is not type(new):
        return new
    same = getattr(table.file, "file_format", None) == getattr(new, "file_format", None)
    tab = file_format == ".tsv" and table.file.dialect.separator != "\t"
    return table.file if same and not tab else new


def _read_one(path, reading):
    pandas = import_pandas()
    name = _name(path)
    try:
        content, file_format = _content(path, reading.file_format)
        if file_format in DELIMITED:
            table = read_delimited(name, content, reading, DELIMITED[file_format])
        elif file_format in JSON_LINES:
            table = read_json_lines(name, content, reading)
        elif file_format in SPREADSHEETS:
            table = read_spreadsheet(name, content, reading, file_format)
        else:
            table = read_columnar(Path(name).name, content, reading, file_format)
    except pandas.errors.EmptyDataError:
        raise BadInput(f"{name} is empty") from None
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        zlib.error,
        pandas.errors.ParserWarning,
    ) as error:
        raise _unreadable(name, error) from None
    except Exception as error:
        # Libraries of compressed and of spreadsheet files have errors of their own.
        if type(error).__module__.split(".")[0] not in ("zstd", "zipfile", "zstandard"):
            raise
        raise _unreadable(name, error) from None
    table.notes += note_on_totals(table) if len(table.typed) else []
    for frame in (table.typed, table.cells):
        frame.columns = [str(column) for column in frame.columns]
    return table


def _unreadable(name, error):
    reason = " ".join(str(error).split()) or type(error).__name__
    return BadInput(f"cannot read {name}: {reason}")


def _content(path, file_format):
    """Return the decompressed bytes of a file, and its format."""
    if str(path) == STDIN:
        # What it holds, and takes when it is parsed, is known only at its end.
        content = read_checked(
            sys.stdin.buffer, partial(check_parsed, "standard input", factor=1)
        )
        of_name, compression = "", ""
        for magic, of in MAGIC.items():
            if content.startswith(magic):
                compression = of
        if not compression and _format_of(content) not in COLUMNAR:
            check_parsed("standard input", len(content))
    else:
        path = Path(path)
        if file_format == AUTO:
            check_name(path)
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise BadInput(f"{path} {what}")
        _, of_name, compression = split_name(path.name)
        if not of_name or of_name not in COLUMNAR + SPREADSHEETS:
            check_parsed(path.name, path.stat().st_size)
        content = path.read_bytes()
    if file_format != AUTO:
        of_name = f".{file_format}"
    if compression == ".zip" and not of_name:
        of_name = _spreadsheet_in_zip(content)
    if compression and of_name not in SPREADSHEETS:
        name = getattr(path, "name", "standard input")
        content, member = decompressed(name, content, compression)
        if member is not None and not of_name:
            _, of_name, _ = split_name(member)
    return content, of_name or _format_of(content)


def _spreadsheet_in_zip(content):
    names = {info.filename for info in zip_members(content)}
    if "xl/workbook.xml" in names:
        return ".xlsx"
    return ".ods" if "content.xml" in names else ""


def _format_of(content):
    if content.startswith(b"PAR1"):
        return ".parquet"
    if content.startswith((b"ARROW1", b"FEA1")):
        return ".feather"
    return ".jsonl" if content.lstrip()[:1] == b"{" else ".csv"


def _together(paths, tables):
    """Put the rows of several files below each other."""
    pandas = import_pandas()
    first = tables[0]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        missing = set(first.typed.columns) ^ set(table.typed.columns)
        if missing:
            raise BadInput(
                f"{paths[0]} and {path} have different columns: {sorted(missing)[0]!r} "
                "is in one of them only"
            )
    columns = list(first.typed.columns)
    if isinstance(first.file, ColumnarFile):
        _check_types(paths, tables, columns)
    typed, cells = (
        pandas.concat([frame[columns] for frame in frames], ignore_index=True)
        for frames in ([t.typed for t in tables], [t.cells for t in tables])
    )
    names = np.repeat([str(path) for path in paths], [len(t.typed) for t in tables])
    notes = [
        f"{path}: {note}"
        for path, table in zip(paths, tables, strict=True)
        for note in table.notes
    ]
    return replace(
        first,
        typed=typed,
        cells=cells,
        lines=np.concatenate([table.lines for table in tables]),
        file=first.file.joined([table.file for table in tables[1:]], cells),
        notes=notes,
        files=names,
    )


def _check_types(paths, tables, columns):
    """Refuse files that store the values of a column as different types."""
    pandas = import_pandas()
    for column in columns:
        known = {}
        for path, table in zip(paths, tables, strict=True):
            values = table.typed[column]
            if not values.notna().any():
                continue
            kind = pandas.api.types.is_numeric_dtype(values.dtype)
            known.setdefault(kind, (path, values.dtype))
        if len(known) == 2:
            (one, a), (other, b) = known.values()
            raise BadInput(
                f"{one} and {other} have different types in column {column!r}, {a} and "
                f"{b}: write the parts with one of them"
            )
