"""Options that several subcommands have, and the checks of their values."""

import argparse
import codecs
from dataclasses import dataclass, field, fields

from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._file_names import FORMATS
from skinfluence.cli.tables._table import AUTO, Reading

# Each takes some ten refits.
MOST_ANSWERS = 20


def option(default=None, *, check=None, positional=False, **argument):
    """Make a field of settings that is an option of the command line.

    Parameters
    ----------
    default : object, default=None
        Default value of the option.
    check : callable, default=None
        Called with the value; raises `BadInput`.
    positional : bool, default=False
        Whether it is given without a name.
    **argument : dict
        Passed to ``ArgumentParser.add_argument``.
    """
    metadata = {"check": check, "positional": positional, "argument": argument}
    return field(default=default, metadata=metadata)


def share(text):
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"invalid share value: {text!r}; 0.1 is 10%"
        ) from None


def check_share(share):
    if share != "auto" and not 0 <= share < 1:
        raise BadInput(
            f"the share of rows must be in [0, 1), not {share:g}; 0.1 is 10%"
        )


def check_jobs(jobs):
    if jobs == 0:
        raise BadInput("--jobs must not be 0: 1 is one process, -1 one per core")


def check_answers(number):
    if not 0 <= number <= MOST_ANSWERS:
        raise BadInput(f"--answers must be in [0, {MOST_ANSWERS}], not {number}")


def check_max_rows(n):
    if n < 10:  # which a table must have
        raise BadInput(f"--max-rows must be at least 10, not {n}")


def check_sample(n):
    if n < 10:
        raise BadInput(f"--sample must be at least 10, not {n}")


def check_seed(seed):
    if not 0 <= seed < 2**32:
        raise BadInput(f"--seed must be in [0, 2**32), not {seed}")


def check_separator(separator):
    if separator != AUTO and (len(separator) != 1 or not separator.isascii()):
        raise BadInput(f"--separator must be one character of ASCII, not {separator!r}")


def check_encoding(encoding):
    if encoding == AUTO:
        return
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise BadInput(
            f"--encoding must be a name such as utf-8 or cp1252, not {encoding!r}"
        ) from None


def check_decimal(mark):
    if mark not in (AUTO, ".", ","):
        raise BadInput(f"--decimal must be a point or a comma, not {mark!r}")


def check_thousands(mark):
    if mark not in (AUTO, "", ".", ",", " ", "'"):
        raise BadInput(
            "--thousands must be a point, a comma, a space, an apostrophe or nothing, "
            f"not {mark!r}"
        )


class Checked:
    """Settings whose values are checked however they are made."""

    def __post_init__(self):
        for entry in fields(self):
            check = entry.metadata["check"]
            if check is not None:
                check(getattr(self, entry.name))


@dataclass(frozen=True, kw_only=True)
class OfFiles(Checked):
    """How files are read: the options of all commands that read a table."""

    file_format: str = option(
        AUTO,
        choices=(AUTO, *(name.removeprefix(".") for name in FORMATS)),
        help="format of TABLE (default: by its name, or the first bytes of standard "
        "input)",
    )
    separator: str = option(
        AUTO,
        check=check_separator,
        metavar="CHAR",
        help="separator of values in a text (default: guessed from its first lines)",
    )
    encoding: str = option(
        AUTO,
        check=check_encoding,
        metavar="NAME",
        help="encoding of a text (default: UTF-8, UTF-16, cp1252 or Latin-1, guessed "
        "from its bytes)",
    )
    decimal: str = option(
        AUTO,
        check=check_decimal,
        metavar="CHAR",
        help="decimal mark (default: the one with which most columns are numbers)",
    )
    thousands: str = option(
        AUTO,
        check=check_thousands,
        metavar="CHAR",
        help="mark between groups of three digits (default: likewise)",
    )
    header: str = option(
        AUTO,
        choices=(AUTO, "yes", "no"),
        help="whether the first row names the columns; without one they are column_1, "
        "column_2 and so on (default: no if it looks like data)",
    )
    sheet: str | None = option(
        metavar="NAME",
        help="sheet of a spreadsheet (default: the first that has the target)",
    )

    def reading(self):
        """Return how the table is read."""
        options = {entry.name: getattr(self, entry.name) for entry in fields(OfFiles)}
        return Reading(target=self.target, **options)


def jobs():
    return option(
        type=int, metavar="N", check=check_jobs, help="processes (default: 1; -1: all)"
    )


def seed():
    return option(0, type=int, check=check_seed, help="(default: %(default)s)")


def tables():
    return option(
        (),
        positional=True,
        nargs="+",
        metavar="TABLE",
        help="a file in .csv, .tsv, .txt or .jsonl, these also as .gz, .zst or .zip; "
        ".xlsx, .ods, .parquet or .feather; - is standard input. Several files, or a "
        "folder of .parquet files, are one table, whose rows follow each other",
    )


def target():
    return option(
        required=True,
        action=_Once,
        metavar="COLUMN",
        help="the column to predict; one, see InfluenceCleaner for several",
    )


class _Once(argparse.Action):
    """Refuse a second value, of which argparse would keep the last."""

    def __call__(self, parser, namespace, value, option_string=None):
        first = getattr(namespace, self.dest)
        if first is not None:
            raise BadInput(several_targets([first, value]))
        setattr(namespace, self.dest, value)


def several_targets(names):
    """Return the error for several targets, with advice."""
    names = ", ".join(map(repr, names))
    return (
        f"--target takes one column, not {names}: run once for each, without the "
        "others in the table if they are not known when one is predicted. In Python "
        "InfluenceCleaner takes several columns of labels, or several of numbers"
    )


def ignore():
    return option(
        action="append",
        metavar="COLUMN",
        help="do not predict from this column, because it leaks the target or numbers "
        "the rows; it is written all the same. May be given several times",
    )


def task():
    return option(
        AUTO,
        choices=(AUTO, "classification", "regression"),
        help="auto: regression for numbers, unless whole and at most 20 different",
    )
