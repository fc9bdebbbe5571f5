"""``NA`` among codes of two letters is the code of Namibia, and no missing value."""

import re

from skinfluence._counts import counted
from skinfluence._shown import shown

CODE = re.compile(r"[A-Z]{2}")
NAMIBIA = "NA"
# Fewer codes may be anything: PM beside AM, and NA where neither was written.
MIN_CODES = 3


def keep_codes(typed, cells):
    """Set ``NA`` as a value where all others are codes of two letters, in place.

    Parameters
    ----------
    typed : DataFrame
        Typed columns, changed in place.
    cells : DataFrame
        The same columns as texts.

    Returns
    -------
    notes : list of str
        Names the columns.
    """
    notes = []
    for i in range(typed.shape[1]):
        column = typed.iloc[:, i]
        if column.dtype.kind in "biufmM":
            continue
        lost = column.isna().to_numpy() & (cells.iloc[:, i] == NAMIBIA).to_numpy()
        codes = set(column.dropna())
        if not lost.any() or len(codes) < MIN_CODES:
            continue
        if all(isinstance(code, str) and CODE.fullmatch(code) for code in codes):
            kept = column.astype(object)
            kept[lost] = NAMIBIA
            typed.isetitem(i, kept.astype(column.dtype))
            notes.append(
                f"{shown(column.name)} holds codes of two letters: NA, in "
                f"{counted(lost.sum(), 'row')}, is taken for one of them"
            )
    return notes
