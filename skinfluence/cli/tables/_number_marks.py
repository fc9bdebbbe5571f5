"""Numbers as people write them: decimal mark, marks of thousands, units."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skinfluence._counts import counted
from skinfluence._shown import shown

SPACES = " \u00a0\u202f\u2009"
# Candidates, the plainest first; each as (decimal mark, mark of thousands).
MARKS = [(".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " ")]
MARKS += [(".", "'"), (",", "'")]
UNIT = (
    r"(?:[$€£¥₹₽%]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|HUF"
    r"|kr\.?|zł|Fr\.)"
)
WITH_WORD = r"\s*[-+]?\d[\d.,']*\s*([^\W\d_][^\d\s]{0,9})\s*"  # 180,3 cm
SIGN = "[+\\-\u2212]"  # with the minus sign of typography
# A column with at most this share of texts is a column of numbers, with a note.
MOSTLY = 0.95
# These texts count as missing in a column of numbers, however frequent they are.
MISSING = {
    "-",
    "--",
    "---",
    "\u2013",
    "\u2014",
    ".",
    "..",
    "...",
    "?",
    "??",
    "na",
    "n/a",
}
MISSING |= {"n.a.", "nan", "none", "null", "nil", "missing", "unknown", "k.a.", "tbd"}
MISSING |= {"#n/a", "#div/0!", "#value!", "#ref!", "#num!", "#name?"}
# A column with fewer numbers is a column of texts, without a note.
SOME = 0.5
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
        """A compiled expression that matches numbers only."""
        part = rf"(?:{re.escape(self.decimal)}\d*)?"
        number = rf"(?:\d+{part}|{re.escape(self.decimal)}\d+)(?:[eE][+-]?\d+)?"
        if self.thousands:
            mark = f"[{re.escape(self._thousands)}]"
            # Marks of thousands do not follow a single zero, nor come with an exponent:
            # "0,536" and "2,345e+03" have decimal commas.
            number = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+{part}|{number})"
        space = f"[{SPACES}]*"
        plain = rf"{UNIT}?{space}{number}{space}{UNIT}?"
        before = rf"(?:{SIGN}?{space}{plain}|{UNIT}{space}{SIGN}{number})"
        # As ledgers write negative numbers: in brackets, or with the minus behind.
        return re.compile(rf"{before}|\({plain}\)|{plain}{space}-")

    @property
    def _thousands(self):
        return SPACES if self.thousands == " " else self.thousands

    def is_number(self, text):
        """Tell whether a text is a number."""
        return self.pattern.fullmatch(text.strip()) is not None

    def number(self, text):
        """Return the number that a text contains; NaN if it is no number."""
        text = text.strip()
        if not self.pattern.fullmatch(text):
            return np.nan
        negative = _is_ledger(text)
        text = re.sub(f"{UNIT}|[{SPACES}()]", "", text).replace("\u2212", "-")
        if self.thousands and self.thousands != " ":
            text = text.replace(self.thousands, "")
        number = float(text.replace(self.decimal, ".").removesuffix("-"))
        return -number if negative else number


def _is_ledger(text):
    """Tell whether a number is written as negative in the manner of ledgers."""
    return text.startswith("(") or text.endswith("-")


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
        Of equally good ones the first of `MARKS`. Columns such as "950", "1.200" are
        no numbers with a decimal point.
    """
    grouped = [_only_with_groups(texts) for texts in columns]
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
        return sum(
            _mostly_numbers(texts, marks)
            for texts, only in zip(columns, grouped, strict=True)
            if not (only and marks.decimal == ".")
        )

    return max(candidates, key=n_columns)


def _mostly_numbers(texts, marks):
    texts = [text for text in texts if not _is_missing(text)]
    return len(texts) > 0 and np.mean([marks.is_number(t) for t in texts]) >= MOSTLY


def _is_missing(text):
    return text.strip().lower() in MISSING


def may_be_groups(texts):
    """Tell whether all points of a column may be marks of thousands.

    Parameters
    ----------
    texts : sequence of str
        Texts of the column, without missing ones.
    """
    pattern = re.compile(rf"{SIGN}?[1-9]\d{{0,2}}(?:\.\d{{3}})+|{SIGN}?\d{{1,3}}")
    texts = [text for text in texts if not _is_missing(text)]
    return any("." in text for text in texts) and all(
        pattern.fullmatch(text.strip()) for text in texts
    )


