"""Delimited text: CSV with any separator, quote, encoding and marks of numbers."""

import csv
import io
import re
import warnings
from dataclasses import dataclass, replace

import numpy as np

from skinfluence._shown import shown
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._libraries import import_pandas
from skinfluence.cli.tables._above_header import (
    above_header,
    say_above,
    told_separator,
    too_long,
    unclosed,
)
from skinfluence.cli.tables._bounds import BadTable, check_n_columns
from skinfluence.cli.tables._codes import keep_codes
from skinfluence.cli.tables._dates import texts_to_dates
from skinfluence.cli.tables._dialects import (
    Dialect,
    looks_like_data,
    numbered_records,
    sample_records,
    separator_and_quote,
)
from skinfluence.cli.tables._encodings import (
    Encoding,
    guess_encoding,
    named_encoding,
)
from skinfluence.cli.tables._number_marks import (
    N_SAMPLE,
    NumberMarks,
    guess_marks,
    may_be_groups,
    say_marks,
    texts_to_numbers,
)
from skinfluence.cli.tables._table import AUTO, Table, column_names

SEPARATOR_NAMES = {"\t": "tab"}
PLAIN = NumberMarks()


@dataclass
class DelimitedFile:
    """How tables are written as delimited text.

    Attributes
    ----------
    dialect : Dialect
    encoding : Encoding
    marks : NumberMarks
    content : bytes or None
        UTF-8 of the text that was read.
    frame : DataFrame or None
        Texts that were read.
    above : bytes
        The lines above the header, in UTF-8.
    """

    dialect: Dialect
    encoding: Encoding = Encoding()
    marks: NumberMarks = NumberMarks()
    content: bytes | None = None
    frame: object = None
    above: bytes = b""

    def joined(self, others, frame):
        """Return how several files together are written.

        Their rows stay as they came where all are written in the same manner.
        """
        manner = self._manner()
        if any(file._manner() != manner for file in others):
            return replace(self, content=None, frame=frame)
        records = self._records()
        for file in others:
            records += file._records()[1:]
        content = b"".join(
            r if r.endswith((b"\n", b"\r")) or not r else r + b"\n" for r in records
        )
        return replace(self, content=content, frame=frame)

    def _manner(self):
        return self.dialect, self.encoding.name, self.marks, list(self.frame.columns)

    def encode(self, frame):
        """Return a table as bytes.

        What stood above the header stands there again where all columns of the table
        that was read are, and not above another table.
        """
        text = self._text(frame, self.dialect.header)
        if self.frame is not None and set(self.frame.columns) <= set(frame.columns):
            text = self.above.decode() + text
        return self.encoding.encode(text)

    def _text(self, frame, header):
        """Return a table as text.

        Texts with a carriage return would end their line unless they are quoted, which
        pandas does not see to: then all are.
        """
        texts = [name for name in frame if frame[name].dtype.kind not in "biufmM"]
        returns = any("\r" in str(name) for name in frame.columns) or any(
            "\r" in value
            for name in texts
            for value in frame[name]
            if isinstance(value, str)
        )
        return frame.to_csv(
            index=False,
            header=header,
            sep=self.dialect.separator,
            quotechar=self.dialect.quote,
            quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
            decimal=self.marks.decimal,
            lineterminator="\n",
        )

    def records(self, positions, changed=None):
        """Return rows as they came, after the header if there is one.

        Parameters
        ----------
        positions : ndarray of int
            Which rows.
        changed : DataFrame, default=None
            Rows that did not stay as they came, by position.

        Returns
        -------
        content : bytes or None
            None where the records of the text cannot be told apart with certainty.
        """
        if self.content is None:
            return None
        expected = self.frame
        try:
            header, *records = self._records()
            if changed is not None and len(changed):
                expected = expected.copy()
                expected.loc[changed.index] = changed
                for i, row in changed.iterrows():
                    end = _line_end(records[i])
                    records[i] = self._text(row.to_frame().T, False).encode()[:-1] + end
            content = b"".join([header, *(records[i] for i in positions)])
            again = _parsed(content, self.dialect, dtype=str, keep_default_na=False)
        except (IndexError, ValueError):
            return None
        again.columns = self.frame.columns
        if not again.equals(expected.iloc[positions].reset_index(drop=True)):
            return None
        return self.encoding.encode((self.above + content).decode())

    def number(self, value):
        """Return the text of a number."""
        return str(value).replace(".", self.marks.decimal)

    def _records(self):
        """Return the header (b"" if there is none) and the rows, each as bytes."""
        records = [record for record, _ in numbered_records(self.content, self.dialect)]
        return records if self.dialect.header else [b"", *records]


