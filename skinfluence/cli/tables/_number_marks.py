"""Numbers as people write them: decimal mark, marks of thousands, units."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skinfluence._shown import shown

SPACES = " \u00a0\u202f\u2009"
# Candidates, the plainest first; each as (decimal mark, mark of thousands).
MARKS = [(".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " ")]
MARKS += [(".", "'"), (",", "'")]
UNIT = "[$€£¥%]"
# A column with a few texts among its numbers is one of numbers, and says so.
MOSTLY = 0.95
N_SAMPLE = 1000


@dataclass(frozen=True)
class NumberMarks:
    """How the numbers of a table are written.

    Attributes
    ----------
    decimal : str
        Between whole and part.
    thousands : str
        Between groups of three digits; " " stands for any space.
    """

    decimal: str = "."
    thousands: str = ""

    @cached_property
    def pattern(self):
        """A compiled expression that matches numbers, and nothing else."""
        whole = r"\d+"
        if self.thousands:
            mark = f"[{re.escape(self._thousands)}]"
            whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)"
        part = rf"(?:{re.escape(self.decimal)}\d*)?"
        number = rf"(?:{whole}{part}|{re.escape(self.decimal)}\d+)(?:[eE][+-]?\d+)?"
        space = f"[{SPACES}]*"
        return re.compile(rf"[+-]?{UNIT}?{space}[+-]?{number}{space}{UNIT}?")

    @property
    def _thousands(self):
        return SPACES if self.thousands == " " else self.thousands

    def is_number(self, text):
        """Tell whether a text is a number."""
        return self.pattern.fullmatch(text.strip()) is not None

    def number(self, text):
        """Return the number that a text says; NaN where it says none."""
        text = text.strip()
        if not self.pattern.fullmatch(text):
            return np.nan
        text = re.sub(f"[{SPACES}$€£¥%]", "", text)
        if self.thousands and self.thousands != " ":
            text = text.replace(self.thousands, "")
        return float(text.replace(self.decimal, "."))


def guess_marks(columns, decimals, thousands):
    """Return the marks under which most columns hold numbers only.

    Parameters
    ----------
    columns : list of list of str
        Texts of the first rows, column by column, without missing ones.
    decimals, thousands : str
        Marks that are known; "auto" where they are not.

    Returns
    -------
    marks : NumberMarks
        Of equally good ones the first of `MARKS`.
    """
    candidates = [
        NumberMarks(decimal, group)
        for decimal, group in MARKS
        if decimals in ("auto", decimal) and thousands in ("auto", group)
    ]
    if not candidates:
        return NumberMarks(
            "." if decimals == "auto" else decimals,
            "" if thousands == "auto" else thousands,
        )

    def n_columns(marks):
        return sum(_mostly_numbers(texts, marks) for texts in columns)

    return max(candidates, key=n_columns)


def _mostly_numbers(texts, marks):
    return len(texts) > 0 and np.mean([marks.is_number(t) for t in texts]) >= MOSTLY


def numbers_of_texts(texts, marks):
    """Return texts as numbers where most of them are numbers.

    Parameters
    ----------
    texts : ndarray of object, shape (n,)
        Texts; None where a value is missing.
    marks : NumberMarks
        How numbers are written.

    Returns
    -------
    numbers : ndarray of float, shape (n,), or None
        None where more than one text of twenty is no number.
    others : list of str
        The texts that are none.
    """
    present = np.array([text is not None for text in texts], dtype=bool)
    if not _mostly_numbers(texts[present][:N_SAMPLE], marks):
        return None, []
    numbers = np.full(len(texts), np.nan)
    numbers[present] = [marks.number(text) for text in texts[present]]
    others = [text for text, x in zip(texts, numbers, strict=True) if text and x != x]
    if len(others) > (1 - MOSTLY) * present.sum():
        return None, []
    return numbers, others


def texts_to_numbers(typed, texts, marks):
    """Turn columns that hold numbers into numbers, in place.

    Parameters
    ----------
    typed : DataFrame
        What is changed.
    texts : dict of int to ndarray of object
        Columns, by position, as texts; None where a value is missing.
    marks : NumberMarks
        How numbers are written.

    Returns
    -------
    notes : list of str
        What was taken as missing.
    """
    notes = []
    for i, values in texts.items():
        numbers, others = numbers_of_texts(values, marks)
        if numbers is None:
            continue
        typed.isetitem(i, numbers)
        if others:
            notes.append(
                f"{len(others)} value(s) of {shown(typed.columns[i])} are no numbers, "
                f"{shown(others[0], 20)!r}, say: taken as missing"
            )
    return notes
