"""Short fingerprints of rows, by which verdicts recognise the rows they belong to."""

import hashlib

from skinfluence.cleaning.review._verdicts import plain_text

# Two rows agree by chance with a probability of 2^-32. The letter in front keeps
# spreadsheets from reading a number.
N_DIGITS = 8
LETTER = "r"


def row_checks(cells, rows):
    """Return a fingerprint of each of some rows, from all their cells.

    They stay the same if a spreadsheet saves the table: numbers are compared by value,
    texts without case and surrounding spaces.

    Parameters
    ----------
    cells : DataFrame
        As `Table.cells` has them.
    rows : sequence of int
        Positions.

    Examples
    --------
    >>> import pandas as pd
    >>> from skinfluence.cli._row_checks import row_checks
    >>> one, other = row_checks(pd.DataFrame({"a": ["1.50", "1.5"], "b": "x"}), [0, 1])
    >>> one == other, len(one)
    (True, 9)
    """
    lines = cells.iloc[list(rows)].itertuples(index=False, name=None)
    return [_check(line) for line in lines]


def _check(cells):
    text = "\x1f".join(_plain(cell) for cell in cells)
    return LETTER + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:N_DIGITS]


def _plain(cell):
    missing = cell is None or (isinstance(cell, float) and cell != cell)
    return "" if missing else plain_text(str(cell))