def default_file(separator=","):
    """Return how a table is written that is not like one that was read."""
    return DelimitedFile(Dialect(separator))


def read_delimited(name, content, reading, separator=","):
    """Read a delimited text.

    Parameters
    ----------
    name : str
        Name of the file.
    content : bytes
        Decompressed.
    reading : Reading
        How it is read.
    separator : str
        Separator by the name of the file; a tab is certain.

    Returns
    -------
    table : Table
    """
    encoding, content = _in_utf_8(content, reading.encoding)
    _check_text(content, encoding)
    if reading.separator == AUTO:
        reading = replace(reading, separator=told_separator(content) or AUTO)
    above, n_above = above_header(content, reading, separator)
    content = content[len(above) :]
    dialect, plain = _dialect(content, reading, separator)
    if dialect.header:
        first = re.split(rb"[\r\n]", content, maxsplit=1)[0]
        check_n_columns(first.count(dialect.separator.encode()))
    pandas = import_pandas()
    try:
        typed = _parsed(content, dialect, low_memory=False)
    except (pandas.errors.ParserError, pandas.errors.ParserWarning) as error:
        raise (
            too_long(content, dialect, n_above)
            or unclosed(error, content, dialect, n_above)
            or error
        ) from None
    # Read again as text: 007 and 1.50 must leave as they came.
    cells = _parsed(content, dialect, dtype=str, keep_default_na=False)
    said_codes = keep_codes(typed, cells)
    marks, notes = _read_numbers(typed, cells, reading)
    file = DelimitedFile(dialect, encoding, marks, content, cells, above)
    said = _said(file, plain)
    if n_above > int(told_separator(above) is not None):
        said.append(say_above(n_above + 1))
    lines = _lines(content, dialect, len(cells)) + n_above
    return Table(typed, cells, lines, file, said + said_codes + notes)


def _in_utf_8(content, name):
    encoding = (
        guess_encoding(content) if name == AUTO else named_encoding(name, content)
    )
    if encoding.name == "utf-8":
        encoding.decode(content)  # or raise
        return encoding, content.removeprefix(encoding.mark)
    return encoding, encoding.decode(content).encode()


def _check_text(content, encoding):
    place = content.find(b"\0")
    if place >= 0:
        what = "byte" if encoding.name == "utf-8" else "place"
        raise BadTable(
            f"it holds a NUL byte ({what} {place}) and is not text: save it as CSV "
            "in UTF-8"
        )


def _dialect(content, reading, separator):
    """Return the dialect, and whether its header is beyond doubt."""
    text = content[: 2**20].decode(errors="ignore")
    separator, quote = separator_and_quote(text, reading, separator)
    records = sample_records(text, separator, quote)
    if reading.header != AUTO or len(records) < 2 or len(records[0]) < 2:
        return Dialect(separator, quote, reading.header != "no"), True
    named = reading.target in records[0]
    data = looks_like_data(records, PLAIN.is_number)
    if data and named and PLAIN.is_number(reading.target):
        raise BadInput(
            f"{shown(reading.target)!r} is in the first row, which looks like data: "
            "say --header yes or --header no"
        )
    return Dialect(separator, quote, named or not data), named or not data


