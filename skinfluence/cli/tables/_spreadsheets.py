"""Spreadsheets: a sheet of an Excel workbook or of an OpenDocument file."""

import io
import re
import zipfile
from dataclasses import dataclass

import numpy as np

from skinfluence._shown import shown
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.tables._above_header import MOST_ABOVE, say_above
from skinfluence.cli.tables._bounds import check_decompressed, check_n_columns
from skinfluence.cli.tables._codes import keep_codes
from skinfluence.cli.tables._compression import zip_members
from skinfluence.cli.tables._dates import texts_to_dates
from skinfluence.cli.tables._dialects import N_RECORDS, looks_like_data
from skinfluence.cli.tables._number_marks import (
    NumberMarks,
    are_codes,
    guess_marks,
    say_marks,
    texts_to_numbers,
)
from skinfluence.cli.tables._table import AUTO, Table, column_names

# A formula in the XML of a sheet of Excel, or of OpenDocument.
FORMULA = re.compile(rb"<f[ />]|table:formula=")
ENGINES = {".xlsx": "openpyxl", ".ods": "odf"}
# Texts that pandas takes for missing values in every format.
NO_VALUE = {"#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan"}
NO_VALUE |= {"1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None"}
NO_VALUE |= {"n/a", "nan", "null"}


@dataclass
class SpreadsheetFile:
    """How tables are written as a sheet.

    Attributes
    ----------
    file_format, sheet : str
    header : bool
        Whether the first row names the columns.
    above : DataFrame or None
        The rows above it.
    columns : tuple of str
        Of the table that was read, above which alone it stands again.
    """

    file_format: str
    sheet: str = "Sheet1"
    header: bool = True
    above: object = None
    columns: tuple = ()

    def joined(self, others, frame):
        """Return how several files together are written."""
        return self

    def encode(self, frame):
        """Return a table as the bytes of a file with one sheet."""
        pandas = import_pandas()
        content = io.BytesIO()
        engine, header = _engine(self.file_format), self.header
        if self.above is not None and set(self.columns) <= set(frame.columns):
            frame, header = _below(self.above, frame), False
        with pandas.ExcelWriter(content, engine=engine) as writer:
            frame.to_excel(writer, sheet_name=self.sheet, index=False, header=header)
            if engine == "openpyxl":
                _write_texts_as_texts(writer.sheets[self.sheet])
        return content.getvalue()

    def records(self, positions, changed=None):
        """Return None: there are no lines."""


def read_spreadsheet(name, content, reading, file_format):
    """Read a sheet; see `read_delimited`."""
    pandas = import_pandas()
    n_bytes = sum(info.file_size for info in zip_members(content))
    check_decompressed(name, n_bytes, len(content))
    with pandas.ExcelFile(io.BytesIO(content), engine=_engine(file_format)) as book:
        sheet = _sheet(name, book, reading)
        # Cells are written again as they came, "NA" as well.
        raw = pandas.read_excel(
            book,
            sheet_name=sheet,
            header=None,
            dtype=object,
            keep_default_na=False,
            na_values=[""],
        )
    notes = []
    n_sheets = len(book.sheet_names)
    if n_sheets > 1 and reading.sheet is None:
        which = "" if sheet == book.sheet_names[0] else " with the target"
        notes.append(
            f"read sheet {shown(sheet)!r}, the first{which} of {n_sheets} (--sheet)"
        )
    if _has_formulas(content):
        notes.append(
            "formulas are read as the values that the spreadsheet stored, and written "
            "as values"
        )
    raw = raw.dropna(axis=1, how="all")
    filled = raw.notna().any(axis=1).to_numpy()
    lines, raw = np.flatnonzero(filled) + 1, raw[filled].reset_index(drop=True)
    if raw.empty:
        raise pandas.errors.EmptyDataError("No columns to parse from file")
    check_n_columns(raw.shape[1])
    n_above, above = _n_above_header(raw, reading), None
    if n_above:
        above = raw.iloc[:n_above]
        raw, lines = raw.iloc[n_above:].reset_index(drop=True), lines[n_above:]
        raw = raw.loc[:, raw.notna().any()]
        notes.append(say_above(lines[0]))
    header = _has_header(raw, reading)
    if header:
        names = _distinct(raw.iloc[0])
        raw, lines = raw.iloc[1:].reset_index(drop=True), lines[1:]
    else:
        names = column_names(raw.shape[1])
        notes.append("no header: columns are column_1, column_2, ... (--header)")
    raw.columns = names
    typed = _typed(raw, reading, notes)
    file = SpreadsheetFile(file_format, sheet, header, above, tuple(names))
    return Table(typed, raw, lines, file, notes)


