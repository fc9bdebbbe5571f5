"""Protection against formulas in tables that are opened in a spreadsheet."""

import re

from skinfluence.cli.tables._number_marks import SPACES, UNIT

# Spreadsheets evaluate texts that begin with these characters, Japanese ones also with
# full-width characters; some ignore white space before them.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
# Numbers with any marks, and a unit behind: "-1,256", "-1 499,5", "-12.6%", "-3 €".
NUMBER = re.compile(
    rf"[+-]?(?:(?:\d{{1,3}}(?:[.,'{SPACES}]\d{{3}})+|\d+)(?:[.,]\d*)?|[.,]\d+)"
    rf"(?:[eE][+-]?\d+)?(?:[{SPACES}]?{UNIT})?"
)


def without_formulas(frame):
    """Put a quote before every text that a spreadsheet would evaluate.

    Parameters
    ----------
    frame : DataFrame
        Numbers, and texts that are numbers, are not changed.

    Returns
    -------
    frame : DataFrame
        A copy.
    """
    frame = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind not in "biuf":
            frame[name] = [_quoted(value) for value in frame[name]]
    return frame


def _quoted(value):
    runs = isinstance(value, str) and FORMULA.match(value)
    return f"'{value}" if runs and not NUMBER.fullmatch(value) else value
