"""The verdicts of a reviewer, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np

from skinfluence._shown import shown

VERDICTS = ("keep", "drop", "relabel", "unsure")
COLUMNS = ("row", "verdict", "value", "note", "given")


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a reviewer.

    Attributes
    ----------
    rows : ndarray of int, shape (n_verdicts,)
        Positions in the table, each once.
    verdicts : ndarray of str, shape (n_verdicts,)
        "keep", "drop", "relabel" or "unsure".
    values : list
        New targets of relabelled rows; "" for other verdicts.
    notes : list of str
        Notes of the reviewer.
    given : list
        Targets of the rows that were reviewed; "" where they are not known.
    """

    rows: np.ndarray
    verdicts: np.ndarray
    values: list
    notes: list
    given: list

    def of(self, *verdicts):
        """Return the rows with one of some verdicts."""
        return self.rows[np.isin(self.verdicts, verdicts)]


def read_columns(verdicts, name="verdicts"):
    """Return the columns of a table of verdicts, the rows without a verdict left out.

    Parameters
    ----------
    verdicts : DataFrame, dict or sequence of dict
        With columns ``row`` and ``verdict``, and ``value``, ``note`` and ``given``
        where they are needed.
    name : str, default="verdicts"
        Name of the table, for errors.

    Returns
    -------
    columns : dict of str to list
        All `COLUMNS`; missing cells are "".
    """
    if isinstance(verdicts, list | tuple) and all(
        isinstance(line, Mapping) for line in verdicts
    ):
        names = {name for line in verdicts for name in line}
        verdicts = {n: [line.get(n, "") for line in verdicts] for n in names}
        verdicts = verdicts or {"row": [], "verdict": []}
    if not hasattr(verdicts, "keys") or not hasattr(verdicts, "__getitem__"):
        raise TypeError(
            "The 'verdicts' parameter must be a table with columns "
            f"{', '.join(COLUMNS)}: a DataFrame, a dict of columns or a list of "
            f"dicts. Got {type(verdicts).__name__}. A file is read with "
            "pandas.read_csv(path, keep_default_na=False)."
        )
    names = set(verdicts.keys())
    for column in COLUMNS[:2]:
        if column not in names:
            raise ValueError(
                f"{name} has no column {column!r}: verdicts have {', '.join(COLUMNS)}"
            )
    columns = {n: list(verdicts[n]) for n in COLUMNS if n in names}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(
            "The columns of 'verdicts' must have equal lengths. Got "
            + ", ".join(f"{n}: {len(c)}" for n, c in columns.items())
            + "."
        )
    columns = {n: ["" if _missing(v) else v for v in c] for n, c in columns.items()}
    empty = [""] * lengths.pop()
    columns = {n: columns.get(n, empty) for n in COLUMNS}
    made = [str(v).strip() != "" for v in columns["verdict"]]
    return {n: list(compress(columns[n], made)) for n in COLUMNS}


def _missing(value):
    if value is None or isinstance(value, str | int | np.integer):
        return value is None
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA, and arrays
        return np.ndim(value) == 0


def check_verdicts(columns, n_rows, where=None):
    """Check verdicts as far as that is possible without the table.

    Parameters
    ----------
    columns : dict of str to list
        As `read_columns` returns.
    n_rows : int
        Rows of the table that was reviewed.
    where : callable, default=None
        Returns the place of a verdict, from its position, for errors.

    Returns
    -------
    verdicts : Verdicts

    Raises
    ------
    ValueError
        For rows that the table does not have, unknown verdicts, two verdicts on a row,
        and rows that are relabelled without a value.
    """
    where = where or (lambda i: f"verdicts, entry {i}")
    rows = np.empty(len(columns["row"]), dtype=np.int64)
    names = np.empty(len(rows), dtype=object)
    values, first = [], {}
    for i, (row, verdict, value) in enumerate(
        zip(columns["row"], columns["verdict"], columns["value"], strict=True)
    ):
        rows[i], names[i] = _row(row, n_rows, where, i), str(verdict).strip().lower()
        if names[i] not in VERDICTS:
            raise ValueError(
                f"{where(i)}: verdict must be one of {', '.join(VERDICTS)}, not "
                f"{shown(verdict)!r}"
            )
        if names[i] == "relabel" and str(value).strip() == "":
            raise ValueError(
                f"{where(i)}: relabel needs a value: write one, or make it drop or "
                "unsure"
            )
        values.append(value if names[i] == "relabel" else "")
        same = first.setdefault(rows[i], i)
        if same != i:
            how = "twice"
            if (names[same], str(values[same])) != (names[i], str(values[i])):
                how = f"as {_words(names, values, same)} and {_words(names, values, i)}"
            raise ValueError(
                f"{where(i)}: row {rows[i]} is decided on more than once, {how} (first "
                f"at {where(same)}): leave one of the two"
            )
    notes, given = list(map(str, columns["note"])), list(columns["given"])
    return Verdicts(rows, names, values, notes, given)


def _words(names, values, i):
    return f"{names[i]} {shown(values[i])}".strip()


def _row(row, n_rows, where, i):
    try:
        number = float(row)
        good = number.is_integer() and 0 <= number < n_rows
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            f"{where(i)}: row must be a position in the table, 0 to {n_rows - 1}, not "
            f"{shown(row)!r}: rows are counted from 0, without the header"
        )
    return int(number)


def check_given(verdicts, targets, complaint):
    """Refuse verdicts on other rows than those of a table.

    Parameters
    ----------
    verdicts : Verdicts
    targets : sequence
        Targets of the table.
    complaint : callable
        Makes the message from the position of a verdict, and the target here and the
        one that was reviewed.
    """
    for i, (row, given) in enumerate(zip(verdicts.rows, verdicts.given, strict=True)):
        given, here = str(given), str(targets[row])
        if given in ("", here):  # nearly all are, and comparing what is shown is slow
            continue
        if not same_text(shown(given), shown(here)):
            raise ValueError(complaint(i, shown(here), shown(given)))


def same_text(one, other):
    """Tell whether texts are equal, also after a spreadsheet has saved one of them.

    Examples
    --------
    >>> from skinfluence.cleaning.review._verdicts import same_text
    >>> same_text("1.50", "1.5"), same_text("TRUE", "True"), same_text("a", "b")
    (True, True, False)
    """
    return plain_text(one) == plain_text(other)


def plain_text(text):
    """Return a text in a form that stays the same when a spreadsheet saves it."""
    try:
        return str(float(text) + 0.0)  # no minus before a zero
    except ValueError:
        return text.strip().lower()
