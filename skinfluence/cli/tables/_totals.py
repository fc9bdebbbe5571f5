"""Rows of totals: the last row of a table may be the sum of all others."""

import re

import numpy as np

from skinfluence._shown import shown

WORDS = re.compile(
    r"(grand |sub-?)?totals?|sums?|summe|gesamt(summe)?|insgesamt|suma|totale"
    r"|average|mean|mittelwert|moyenne|media|promedio",
    re.IGNORECASE,
)
# Of a sum whose parts have been rounded, relative to the sum of their sizes.
ROUNDING = 1e-3
# Columns of fewer rows are sums by chance: of two rows, say, one of which is zero.
MIN_ROWS = 5


def note_on_totals(table):
    """Note that the last row seems to be a total; it is not left out.

    A row of totals has a cell that says so, or numbers that are the sums of all rows
    above in at least two columns.

    Parameters
    ----------
    table : Table
        Table that was read.

    Returns
    -------
    notes : list of str
        One or none.
    """
    typed, cells = table.typed, table.cells
    if len(typed) <= MIN_ROWS:
        return []
    said = [
        text
        for i, text in enumerate(cells.iloc[-1])
        if isinstance(text, str)
        and WORDS.fullmatch(text.strip().rstrip(":"))
        and not (cells.iloc[:-1, i] == text).any()  # a category as others
    ]
    if said:
        why = f"says {shown(said[0], 20)!r}"
    elif sum(_is_sum(typed.iloc[:, i]) for i in range(typed.shape[1])) > 1:
        why = "holds the sums of the rows above"
    else:
        return []
    return [
        f"line {table.lines[-1]}, the last, {why} and is taken for a row like others: "
        "delete it if it is a total"
    ]


def _is_sum(column):
    if column.dtype.kind not in "iuf":
        return False
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    above, last = values[:-1][~np.isnan(values[:-1])], values[-1]
    size = np.abs(above).sum()
    return (
        np.count_nonzero(above) >= MIN_ROWS
        and abs(above.sum() - last) <= ROUNDING * size
        and abs(last) > np.abs(above).max()
    )
