"""The options of the command line, each stated once.

Each field of `Settings` with its metadata is an option. The parser is built from the
fields, `Settings` validates their values however it is created, and
`Settings.in_words` describes the choices in the report.
"""

from dataclasses import dataclass

from sklearn.model_selection import TimeSeriesSplit

from skinfluence._shown import shown
from skinfluence.audit._findings import SEVERITIES
from skinfluence.cleaning._run import CleaningSettings
from skinfluence.cli import _options as options
from skinfluence.cli._bad_input import BadInput
from skinfluence.cli._left_folds import MOST_COMPARED
from skinfluence.retraining import LeaveOneOutInfluence
from skinfluence.static import InfluenceFunctions

N_FOLDS = 5
# Choices of options, and their descriptions in the report.
METHODS = {
    "auto": "the fixed scorer: minus the loss of the row under a stack of ridge "
    "regressions, linear and with four Gaussian kernels, trained without it; "
    "log loss of labels; of numbers u² / (36 + u²), u being the residual in units of "
    "what is typical there",
    "loo": "exact leave-one-out influence of the model below on held-out folds",
    "influence-functions": "first-order influence of the model below on held-out folds",
}
ACTIONS = {
    "drop": "suspects are dropped",
    "relabel": "suspects get the target that models without them predict",
    "weight": "suspects are weighed by the estimated probability that they are right",
}


def _check_method(method):
    if method not in METHODS:
        raise BadInput(f"--method must be one of {', '.join(METHODS)}, not {method!r}")


