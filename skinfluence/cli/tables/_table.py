"""A table that was read, and how to write one like it."""

from dataclasses import dataclass, field

import numpy as np

AUTO = "auto"


@dataclass(frozen=True)
class Reading:
    """How a file is read; "auto" is guessed from the file.

    Attributes
    ----------
    file_format : str
        "csv", "jsonl", "xlsx" and so on; "auto" goes by the name.
    separator, decimal, thousands, encoding : str
        Encoding of texts.
    header : {"auto", "yes", "no"}
        Whether the first row names the columns.
    sheet : str or None
        Sheet of a spreadsheet; the first by default.
    target : str or None
        A name that some column has: a first row that holds it is a header.
    """

    file_format: str = AUTO
    separator: str = AUTO
    decimal: str = AUTO
    thousands: str = AUTO
    encoding: str = AUTO
    header: str = AUTO
    sheet: str | None = None
    target: str | None = None


@dataclass
class Table:
    """A table that was read.

    Attributes
    ----------
    typed : DataFrame
        Numbers are numbers here.
    cells : DataFrame
        The same rows as they are written: as texts, where the file is one.
    lines : ndarray of int, shape (n_rows,)
        Number of the row that a spreadsheet shows; lines of the file for JSON.
    file : object
        Writes tables as this one was written: ``encode(frame)`` returns the bytes of
        any frame, ``records(positions)`` those of rows as they came, or None.
    notes : list of str
        Notes on guesses, with the options that override them.
    files : ndarray of str or None
        Name of the file of each row, where there are several.
    """

    typed: object
    cells: object
    lines: np.ndarray
    file: object
    notes: list = field(default_factory=list)
    files: np.ndarray | None = None

    def place(self, row):
        """Return the place of a row, for messages.

        Parameters
        ----------
        row : int
            Its position in the file.

        Returns
        -------
        place : str
        """
        line = f"line {self.lines[row]}"
        return line if self.files is None else f"{self.files[row]}, {line}"


def column_names(n_columns):
    """Name the columns of a table that does not."""
    return [f"column_{i + 1}" for i in range(n_columns)]
