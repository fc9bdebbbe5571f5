"""Tables that people open in a spreadsheet, where some texts are formulas."""

import re

# Spreadsheets run what begins so, full-width signs of Japanese ones too; some of them
# drop white space before it.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def without_formulas(frame):
    """Put a quote before every text that a spreadsheet would run.

    Parameters
    ----------
    frame : DataFrame
        Its numbers, and texts that are numbers, stay as they are.

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