@dataclass(frozen=True)
class Settings(options.OfFiles):
    """Settings of ``clean``; ``tables`` is empty for a table that is not in a file."""

    tables: tuple = options.tables()
    target: str | None = options.target()
    output: str | None = options.option(
        metavar="FILE", help="cleaned table (default: beside TABLE)"
    )
    suspects: str | None = options.option(
        metavar="FILE", help="ranked rows (default: beside TABLE)"
    )
    report: str | None = options.option(
        metavar="FILE", help="report in HTML (default: none)"
    )
    verdicts: str | None = options.option(
        metavar="FILE",
        help="verdicts of a reviewer, as saved by the page of --report: they are "
        "carried out, these rows are not shown again, and the suspects among the other "
        "rows are estimated from them",
    )
    drop: float | str = options.option(
        "auto",
        check=options.check_share,
        type=options.share,
        metavar="SHARE",
        help="which rows are suspects: auto, those that are more likely wrong than "
        "right (with another --method: those that clearly hurt); or a share of the "
        "rows in [0, 1), most suspect first (default: %(default)s)",
    )
    action: str = options.option(
        "drop",
        choices=tuple(ACTIONS),
        help="treatment of suspects: drop; relabel: with the prediction of models "
        "without them; weight: a column sample_weight (default: %(default)s)",
    )
    per_class: bool = options.option(
        False,
        action="store_true",
        help="apply the share given as --drop to every class",
    )
    groups: str | None = options.option(
        metavar="COLUMN",
        help="hold out rows with the same value together; not used to predict",
    )
    ignore: list | None = options.ignore()
    by: list | None = options.option(
        action="append",
        metavar="COLUMN",
        help="show suspects, wrong rows and scores for each value of this column, and "
        "the effect of leaving out its rows on the others; may be given several times "
        "(default: for each label)",
    )
    answers: int = options.option(
        0,
        type=int,
        check=options.check_answers,
        metavar="N",
        help="show for N held-out rows how many training rows would have to be removed "
        "to change their predicted label; takes some ten seconds for 2,000 rows "
        "(default: %(default)s)",
    )
    time_ordered: bool = options.option(
        False,
        action="store_true",
        help="rows are in order of time: hold out later rows only",
    )
    sample: int = options.option(
        50_000,
        type=int,
        check=options.check_sample,
        metavar="N",
        help="if the table has more rows, train the models on a random sample of N, "
        f"value all rows by them, and compare scores on at most {MOST_COMPARED}; "
        "--groups, --time-ordered and other methods train on all rows (default: "
        "%(default)s)",
    )
    max_rows: int = options.option(
        200_000,
        type=int,
        check=options.check_max_rows,
        metavar="N",
        help="if the table has more rows, value a random sample of N; the others are "
        "not changed (default: %(default)s)",
    )
    method: str = options.option(
        "auto",
        check=_check_method,
        choices=tuple(METHODS),
        help="auto: loss under models trained without the row, best at "
        "finding wrong labels; loo, influence-functions: influence on predictions of "
        "held-out rows, exact or first order (default: %(default)s)",
    )
    task: str = options.task()
    force: bool = options.option(
        False, action="store_true", help="replace files that exist"
    )
    jobs: int | None = options.jobs()
    seed: int = options.seed()

    def __post_init__(self):
        super().__post_init__()
        if self.per_class and self.drop == "auto":
            raise BadInput(
                "--per-class takes a share of every class: give it with --drop"
            )
        if self.groups is not None and self.time_ordered:
            raise BadInput("--groups and --time-ordered exclude each other")

    @property
    def samples(self):
        """Whether the models are trained on a sample where there are more rows."""
        return self.groups is None and not self.time_ordered and self.method == "auto"

    def of_cleaning(self, model):
        """Return the settings of the cleaning for a model.

        Parameters
        ----------
        model : estimator
            The model that influence is computed on.
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
            subsample=self.sample if self.samples else None,
            n_jobs=self.jobs,
            random_state=self.seed,
        )

    def in_words(self):
        """Return pairs of a term and its description, for the report."""
        return [
            ("values", METHODS[self.method]),
            ("model", "logistic regression or ridge regression on the same columns"),
            *([("ignored", ", ".join(map(shown, self.ignore)))] if self.ignore else []),
            ("suspects", self._rule()),
            ("folds", self._folds()),
            *([("sample", self._sample())] if self.samples else []),
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

    def _sample(self):
        return (
            f"of a table of more than {self.sample} rows the models are trained on a "
            "random sample of so many, and all rows are valued; scores are compared on "
            f"held-out rows of {min(self.sample, MOST_COMPARED)}"
        )

    def _folds(self):
        if self.time_ordered:
            return "later rows after earlier ones"
        return "shuffled" if self.groups is None else "rows of one group together"


@dataclass(frozen=True)
class DemoSettings(options.Checked):
    """Options of ``demo``."""

    flip: float = options.option(
        0.1,
        check=options.check_share,
        type=float,
        metavar="SHARE",
        help="share of the labels to flip (default: %(default)s)",
    )
    jobs: int | None = options.jobs()
    seed: int = options.seed()


@dataclass(frozen=True)
class AuditSettings(options.OfFiles):
    """Settings of ``audit``."""

    tables: tuple = options.tables()
    target: str | None = options.target()
    test: str | None = options.option(
        metavar="FILE", help="the table on which a model will be evaluated"
    )
    groups: str | None = options.option(
        metavar="COLUMN", help="rows with the same value belong to one case"
    )
    ignore: list | None = options.ignore()
    output: str | None = options.option(
        metavar="FILE", help="findings as a table (default: on the terminal only)"
    )
    fail_on: str | None = options.option(
        choices=SEVERITIES,
        help="end with status 3 if a finding is that serious or more (default: never)",
    )
    each: bool = options.option(
        False,
        action="store_true",
        help="audit every file as a table of its own, as the hook for pre-commit does "
        "with all changed files (default: the files are one table)",
    )
    task: str = options.task()
    force: bool = options.option(
        False, action="store_true", help="replace a file that exists"
    )
    seed: int = options.seed()


@dataclass(frozen=True)
class ApplySettings(options.OfFiles):
    """Settings of ``apply``."""

    tables: tuple = options.option(
        (),
        positional=True,
        nargs="+",
        metavar="TABLE",
        help="the table that was reviewed; several files as they were given to clean",
    )
    verdicts: str | None = options.option(
        positional=True,
        metavar="VERDICTS",
        help="a CSV file with columns row, verdict (keep, drop, relabel or unsure), "
        "value, note and given, as saved by the review page",
    )
    target: str | None = options.option(
        required=True, metavar="COLUMN", help="the column that relabelling changes"
    )
    output: str | None = options.option(
        metavar="FILE", help="reviewed table (default: beside TABLE)"
    )
    log: str | None = options.option(
        metavar="FILE", help="log of the changes (default: beside TABLE)"
    )
    force: bool = options.option(
        False, action="store_true", help="replace files that exist"
    )
