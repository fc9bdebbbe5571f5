"""Checks of the bytes of a table before it is parsed: their number, and NUL bytes."""

import gzip
import io
from pathlib import Path

from skinfluence._memory import check_memory, memory_size

# gzip compresses tables of numbers by a factor of 2 to 5, and by at most 1,030. Files
# near this limit are made to fill the memory, unless they are small.
MAX_FACTOR = 100
ALWAYS_ALLOWED = 2**26
# The table is held as text and as numbers. For floats of six digits this took 6 times
# the size of the file, in addition to the memory of the analysis.
PARSED_FACTOR = 8
MAX_COLUMNS = 100_000
CHUNK = 2**20


class BadTable(ValueError):
    """The bytes are not a table that can be read."""


def csv_source(path, separator):
    """Return the input of a CSV parser: a path, or a stream of decompressed bytes.

    Parameters
    ----------
    path : Path
        A CSV file, possibly compressed by gzip.
    separator : str
        Separator of values.

    Raises
    ------
    BadTable
        For a file that decompresses to more than ``MAX_FACTOR`` times its size, has
        more than ``MAX_COLUMNS`` columns, or holds NUL bytes.
    MemoryError
        If the table would exceed the available memory, before it is read.
    """
    if path.suffix.lower() != ".gz":
        _check_parsed(path, path.stat().st_size)
        with open(path, "rb") as file:
            _scan(file, separator)
        return path
    content = _decompressed(path)
    _scan(content, separator)
    content.seek(0)
    return content


def check_parquet(path):
    """Raise for a Parquet file of too many columns, or too large for the memory."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        metadata = file.metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        n_bytes = sum(group.total_byte_size for group in groups)
    if metadata.num_columns > MAX_COLUMNS:
        _refuse_columns(metadata.num_columns)
    # A column that repeats one value takes almost no space in the file.
    cells = metadata.num_rows * metadata.num_columns
    _check_parsed(path, max(n_bytes, 8 * cells), factor=3)


def _decompressed(path):
    allowed = max(ALWAYS_ALLOWED, MAX_FACTOR * path.stat().st_size)
    content = io.BytesIO()
    with gzip.open(path) as file:
        while chunk := file.read(CHUNK):
            content.write(chunk)
            if content.tell() > allowed:
                raise BadTable(
                    f"it decompresses to more than {memory_size(allowed)}, "
                    f"{MAX_FACTOR} times its size; if that is what you expect, "
                    "decompress it yourself"
                )
            _check_parsed(path, content.tell())
    content.seek(0)
    return content


def _check_parsed(path, n_bytes, factor=PARSED_FACTOR):
    check_memory(
        factor * n_bytes,
        f"The table {Path(path).name}, {memory_size(n_bytes)} of data,",
        "Use a sample of its rows, or fewer columns.",
    )


def _scan(file, separator):
    """Raise for NUL bytes, and for too many columns."""
    n_columns, in_header, start = 1, True, 0
    while chunk := file.read(CHUNK):
        place = chunk.find(b"\0")
        if place >= 0:
            raise BadTable(
                f"it holds a NUL byte (byte {start + place}) and is not text: save "
                "it as CSV in UTF-8"
            )
        if in_header:
            header, newline, _ = chunk.partition(b"\n")
            n_columns += header.count(separator.encode())
            in_header = not newline
            if n_columns > MAX_COLUMNS:
                _refuse_columns(n_columns)
        start += len(chunk)


def _refuse_columns(n_columns):
    raise BadTable(
        f"it has {n_columns} columns or more, at most {MAX_COLUMNS} are supported: "
        "choose the columns to predict from"
    )
