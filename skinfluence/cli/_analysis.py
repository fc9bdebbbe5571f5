"""The analysis of a table: suspects, reasons, and the comparison on held-out rows."""

from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skinfluence._threads import one_blas_thread
from skinfluence.cleaning._run import Cleaning, Judged
from skinfluence.cleaning.review._decided import Decided
from skinfluence.cleaning.surprise._preprocessing import default_preprocessor
from skinfluence.cli._answers import find_answers
from skinfluence.cli._by_group import hit_groups
from skinfluence.cli._comparison import compare
from skinfluence.cli._explained import Explained, explain_suspects
from skinfluence.cli._held_out_scores import HeldOut
from skinfluence.cli._out_of_fold import separation
from skinfluence.cli._reasons import value_reasons
from skinfluence.cli._settings import N_FOLDS
from skinfluence.cli._without_groups import worth_of_groups


def n_parts(settings):
    """Return into how many parts the work is cut.

    All rows are valued, the model is compared on each fold and trained without the
    groups of each column of ``--by``, and it is asked what carries its predictions.
    """
    return 1 + N_FOLDS + len(settings.by or ()) + bool(settings.answers)


@dataclass
class Analysis:
    """The results of an analysis.

    Attributes
    ----------
    judged : Judged
        The values of the rows, and the suspects.
    suspects : Bunch
        See `suspects_table`. With verdicts the suspects without a verdict, the
        most likely wrong first.
    explained : Explained
        The target or cell to blame for the first suspects, and the kind of each row.
    reasons : list of str
        Why each row has its value.
    held_out : HeldOut
        Predictions of held-out rows by models trained on all rows of the training folds
        and after cleaning them.
    left_out : dict of str to str
        Columns that were not used, and why.
    reason_to_keep_all : str or None
        Why no row should be removed; None if suspects should be removed.
    separation, plain_separation : float
        Share of pairs in which a target taken from another row is more suspect than a
        given one, by the fixed scorer and by the out-of-fold losses; without the rows
        that a verdict calls wrong.
    groups : dict of str to list of Group
        Effects on groups, and harmful groups, by name of the column.
    answers : list of Answer
        How many rows would have to be removed to change predictions.
    decided : Decided or None
        Verdicts.
    """

    judged: Judged
    suspects: Bunch
    explained: Explained
    reasons: list
    held_out: HeldOut
    left_out: dict
    reason_to_keep_all: str | None
    separation: float
    plain_separation: float
    groups: dict = field(default_factory=dict)
    answers: list = field(default_factory=list)
    decided: Decided | None = None

    @property
    def acted_on(self):
        """Suspects to which something is done."""
        acts = self.reason_to_keep_all is None
        return ~self.kept if acts else np.zeros(len(self.kept), dtype=bool)

    @property
    def changes_rows(self):
        """Whether some rows are changed or removed, as suspects or by a verdict."""
        decided = self.decided is not None and bool(self.decided.wrong.any())
        return self.reason_to_keep_all is None or decided

    def relabelled(self, action):
        """Rows that get another target, by an action or by verdicts."""
        rows = self.acted_on & (action == "relabel")
        return rows if self.decided is None else rows | self.decided.relabelled

    @property
    def order(self):
        """All rows, those to look at first first."""
        if self.decided is None:
            return self.values.argsort(kind="stable")
        asked = np.where(self.decided.asked, 1.0, -self.wrong.probability)
        return asked.argsort(kind="stable")

    @property
    def kept(self):
        """False for suspects."""
        return self.judged.kept

    @property
    def wrong(self):
        """The estimated probability that each row is wrong."""
        return self.judged.wrong

    @property
    def values(self):
        """Value of every row."""
        return self.judged.rows.values

    @property
    def expected(self):
        """Target that models without the row predict."""
        return self.judged.rows.scores.expected


def default_model(X, classification):
    """Return the pipeline of the command line and the columns it leaves out."""
    preprocessor, left_out = default_preprocessor(X)
    model = LogisticRegression(max_iter=1000) if classification else Ridge()
    return make_pipeline(preprocessor, model), left_out


def analyse(task, model, settings, step=None, left_out=None, decided=None):
    """Value the rows, flag suspects and compare the model with and without them.

    Parameters
    ----------
    task : Task
        The table.
    model : estimator
        The model to compare, and to compute influence on.
    settings : Settings
        Options of the command line.
    step : callable, default=None
        Called after each of the `n_parts` parts of the work.
    left_out : dict of str to str, default=None
        Columns that the model does not use, and why.
    decided : Decided, default=None
        Verdicts on the rows.

    Returns
    -------
    analysis : Analysis
    """
    with one_blas_thread():
        return _analyse(
            task, model, settings, step or (lambda: None), left_out or {}, decided
        )


def _analyse(task, model, settings, step, left_out, decided):
    cleaning = Cleaning(
        model,
        task.X,
        task.y,
        settings.of_cleaning(model),
        settings.seed,
        groups=task.groups,
        decided=decided,
    )
    judged, suspects = cleaning.run()
    explained_task, plain = task, judged.kept
    if decided is not None:
        order = np.argsort(-suspects.probability_wrong, kind="stable")
        order = order[~decided.asked[suspects.row[order]]]
        suspects = Bunch(**{name: column[order] for name, column in suspects.items()})
        explained_task, plain = replace(task, y=decided.y), plain & ~decided.dropped
    explained = explain_suspects(explained_task, suspects.row, plain)
    step()
    held_out, plain_separation = compare(
        cleaning, judged.kept, task, settings.seed, step
    )
    scores, as_given = judged.rows.scores, slice(None)
    if decided is not None:
        as_given = ~decided.wrong
    analysis = Analysis(
        judged,
        suspects,
        explained,
        explained.added_to(value_reasons(task.y, judged.rows, task.classification)),
        held_out,
        left_out,
        _reason_to_keep_all(judged.kept, held_out, settings),
        separation(-scores.values[as_given], -scores.wrong_values[as_given]),
        plain_separation,
        decided=decided,
    )

    def worth_of(names, largest):
        worth = worth_of_groups(names, largest, task, cleaning, settings.seed)
        step()
        return worth

    analysis.groups = hit_groups(task, analysis, settings, worth_of)
    if settings.answers:
        analysis.answers = find_answers(
            task, model, cleaning, settings.answers, settings.seed
        )
        step()
    return analysis


def _reason_to_keep_all(kept, held_out, settings):
    """Return why no row should be removed; None if suspects should be removed.

    Rows flagged by the default rule are kept if the model without them is clearly worse
    on held-out rows. A share of rows chosen by the user is always removed.
    """
    by_rule = settings.drop == "auto"
    if kept.all():
        if not by_rule:
            return "the share of rows given as --drop is less than one row"
        if settings.method != "auto":
            return "no row clearly hurts the model"
        return "no row is more likely wrong than right"
    return held_out.harm() if by_rule else None
