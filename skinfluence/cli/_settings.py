"""The options of the command line, each stated once.

A field with its metadata is an option: the parser is filled from it, `Settings`
refuses bad values whoever makes one, and `Settings.in_words` says in the report what
was chosen.
"""

from dataclasses import dataclass, field, fields

from sklearn.model_selection import TimeSeriesSplit

from skinfluence.cleaning._run import CleaningSettings
from skinfluence.cli._bad_input import BadInput
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
    if len(separator) != 1 or not separator.isascii():
        raise BadInput(f"--separator must be one character of ASCII, not {separator!r}")


def _jobs():
    return option(
        type=int, metavar="N", check=_check_jobs, help="processes (default: 1; -1: all)"
    )


def _seed():
    return option(0, type=int, check=_check_seed, help="(default: %(default)s)")


class _Checked:
    def __post_init__(self):
        for entry in fields(self):
            check = entry.metadata["check"]
            if check is not None:
                check(getattr(self, entry.name))


@dataclass(frozen=True)
class Settings(_Checked):
    """What ``clean`` does. ``table`` is None for a table that is not in a file."""

    table: str | None = option(
        positional=True, metavar="TABLE", help="a .csv, .csv.gz or .parquet file"
    )
    target: str | None = option(
        required=True, metavar="COLUMN", help="the column to predict"
    )
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
    task: str = option(
        "auto",
        choices=("auto", "classification", "regression"),
        help="auto: regression for numbers, unless whole and at most 20 different",
    )
    separator: str = option(
        ",",
        check=_check_separator,
        metavar="CHAR",
        help="of a CSV file (default: ,)",
    )
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
        return (
            "rows that are more likely wrong than right, whose influence is negative "
            "by two standard errors over folds"
        )

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
