"""The options of the command line, each stated once.

A field with its metadata is an option: the parser is filled from it, `Settings`
refuses bad values whoever makes one, and `Settings.in_words` says in the report what
was chosen.
"""

import codecs
from dataclasses import dataclass, field, fields

from sklearn.model_selection import TimeSeriesSplit

from skinfluence.audit._findings import SEVERITIES
from skinfluence.cleaning._run import CleaningSettings
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli.tables._file_names import FORMATS
from skinfluence.cli.tables._table import AUTO, Reading
from skinfluence.retraining import LeaveOneOutInfluence
from skinfluence.static import InfluenceFunctions

N_FOLDS = 5
# Choices, and how the report puts them.
METHODS = {
    "auto": "the fixed scorer: minus the loss of the row under a stack of ridge "
    "regressions, linear and with four Gaussian kernels, that have not seen it; "
    "log loss of labels, squared error of numbers in units of their variance",
    "loo": "exact leave-one-out influence of the model below on held-out folds",
    "influence-functions": "first-order influence of the model below on held-out folds",
}
ACTIONS = {
    "drop": "they are dropped",
    "relabel": "they get the target that models without them predict",
    "weight": "they are weighed by the estimated probability that they are right",
}


def option(default=None, *, check=None, positional=False, **argument):
    """Make a field of settings that is an option of the command line.

    Parameters
    ----------
    default : object, default=None
        Of the option.
    check : callable, default=None
        Called with the value; raises `BadInput`.
    positional : bool, default=False
        Whether it is given without a name.
    **argument : dict
        Passed to ``ArgumentParser.add_argument``.
    """
    metadata = {"check": check, "positional": positional, "argument": argument}
    return field(default=default, metadata=metadata)


def _share(text):
    return text if text == "auto" else float(text)


_share.__name__ = "share"  # argparse says "invalid share value"


def _check_method(method):
    if method not in METHODS:
        raise BadInput(f"--method must be one of {', '.join(METHODS)}, not {method!r}")


def _check_share(share):
    if share != "auto" and not 0 <= share < 1:
        raise BadInput(f"the share of rows must be in [0, 1), not {share:g}")


def _check_jobs(jobs):
    if jobs == 0:
        raise BadInput("--jobs must not be 0: 1 is one process, -1 one per core")


def _check_seed(seed):
    if not 0 <= seed < 2**32:
        raise BadInput(f"--seed must be in [0, 2**32), not {seed}")


def _check_separator(separator):
    if separator != AUTO and (len(separator) != 1 or not separator.isascii()):
        raise BadInput(f"--separator must be one character of ASCII, not {separator!r}")


def _check_encoding(encoding):
    if encoding == AUTO:
        return
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise BadInput(
            f"--encoding must be a name such as utf-8 or cp1252, not {encoding!r}"
        ) from None


def _check_decimal(mark):
    if mark not in (AUTO, ".", ","):
        raise BadInput(f"--decimal must be a point or a comma, not {mark!r}")


def _check_thousands(mark):
    if mark not in (AUTO, "", ".", ",", " ", "'"):
        raise BadInput(
            "--thousands must be a point, a comma, a space, an apostrophe or nothing, "
            f"not {mark!r}"
        )


def _jobs():
    return option(
        type=int, metavar="N", check=_check_jobs, help="processes (default: 1; -1: all)"
    )


def _seed():
    return option(0, type=int, check=_check_seed, help="(default: %(default)s)")


def _file_format():
    return option(
        AUTO,
        choices=(AUTO, *(name.removeprefix(".") for name in FORMATS)),
        help="of TABLE (default: as its name says; of standard input as its first "
        "bytes say)",
    )


def _separator():
    return option(
        AUTO,
        check=_check_separator,
        metavar="CHAR",
        help="between the values of a text (default: told from its first lines)",
    )


def _encoding():
    return option(
        AUTO,
        check=_check_encoding,
        metavar="NAME",
        help="of a text (default: UTF-8, UTF-16, cp1252 or Latin-1 as its bytes say)",
    )


def _decimal():
    return option(
        AUTO,
        check=_check_decimal,
        metavar="CHAR",
        help="decimal mark (default: the one under which most columns are numbers)",
    )


def _thousands():
    return option(
        AUTO,
        check=_check_thousands,
        metavar="CHAR",
        help="between groups of three digits (default: likewise)",
    )


def _header():
    return option(
        AUTO,
        choices=(AUTO, "yes", "no"),
        help="whether the first row names the columns; without one they are column_1, "
        "column_2 and so on (default: no if it looks like data)",
    )


def _sheet():
    return option(metavar="NAME", help="of a spreadsheet (default: the first)")


def _tables():
    return option(
        (),
        positional=True,
        nargs="+",
        metavar="TABLE",
        help="a file in .csv, .tsv, .txt or .jsonl, these also as .gz, .zst or .zip; "
        ".xlsx, .ods, .parquet or .feather; - is standard input. Several files are one "
        "table, whose rows follow each other",
    )


def _target():
    return option(required=True, metavar="COLUMN", help="the column to predict")


def _task():
    return option(
        AUTO,
        choices=(AUTO, "classification", "regression"),
        help="auto: regression for numbers, unless whole and at most 20 different",
    )


class _Checked:
    def __post_init__(self):
        for entry in fields(self):
            check = entry.metadata["check"]
            if check is not None:
                check(getattr(self, entry.name))


