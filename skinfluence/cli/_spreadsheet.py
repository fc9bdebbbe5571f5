"""Protection against formulas in tables that are opened in a spreadsheet."""

import re

# Spreadsheets evaluate texts that begin with these characters, Japanese ones also with
# full-width characters; some ignore white space before them.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


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