def _parsed(content, dialect, **options):
    """Parse UTF-8 with pandas; rows longer than the header are an error, not an index.

    Where rows have one value more than the header, pandas would take the first for an
    index; told not to, it drops the last and warns.
    """
    pandas = import_pandas()
    header = 0 if dialect.header else None
    with warnings.catch_warnings():
        # As text, also the empty ones behind separators at the ends of lines count.
        kind = "ignore" if "dtype" in options else "error"
        warnings.simplefilter(kind, pandas.errors.ParserWarning)
        frame = pandas.read_csv(
            io.BytesIO(content),
            sep=dialect.separator,
            quotechar=dialect.quote,
            index_col=False,
            header=header,
            **options,
        )
    if not dialect.header:
        frame.columns = column_names(frame.shape[1])
    return frame


def _read_numbers(typed, cells, reading):
    """Turn columns of numbers that pandas took for others into numbers, in place."""
    kinds = [typed.iloc[:, i].dtype.kind for i in range(typed.shape[1])]
    texts = {i: _texts(typed, cells, i) for i, k in enumerate(kinds) if k not in "biu"}
    numbers = [cells.iloc[:N_SAMPLE, i] for i, k in enumerate(kinds) if k in "iu"]
    samples = [[t for t in v[:N_SAMPLE] if t is not None] for v in texts.values()]
    samples += [[t for t in column if t] for column in numbers]
    marks = guess_marks(samples, reading.decimal, reading.thousands)
    # pandas parses columns of plain numbers only.
    asked = {i: v for i, v in texts.items() if kinds[i] != "f" or marks != PLAIN}
    notes = texts_to_numbers(typed, asked, marks) + texts_to_dates(typed, texts)
    if marks.decimal == "." and (reading.decimal, reading.thousands) == (AUTO, AUTO):
        notes += _note_on_points(typed, list(texts), samples)
    return marks, notes


def _note_on_points(typed, positions, samples):
    """Note that points may be marks of thousands, as in much of Europe."""
    columns = [
        (i, texts)
        for i, texts in zip(positions, samples, strict=False)
        if typed.iloc[:, i].dtype.kind == "f" and may_be_groups(texts)
    ]
    if not columns:
        return []
    some = ", ".join(shown(typed.columns[i], 20) for i, _ in columns[:5])
    some += ", ..." if len(columns) > 5 else ""
    text = next(text.strip() for text in columns[0][1] if "." in text)
    return [
        f"{some}: {text!r} is read with a decimal point (--decimal .); --thousands . "
        f"reads it as {text.replace('.', '')}"
    ]


def _line_end(record):
    for end in (b"\r\n", b"\r"):
        if record.endswith(end):
            return end
    return b"\n"


def _texts(typed, cells, i):
    """Return a column as texts; None where a value is missing."""
    values = cells.iloc[:, i].to_numpy(dtype=object).copy()
    values[typed.iloc[:, i].isna().to_numpy()] = None
    return values


def _said(file, plain_header):
    """Note the guesses in one line, if a plain reader would have failed."""
    dialect, marks, said = file.dialect, file.marks, []
    if dialect.separator != ",":
        name = SEPARATOR_NAMES.get(dialect.separator, repr(dialect.separator))
        said.append(f"separator {name} (--separator)")
    if file.encoding.name != "utf-8":
        said.append(f"encoding {file.encoding.name} (--encoding)")
    said += say_marks(marks)
    if dialect.quote != '"':
        said.append(f"quotes {dialect.quote}")
    if not plain_header:
        said.append("no header: columns are column_1, column_2, ... (--header)")
    return [f"read with {', '.join(said)}"] if said else []


def _lines(content, dialect, n_rows):
    """Return the number that a spreadsheet shows for each row."""
    numbers = [number for _, number in numbered_records(content, dialect)]
    numbers = numbers[int(dialect.header) :]
    if len(numbers) == n_rows:
        return np.array(numbers, dtype=np.int64)
    return np.arange(n_rows) + 1 + int(dialect.header)
