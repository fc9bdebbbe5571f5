"""One run of cleaning: value the rows, flag suspects, act on them, train."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import is_classifier

from skinfluence._group_masks import group_codes
from skinfluence._sklearn import (
    clone_for_rows,
    fit_seeded,
    n_rows,
    take_params,
    take_rows,
)
from skinfluence.cleaning._actions import act, weight_parameter
from skinfluence.cleaning._flagged import kept_rows
from skinfluence.cleaning._folds import fixed_splits
from skinfluence.cleaning._row_values import RowValues, value_rows
from skinfluence.cleaning._suspects import suspects_table
from skinfluence.cleaning.review._recalibration import features, recalibrated
from skinfluence.cleaning.review._reviewable import Reviewable
from skinfluence.cleaning.surprise._wrong_rows import WrongRows, wrong_rows
from skinfluence.retraining.engine import trainable


@dataclass(frozen=True)
class CleaningSettings:
    """How rows are valued and flagged, and how suspects are treated.

    Attributes
    ----------
    influence, drop_fraction, action, per_class, cv, subsample, memory, n_jobs
        The parameters of `InfluenceCleaner` of the same name.
    random_state : int, RandomState or None
        Shuffles the folds and seeds ``influence``, see `value_rows`.
    """

    influence: object = None
    drop_fraction: float | str = "auto"
    action: str = "drop"
    per_class: bool = False
    cv: object = 5
    subsample: int | None = None
    memory: object = None
    n_jobs: int | None = None
    random_state: object = None


@dataclass(frozen=True)
class Judged:
    """The values of rows, and which of them are suspects.

    Attributes
    ----------
    rows : RowValues
        Values (low = suspect) and results of the fixed scorer.
    wrong : WrongRows
        How likely each row is wrong.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.
    reviewable : Reviewable or None
        The data of a review; None for several columns of targets.
    """

    rows: RowValues
    wrong: WrongRows
    kept: np.ndarray
    reviewable: Reviewable | None

    @property
    def false_discovery_rate(self):
        """Smallest and largest possible share of suspects that are fine, or NaN."""
        return self.wrong.fine_share(~self.kept)


def judge(X, y, settings, *, classification, influence_params, groups, decided=None):
    """Value rows and flag suspects.

    Parameters
    ----------
    X, y : array-like
        Training rows.
    settings : CleaningSettings
        How the rows are valued and flagged.
    classification : bool
        Whether y holds labels.
    influence_params : dict
        Passed to ``settings.influence.fit``.
    groups : array-like of shape (n_samples,) or None
        Rows of one group are held out together.
    decided : Decided, default=None
        Verdicts, which correct the estimates; rows with one are no suspects.

    Returns
    -------
    judged : Judged
    """
    rows = value_rows(
        X,
        y,
        classification=classification,
        influence=settings.influence,
        influence_params=influence_params,
        cv=settings.cv,
        groups=groups,
        memory=settings.memory,
        n_jobs=settings.n_jobs,
        random_state=settings.random_state,
        subsample=settings.subsample,
    )
    return judged_by(rows, y, settings, classification, decided)


def judged_by(rows, y, settings, classification, decided=None):
    """Flag suspects among rows whose values are known.

    Parameters
    ----------
    rows : RowValues
        The values.
    y, settings, classification, decided
        As in `judge`.

    Returns
    -------
    judged : Judged
    """
    wrong = wrong_rows(rows.scores)
    reviewable = _reviewable(rows, wrong, y, classification)
    if decided is not None:
        wrong = recalibrated(wrong, reviewable.estimate(decided), decided)
    kept = kept_rows(
        rows,
        wrong.probability,
        y,
        settings.drop_fraction,
        classification,
        settings.per_class,
        decided,
    )
    return Judged(rows, wrong, kept, reviewable)


def _reviewable(rows, wrong, y, classification):
    y = np.asarray(y)
    if y.ndim > 1:
        return None
    labels = np.zeros(len(y), dtype=int)
    if classification:
        labels = np.unique(y, return_inverse=True)[1]
    said = rows.scores
    return Reviewable(
        features(said, wrong), labels, y, said.expected, rows.values, classification
    )


class Cleaning:
    """An estimator and the rows it is trained on, all of them or parts.

    Parameters
    ----------
    estimator : estimator
        Is trained after cleaning.
    X, y : array-like
        All rows.
    settings : CleaningSettings
        How they are cleaned.
    seed : int
        Seed of the training.
    params, influence_params : dict, default=None
        Passed to the ``fit`` of the estimator and of ``settings.influence``.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group are held out together.
    decided : Decided, default=None
        Verdicts, carried out before training.
    """

    def __init__(
        self,
        estimator,
        X,
        y,
        settings,
        seed,
        params=None,
        influence_params=None,
        groups=None,
        decided=None,
    ):
        if groups is not None:
            group_codes(groups, n_rows(X))
        self.weight_name = None
        if settings.action == "weight":
            self.weight_name = weight_parameter(estimator)
        self.classification = is_classifier(estimator)
        labels = y
        if decided is not None and self.classification:
            labels = np.concatenate([np.asarray(y), decided.y])
        self.estimator = trainable(estimator, labels)
        self.X, self.y, self.settings, self.seed = X, y, settings, seed
        self.params, self.influence_params = params or {}, influence_params or {}
        self.groups, self.decided = groups, decided

    def run(self):
        """Judge all rows and tabulate the suspects.

        Returns
        -------
        judged : Judged
        suspects : RowTable
            See `suspects_table`.
        """
        judged = judge(
            self.X,
            self.y,
            self.settings,
            classification=self.classification,
            influence_params=self.influence_params,
            groups=self.groups,
            decided=self.decided,
        )
        table = self.X, self.y
        return judged, suspects_table(*table, judged.rows, judged.kept, judged.wrong)

    def train_all(self, judged):
        """Train on all rows, after the treatment of the suspects."""
        return self._train(np.arange(n_rows(self.X)), judged)

    def train_part(self, part):
        """Judge some of the rows by themselves and train on them.

        Parameters
        ----------
        part : ndarray of int
            The rows.

        Returns
        -------
        estimator : estimator
            Fitted.
        judged : Judged
            Values of the rows of the part.
        """
        judged = judge(
            take_rows(self.X, part),
            take_rows(self.y, part),
            self._settings_of(part),
            classification=self.classification,
            influence_params=take_params(self.influence_params, part, n_rows(self.X)),
            groups=None if self.groups is None else take_rows(self.groups, part),
            decided=None if self.decided is None else self.decided.part(part),
        )
        return self._train(part, judged), judged

    def _settings_of(self, part):
        settings, n = self.settings, n_rows(self.X)
        influence, cv = settings.influence, settings.cv
        if influence is not None:
            influence = clone_for_rows(influence, part, n)
        if fixed_splits(cv):
            cv = 5  # the splits are those of the whole table
        # One process: the parts are worked on at once.
        return replace(settings, influence=influence, cv=cv, n_jobs=None)

    def _train(self, part, judged):
        kept, part = judged.kept, np.asarray(part)
        suggested, p_right = judged.rows.scores.expected, 1 - judged.wrong.probability
        y = self.y
        if self.decided is not None:
            y, left = self.decided.y, ~self.decided.dropped[part]
            part, kept, suggested, p_right = (
                known[left] for known in (part, kept, suggested, p_right)
            )
        X, y, params = act(
            self.settings.action,
            take_rows(self.X, part),
            take_rows(y, part),
            take_params(self.params, part, n_rows(self.X)),
            kept,
            suggested,
            p_right,
            self.weight_name,
        )
        left = part[kept] if n_rows(X) < len(part) else part
        estimator = clone_for_rows(self.estimator, left, n_rows(self.X))
        return fit_seeded(estimator, X, y, params, self.seed)
