"""What the command line computes: suspects, reasons and an honest comparison."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skinfluence._shown import shown
from skinfluence._threads import one_blas_thread
from skinfluence.cleaning._actions import weight_parameter
from skinfluence.cleaning._cleaner import InfluenceCleaner
from skinfluence.cleaning._row_values import RowValues
from skinfluence.cleaning._run import Cleaning
from skinfluence.cleaning._suspects import suspects_table
from skinfluence.cleaning.surprise._preprocessing import default_preprocessor
from skinfluence.cleaning.surprise._wrong_rows import WrongRows
from skinfluence.cli._comparison import compare
from skinfluence.cli._held_out_scores import HeldOut
from skinfluence.cli._out_of_fold import separation
from skinfluence.retraining import LeaveOneOutInfluence
from skinfluence.static import InfluenceFunctions

METHODS = ("auto", "loo", "influence-functions")
N_FOLDS = 5


@dataclass
class Analysis:
    """Everything that is known about the rows.

    Attributes
    ----------
    rows : RowValues
        Values (low = suspect) and what the fixed scorer says.
    wrong : WrongRows
        How likely each row is wrong.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.
    suspects : Bunch
        See `suspects_table`.
    reasons : list of str
        Why each row has its value.
    held_out : HeldOut
        What the model says of held-out rows, trained on all rows of the training folds
        and after cleaning them.
    separation, plain_separation : float
        How often a target taken from another row is more suspect than a given one:
        by the fixed scorer and by the out-of-fold losses.
    """

    rows: RowValues
    wrong: WrongRows
    kept: np.ndarray
    suspects: Bunch
    reasons: list
    held_out: HeldOut
    separation: float
    plain_separation: float

    @property
    def values(self):
        """Value of every row."""
        return self.rows.values

    @property
    def expected(self):
        """Target that models without the row predict."""
        return self.rows.scores.expected

    @property
    def false_discovery_rate(self):
        """Smallest possible and estimated share of suspects that are fine, or NaN."""
        return self.wrong.fine_share(~self.kept)


@dataclass(frozen=True)
class Settings:
    """How a table is cleaned.

    Attributes
    ----------
    method : {"auto", "loo", "influence-functions"}
        What values the rows; "auto" is the fixed scorer.
    drop_fraction : float or "auto"
        Share of suspects; "auto" takes rows one by one, see `InfluenceCleaner`.
    action : {"drop", "relabel", "weight"}
        What is done to them.
    per_class : bool
        Whether the share is taken of every class.
    time_ordered : bool
        Whether folds hold out later rows only.
    seed : int
        Cuts the folds.
    n_jobs : int or None
        Folds at once.
    """

    method: str = "auto"
    drop_fraction: float | str = "auto"
    action: str = "drop"
    per_class: bool = False
    time_ordered: bool = False
    seed: int = 0
    n_jobs: int | None = None


def default_model(X, classification):
    """Return the pipeline of the command line and the columns it leaves out."""
    preprocessor, left_out = default_preprocessor(X)
    model = LogisticRegression(max_iter=1000) if classification else Ridge()
    return make_pipeline(preprocessor, model), left_out


def analyse(task, model, settings, step=None):
    """Value the rows, flag suspects and compare the model with and without them.

    Parameters
    ----------
    task : Task
        The table.
    model : estimator
        What is compared, and what influence is measured on.
    settings : Settings
        How to clean.
    step : callable, default=None
        Called after each of the ``N_FOLDS + 2`` parts of the work.

    Returns
    -------
    analysis : Analysis
    """
    with one_blas_thread():
        return _analyse(task, model, settings, step or (lambda: None))


def _analyse(task, model, settings, step):
    y, classification = task.y, task.classification
    cleaner = _cleaner(model, settings)
    weight_name = weight_parameter(model) if settings.action == "weight" else None
    run = Cleaning(cleaner, task.X, y, {}, {}, task.groups, settings.seed, weight_name)
    rows, wrong = run.value(np.arange(len(y)))
    step()
    kept = run.keep(rows, wrong, y)
    step()
    held_out, plain_separation = compare(run, kept, task, settings.seed, step)
    reasons = _reasons(y, rows.scores, classification)
    if settings.method != "auto":
        reasons = [
            f"{_effect(value)}; {reason}"
            for value, reason in zip(rows.values, reasons, strict=True)
        ]
    return Analysis(
        rows,
        wrong,
        kept,
        suspects_table(y, rows, kept, wrong),
        reasons,
        held_out,
        separation(-rows.scores.values, -rows.scores.wrong_values),
        plain_separation,
    )


def why_nothing_goes(analysis, settings):
    """Say why nothing should be removed; None where suspects should.

    Rows that the default rule flags stay where the model without them is clearly worse
    on held-out rows. A share is the choice of whoever gave it.

    Parameters
    ----------
    analysis : Analysis
        What was found.
    settings : Settings
        How.

    Returns
    -------
    reason : str or None
    """
    by_rule = settings.drop_fraction == "auto"
    if analysis.kept.all():
        if not by_rule:
            return "the share that was asked for is less than one row"
        if settings.method != "auto":
            return "no row clearly hurts the model"
        return "no row is more likely wrong than right"
    return analysis.held_out.harm() if by_rule else None


def _cleaner(model, settings):
    influence = {
        "auto": None,
        "loo": LeaveOneOutInfluence(model, solver="exact", tol=1e-4),
        "influence-functions": InfluenceFunctions(model),
    }[settings.method]
    return InfluenceCleaner(
        model,
        influence=influence,
        drop_fraction=settings.drop_fraction,
        action=settings.action,
        per_class=settings.per_class,
        cv=TimeSeriesSplit(N_FOLDS) if settings.time_ordered else N_FOLDS,
        n_jobs=settings.n_jobs,
        random_state=settings.seed,
    )


def _reasons(y, scores, classification):
    if classification:
        return [
            _label_reason(*row)
            for row in zip(y, scores.expected, scores.probability, strict=True)
        ]
    error = y - scores.expected  # zero where nothing judges the row
    typical = np.sqrt(np.mean(error**2)) or 1.0
    return [
        f"a model without this row predicts {expected:.4g}: the value is "
        f"{abs(e) / typical:.1f} typical errors {'above' if e > 0 else 'below'}"
        for expected, e in zip(scores.expected, error, strict=True)
    ]


def _label_reason(label, expected, probability):
    if np.isnan(probability):
        return "no fold holds this row out: nothing is known"
    if label == expected:
        return (
            f"a model without this row agrees with the label (probability "
            f"{_percent(probability)})"
        )
    return (
        f"a model without this row expects {shown(expected)} and gives {shown(label)} "
        f"a probability of {_percent(probability)}"
    )


def _percent(probability):
    if probability < 0.001:
        return "below 0.1%"
    return f"{probability:.1%}"


def _effect(value):
    change = "better" if value < 0 else "worse"
    return f"without it held-out rows are predicted {change} ({-value:+.2g} mean loss)"