class _OfFiles(_Checked):
    def reading(self):
        """Return how the table is read.

        Returns
        -------
        reading : Reading
        """
        names = {entry.name for entry in fields(Reading)}
        return Reading(
            **{
                entry.name: getattr(self, entry.name)
                for entry in fields(self)
                if entry.name in names
            }
        )


@dataclass(frozen=True)
class Settings(_OfFiles):
    """What ``clean`` does. ``tables`` is empty for a table that is not in a file."""

    tables: tuple = _tables()
    target: str | None = _target()
    output: str | None = option(
        metavar="FILE", help="cleaned table (default: beside TABLE)"
    )
    suspects: str | None = option(
        metavar="FILE", help="ranked rows (default: beside TABLE)"
    )
    report: str | None = option(metavar="FILE", help="report in HTML (default: none)")
    drop: float | str = option(
        "auto",
        check=_check_share,
        type=_share,
        metavar="SHARE",
        help="which rows are suspects: auto, those that are more likely wrong than "
        "right (with another --method: those that clearly hurt); or a share of the "
        "rows in [0, 1), most suspect first (default: %(default)s)",
    )
    action: str = option(
        "drop",
        choices=tuple(ACTIONS),
        help="what is done to suspects: drop; relabel: the target that models without "
        "them predict; weight: a column sample_weight (default: %(default)s)",
    )
    per_class: bool = option(
        False,
        action="store_true",
        help="take the share given as --drop of every class",
    )
    groups: str | None = option(
        metavar="COLUMN",
        help="rows with the same value are held out together; not used to predict",
    )
    by: list | None = option(
        action="append",
        metavar="COLUMN",
        help="show suspects, wrong rows and scores for each value of this column; may "
        "be given several times (default: for each label)",
    )
    time_ordered: bool = option(
        False,
        action="store_true",
        help="rows are in order of time: hold out later ones only",
    )
    method: str = option(
        "auto",
        check=_check_method,
        choices=tuple(METHODS),
        help="auto: surprise of models that have not seen the row, best at "
        "finding wrong labels; loo, influence-functions: influence on predictions of "
        "held-out rows, exact or first order (default: %(default)s)",
    )
    task: str = _task()
    file_format: str = _file_format()
    separator: str = _separator()
    encoding: str = _encoding()
    decimal: str = _decimal()
    thousands: str = _thousands()
    header: str = _header()
    sheet: str | None = _sheet()
    force: bool = option(False, action="store_true", help="replace files that exist")
    jobs: int | None = _jobs()
    seed: int = _seed()

    def __post_init__(self):
        super().__post_init__()
        if self.per_class and self.drop == "auto":
            raise BadInput(
                "--per-class takes a share of every class: give it with --drop"
            )
        if self.groups is not None and self.time_ordered:
            raise BadInput("--groups and --time-ordered exclude each other")

    def of_cleaning(self, model):
        """Return how the rows are cleaned for a model.

        Parameters
        ----------
        model : estimator
            What influence is measured on.

        Returns
        -------
        settings : CleaningSettings
        """
        influence = {
            "auto": None,
            "loo": LeaveOneOutInfluence(model, solver="exact", tol=1e-4),
            "influence-functions": InfluenceFunctions(model),
        }[self.method]
        return CleaningSettings(
            influence=influence,
            drop_fraction=self.drop,
            action=self.action,
            per_class=self.per_class,
            cv=TimeSeriesSplit(N_FOLDS) if self.time_ordered else N_FOLDS,
            n_jobs=self.jobs,
            random_state=self.seed,
        )

    def in_words(self):
        """Return pairs of what a reader of the report asks and the answer."""
        return [
            ("values", METHODS[self.method]),
            ("model", "logistic regression or ridge regression on the same columns"),
            ("suspects", self._rule()),
            ("folds", self._folds()),
            ("seed", str(self.seed)),
        ]

    def _rule(self):
        if self.drop != "auto":
            where = "every class" if self.per_class else "the table"
            return f"the lowest {self.drop:.1%} of {where}"
        if self.method == "auto":
            return "rows that are more likely wrong than right"
        return "rows whose influence is negative by three standard errors over folds"

    def _folds(self):
        if self.time_ordered:
            return "later rows after earlier ones"
        return "shuffled" if self.groups is None else "rows of one group together"


@dataclass(frozen=True)
class DemoSettings(_Checked):
    """What ``demo`` does."""

    flip: float = option(
        0.1,
        check=_check_share,
        type=float,
        metavar="SHARE",
        help="share of the labels to flip (default: %(default)s)",
    )
    jobs: int | None = _jobs()
    seed: int = _seed()


@dataclass(frozen=True)
class AuditSettings(_OfFiles):
    """What ``audit`` does."""

    tables: tuple = _tables()
    target: str | None = _target()
    test: str | None = option(
        metavar="FILE", help="the table that a model will be measured on"
    )
    groups: str | None = option(
        metavar="COLUMN", help="rows with the same value are one case"
    )
    output: str | None = option(
        metavar="FILE", help="findings as a table (default: on the terminal only)"
    )
    fail_on: str | None = option(
        choices=SEVERITIES,
        help="end with status 3 if a finding is that serious or more (default: never)",
    )
    task: str = _task()
    file_format: str = _file_format()
    separator: str = _separator()
    encoding: str = _encoding()
    decimal: str = _decimal()
    thousands: str = _thousands()
    header: str = _header()
    sheet: str | None = _sheet()
    force: bool = option(False, action="store_true", help="replace a file that exists")
    seed: int = _seed()