def _only_with_groups(texts):
    """Tell whether points must be marks of thousands.

    No program writes whole numbers without a point and 1.2 as 1.200.
    """
    return (
        any("." not in text for text in texts)
        and any("." in text and text.strip().endswith("0") for text in texts)
        and may_be_groups(texts)
    )


def say_marks(marks):
    """Return the marks other than decimal points, with the options for them."""
    said = []
    if marks.decimal != ".":
        said.append(f"decimal mark {marks.decimal!r} (--decimal)")
    if marks.thousands:
        said.append(f"thousands mark {marks.thousands!r} (--thousands)")
    return said


def are_codes(texts):
    """Tell whether digits are codes: "007" in a typed format."""
    return any(
        text is not None and re.fullmatch(r"0\d+", text.strip()) for text in texts
    )


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
        None if more than one text of twenty is neither a number nor a sign of
        a missing value.
    others : list of str
        The texts that are no numbers, including signs of missing values.
    """
    present = np.array([text is not None for text in texts], dtype=bool)
    if not _mostly_numbers(texts[present][:N_SAMPLE], marks):
        return None, []
    numbers = np.full(len(texts), np.nan)
    numbers[present] = [marks.number(text) for text in texts[present]]
    others = [text for text, x in zip(texts, numbers, strict=True) if text and x != x]
    wrong = sum(not _is_missing(text) for text in others)
    if wrong > (1 - MOSTLY) * (present.sum() - len(others) + wrong):
        return None, []
    return numbers, others


def texts_to_numbers(typed, texts, marks):
    """Convert columns of numbers, in place.

    Parameters
    ----------
    typed : DataFrame
        Typed columns, changed in place.
    texts : dict of int to ndarray of object
        Columns, by position, as texts; None where a value is missing.
    marks : NumberMarks
        How numbers are written.

    Returns
    -------
    notes : list of str
        Notes for the user on texts in columns of numbers.
    """
    notes = []
    for i, values in texts.items():
        numbers, others = numbers_of_texts(values, marks)
        name = shown(typed.columns[i])
        if numbers is None:
            notes += _note_on_mixed(name, values, marks)
            continue
        typed.isetitem(i, numbers)
        if others:
            notes.append(
                f"{name} has {counted(len(others), 'value')} besides numbers, "
                f"{shown(others[0], 20)!r}, say: taken as missing"
            )
        notes += _notes_on_writing(name, values, numbers)
    return notes


def _note_on_mixed(name, values, marks):
    """Note that a column of many numbers is taken for a column of texts."""
    texts = [text for text in values[:N_SAMPLE] if text is not None]
    others = [text for text in texts if not marks.is_number(text)]
    share = 1 - len(others) / max(len(texts), 1)
    if share < SOME or not others:
        return _note_on_unit(name, texts) or _note_on_other_marks(name, texts, marks)
    return [
        f"{name} holds numbers in {share:.0%} of its values, and others, "
        f"{shown(others[0], 20)!r}, say: taken for text"
    ]


def _note_on_other_marks(name, texts, marks):
    """Note that the numbers of a column have other marks than those of the table."""
    for decimal, thousands in MARKS:
        if _mostly_numbers(texts, NumberMarks(decimal, thousands)):
            return [
                f"{name} holds numbers such as {shown(texts[0], 20)!r}, unlike columns "
                f"with the decimal mark {marks.decimal!r}: taken for text; write all "
                "numbers alike to have them read"
            ]
    return []


def _note_on_unit(name, texts):
    """Note that the numbers of a column have an unknown unit behind them."""
    found = [match for text in texts if (match := re.fullmatch(WITH_WORD, text))]
    units = {match[1] for match in found}
    if len(units) != 1 or len(found) < MOSTLY * len(texts):
        return []
    return [
        f"{name} holds numbers with {shown(units.pop(), 20)!r} behind them: taken for "
        "text; take the unit away to have them read as numbers"
    ]


def _notes_on_writing(name, values, numbers):
    """Note how ambiguous numbers are read."""
    read = [text for text, x in zip(values, numbers, strict=True) if text and x == x]
    notes = []
    ledger = [text for text in read if _is_ledger(text.strip())]
    if ledger:
        notes.append(
            f"{name} has {counted(len(ledger), 'value')} in brackets or with the minus "
            f"behind, {shown(ledger[0], 20)!r}, say: read as negative"
        )
    units = {"".join(re.findall(UNIT, text)) for text in read}
    if len(units) > 1:
        some = ", ".join(unit or "none" for unit in sorted(units)[:4])
        notes.append(f"{name} has several units ({some}): read without them")
    return notes
