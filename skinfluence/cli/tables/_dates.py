"""Dates in texts: those that can be read in one way only."""

import re

from skinfluence._shown import shown
from skinfluence.cli._libraries import import_pandas

TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
ISO = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}{TIME}")
# Day and month, in either order, with the mark between them.
OTHER = re.compile(rf"(\d{{1,2}})([./])(\d{{1,2}})\2\d{{4}}{TIME}")


def texts_to_dates(typed, texts):
    """Convert columns of dates, in place.

    With points the day comes first, with slashes whatever some date shows; where none
    does the column stays a text.

    Parameters
    ----------
    typed : DataFrame
        Typed columns, changed in place.
    texts : dict of int to ndarray of object
        Columns, by position, as texts; None where a value is missing.

    Returns
    -------
    notes : list of str
        Which order was taken, and which columns of dates could be read in two ways, or
        not at all.
    """
    notes = []
    for i, values in texts.items():
        if typed.iloc[:, i].dtype.kind in "biufmM":
            continue
        present = [text.strip() for text in values if text is not None]
        name = shown(typed.columns[i])
        if not present:
            continue
        none = f"{name} holds a date that does not exist: taken for text; correct it"
        if all(map(ISO.fullmatch, present)):
            notes += [] if _set(typed, i, values, yearfirst=True) else [none]
            continue
        found = [OTHER.fullmatch(text) for text in present]
        if not all(m or ISO.fullmatch(t) for t, m in zip(present, found, strict=True)):
            continue
        marks = {match and match[2]: t for t, match in zip(present, found, strict=True)}
        if len(marks) > 1:
            some = " and ".join(f"{shown(text, 20)!r}" for text in marks.values())
            notes.append(
                f"{name} holds dates of several forms, {some}, say: taken for text; "
                "write all alike to have them read"
            )
            continue
        orders = _orders(found)
        if len(orders) == 1:
            order = orders.pop()
            dates = _set(typed, i, values, dayfirst=order == "day")
            notes.append(f"{name} is read as dates, {order} first" if dates else none)
        elif orders:
            notes.append(
                f"{name} holds dates with day or month first, {present[0]!r}, say: "
                "taken for text"
            )
        elif all(_orders([match]) for match in found):
            notes.append(
                f"{name} holds some dates with the day first and some with the month "
                "first: taken for text; write all alike to have them read"
            )
        else:
            notes.append(none)
    return notes


def _orders(found):
    """Return which of day and month may come first."""
    if found[0][2] == ".":
        return {"day"}
    orders = set()
    if all(int(match[3]) <= 12 for match in found):
        orders.add("day")
    if all(int(match[1]) <= 12 for match in found):
        orders.add("month")
    return orders


def _set(typed, i, values, **order):
    """Set a column to dates, unless one of them does not exist."""
    pandas = import_pandas()
    column = pandas.Series(values, index=typed.index)
    try:
        typed.isetitem(i, pandas.to_datetime(column, format="mixed", **order))
    except ValueError:
        return False
    return True