def _below(above, frame):
    """Return a frame of cells: the rows above the header, the names, the rows."""
    pandas = import_pandas()
    names = pandas.DataFrame([frame.columns], dtype=object)
    rows = frame.astype(object).set_axis(range(frame.shape[1]), axis=1)
    above = above.set_axis(range(above.shape[1]), axis=1)
    return pandas.concat([above, names, rows], ignore_index=True)


def _has_formulas(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return any(
            FORMULA.search(archive.read(name))
            for name in archive.namelist()
            if name == "content.xml" or name.startswith("xl/worksheets/")
        )


def _sheet(name, book, reading):
    """Return the sheet asked for, else the first with the target, else the first."""
    sheets, wanted = book.sheet_names, reading.sheet
    if wanted is None:
        if len(sheets) > 1 and reading.target is not None:
            for sheet in sheets:
                top = import_pandas().read_excel(
                    book, sheet_name=sheet, header=None, dtype=object, nrows=MOST_ABOVE
                )
                if any(reading.target in map(str, row) for row in top.to_numpy()):
                    return sheet
        return sheets[0]
    if wanted not in sheets:
        raise BadInput(
            f"{name} has no sheet {wanted!r}; its sheets are "
            f"{', '.join(map(shown, sheets[:10]))}"
        )
    return wanted


def _n_above_header(raw, reading):
    """Return the number of rows above the first that holds the target."""
    if reading.header != AUTO or reading.target is None or raw.shape[1] < 2:
        return 0
    for i, row in enumerate(raw.iloc[:MOST_ABOVE].itertuples(index=False)):
        if reading.target in map(str, row):
            return i
    return 0


def _has_header(raw, reading):
    if reading.header != AUTO or len(raw) < 2 or raw.shape[1] < 2:
        return reading.header != "no"
    first = raw.iloc[: N_RECORDS + 1]
    records = [
        ["" if v is None or v != v else str(v) for v in row]
        for row in first.itertuples(index=False)
    ]
    return reading.target in records[0] or not looks_like_data(
        records, NumberMarks().is_number
    )


def _distinct(first):
    """Return names of columns as texts, each once, as pandas makes them."""
    names, seen = [], {}
    for i, value in enumerate(first):
        name = f"Unnamed: {i}" if value is None or value != value else str(value)
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}.{count}" if count else name)
    return names


def _typed(raw, reading, notes):
    """Return the rows with numbers as numbers; mixed columns become texts."""
    typed = raw.infer_objects()
    texts = {}
    for i in range(typed.shape[1]):
        if typed.iloc[:, i].dtype.kind in "biufmM":
            continue
        cells = raw.iloc[:, i]
        values = [None if v is None or v != v else str(v) for v in cells]
        values = [None if v in NO_VALUE else v for v in values]
        column = np.array(values, dtype=object)
        typed.isetitem(i, column)
        if not are_codes(column):
            texts[i] = column
    notes += keep_codes(typed, raw)
    columns = [[t for t in values if t is not None] for values in texts.values()]
    marks = guess_marks(columns, reading.decimal, reading.thousands)
    said = say_marks(marks)
    notes += [f"read with {', '.join(said)}"] if said else []
    notes += texts_to_numbers(typed, texts, marks) + texts_to_dates(typed, texts)
    return typed


def _engine(file_format):
    engine = ENGINES[file_format]
    try:
        __import__(engine)
    except ImportError:
        raise BadInput(
            f'{file_format} needs {engine}: pip install "skinfluence[spreadsheets]"'
        ) from None
    return engine


def _write_texts_as_texts(sheet):
    """Let no text become a formula, which openpyxl makes of those that begin with =."""
    for row in sheet.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                cell.data_type = "s"
