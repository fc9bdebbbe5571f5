"""Parquet and Feather."""

import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.tables._bounds import check_n_columns, check_parsed
from skinfluence.cli.tables._nested import notes_on_nested
from skinfluence.cli.tables._table import Table

NAMES = {".parquet": "Parquet", ".feather": "Feather"}
FACTOR = 3


@dataclass
class ColumnarFile:
    """How tables are written column by column."""

    file_format: str

    def joined(self, others, frame):
        """Return how several files together are written."""
        return self

    def encode(self, frame):
        """Return a table as bytes."""
        content = io.BytesIO()
        frame = frame.reset_index(drop=True)
        if self.file_format == ".parquet":
            frame.to_parquet(content, index=False)
        else:
            frame.to_feather(content)
        return content.getvalue()

    def records(self, positions, changed=None):
        """Return None: there are no lines."""


def read_columnar(name, content, reading, file_format):
    """Read Parquet or Feather; see `read_delimited`."""
    pandas = import_pandas()
    try:
        if file_format == ".parquet":
            _check_parquet(name, content)
            typed = pandas.read_parquet(io.BytesIO(content))
        else:
            typed = pandas.read_feather(io.BytesIO(content))
    except ImportError:
        raise BadInput(
            f"{name}: {NAMES[file_format]} needs pyarrow: "
            'pip install "skinfluence[tables]"'
        ) from None
    typed = typed.reset_index(drop=True)
    lines = np.arange(len(typed)) + 2
    plain, nested = _plain(typed)
    notes = notes_on_nested(nested)
    return Table(plain, typed, lines, ColumnarFile(file_format), notes)


def _plain(frame):
    """Return decimals as numbers, days as dates, and lists and objects as texts.

    The names of columns of lists and objects come second.
    """
    pandas, plain, nested = import_pandas(), frame.copy(), []
    for i in range(frame.shape[1]):
        if frame.iloc[:, i].dtype.kind != "O" or frame.iloc[:, i].dtype != object:
            continue
        present = frame.iloc[:, i].notna()
        kinds = {type(value) for value in frame.iloc[:, i][present]}
        if kinds == {Decimal}:
            plain.isetitem(i, frame.iloc[:, i].astype(np.float64))
        elif kinds == {date}:
            plain.isetitem(i, pandas.to_datetime(frame.iloc[:, i], errors="coerce"))
        elif not kinds <= {str, bool}:
            texts = frame.iloc[:, i].map(str).where(present, None)
            plain.isetitem(i, texts.astype(object))
            if kinds & {list, dict, np.ndarray}:
                nested.append(str(frame.columns[i]))
    return plain, nested


def _check_parquet(name, content):
    """Raise for a Parquet file of too many columns, or too large for the memory."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(io.BytesIO(content)) as file:
        metadata = file.metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        n_bytes = sum(group.total_byte_size for group in groups)
    check_n_columns(metadata.num_columns)
    # A column that repeats one value takes no room in the file.
    cells = metadata.num_rows * metadata.num_columns
    check_parsed(name, max(n_bytes, 8 * cells), factor=FACTOR)
