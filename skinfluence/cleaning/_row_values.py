"""The value of every training row."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.parallel import delayed

from skinfluence._counts import counted
from skinfluence._disk_entries import check_folder, open_entries, versions
from skinfluence._memory import check_memory
from skinfluence._sklearn import (
    clone_for_rows,
    fresh_seed,
    n_rows,
    seed_estimator,
    take_params,
    take_rows,
)
from skinfluence._skorch import jobs_of_training
from skinfluence._threads import Parallel, worker_threads
from skinfluence.cleaning._flagged import OUT_OF_BAG
from skinfluence.cleaning._folds import folds
from skinfluence.cleaning.surprise._row_scores import RowScores
from skinfluence.cleaning.surprise._scorer import score_rows
from skinfluence.retraining.engine import check_trainable


@dataclass(frozen=True)
class RowValues:
    """The values of the rows before any is dropped.

    Attributes
    ----------
    values : ndarray of shape (n_samples,)
        Low = suspect. NaN where no fold judges the row.
    standard_error : ndarray of shape (n_samples,) or None
        Standard error of the values over the folds; None without folds.
    scores : RowScores
        Results of the fixed scorer, which has the values unless there is an influence.
    """

    values: np.ndarray
    standard_error: np.ndarray | None
    scores: RowScores

    @property
    def of_influence(self):
        """Whether an influence estimator values the rows."""
        return self.values is not self.scores.values


def value_rows(
    X,
    y,
    *,
    classification,
    influence,
    influence_params,
    cv,
    groups,
    memory,
    n_jobs,
    random_state,
    subsample=None,
):
    """Value every row, by the fixed scorer or by influence on held-out folds.

    `OutOfBagInfluence` and `TreeInfluence` need no folds: their models hold rows out
    by themselves.

    Parameters
    ----------
    X, y : array-like
        Training rows.
    classification : bool
        Whether y holds labels.
    influence : influence estimator or None
        None is `score_rows`.
    influence_params : dict
        Passed to ``influence.fit``; entries with one element per row are indexed.
    cv : int, splitter or iterable
        See `folds`. The fixed scorer leaves out single rows where it is a number.
    groups : array-like of shape (n_samples,) or None
        See `folds`.
    memory : path, joblib.Memory or None
        Keeps the values. The entries are pickles: name no folder that others can
        write to. Without a ``random_state`` any seed is as good as another,
        and values from an earlier one are taken.
    n_jobs : int or None
        Folds valued at once, and threads of the fixed scorer.
    random_state : int, RandomState or None
        Shuffles the folds and seeds ``influence``.
    subsample : int, default=None
        Rows that the fixed scorer's models are fitted to, see `score_rows`.

    Returns
    -------
    values : RowValues
    """
    X, y = indexable(X, y)
    check_trainable(getattr(influence, "estimator", None), X, y)
    check_folder(memory)
    kept = _keeper(memory)
    pairs = None
    if groups is not None or not isinstance(cv, int | np.integer):
        pairs = folds(y, cv, classification, 0, X, groups)
    with worker_threads(n_jobs):
        scores = kept(_fixed_scores, X, y, classification, pairs, subsample, versions())
    if influence is None:
        return RowValues(scores.values, None, scores)
    if isinstance(influence, OUT_OF_BAG):
        values = kept(
            _out_of_bag_values,
            X,
            y,
            influence,
            influence_params,
            fresh_seed(random_state),
            versions(influence),
        )
        return RowValues(values, None, scores)
    if isinstance(random_state, np.random.RandomState):
        random_state = fresh_seed(random_state)
    values, error = kept(
        _held_out_values,
        X,
        y,
        classification,
        influence,
        influence_params,
        cv,
        groups,
        random_state,
        versions(influence),
        n_jobs=n_jobs,
    )
    return RowValues(values, error, scores)


def _keeper(memory):
    """Return a function that calls another, or finds its result on disk.

    By its positional arguments, the versions of libraries among them: keyword
    arguments do not change the result.
    """
    entries = open_entries(memory)

    def kept(function, *args, **kwargs):
        if entries is None:
            return function(*args, **kwargs)
        result = entries.cache(function, ignore=kwargs)(*args, **kwargs)
        entries.tell()
        return result

    return kept


def _fixed_scores(X, y, classification, pairs, subsample, versions):
    return score_rows(X, y, classification, pairs, subsample)


def _out_of_bag_values(X, y, influence, influence_params, seed, versions):
    influence = seed_estimator(clone(influence), seed)
    return influence.fit(X, y, **influence_params).oob_values_


def _held_out_values(
    X,
    y,
    classification,
    influence,
    influence_params,
    cv,
    groups,
    random_state,
    versions,
    n_jobs=None,
):
    """Mean and standard error over the folds in whose training part the row was."""
    n, seed = n_rows(X), fresh_seed(random_state)
    pairs = folds(y, cv, classification, seed, X, groups)
    check_memory(
        16 * len(pairs) * n,
        f"The values of {n} rows in {len(pairs)} folds",
        "Use fewer folds.",
    )
    results = Parallel(n_jobs=jobs_of_training(influence, n_jobs))(
        delayed(_fold_values)(
            seed_estimator(clone_for_rows(influence, train, n), seed, index),
            X,
            y,
            take_params(influence_params, train, n),
            train,
            test,
        )
        for index, (train, test) in enumerate(pairs)
    )
    of_fold = np.full((len(pairs), n), np.nan)
    for row, (train, _), values in zip(of_fold, pairs, results, strict=True):
        row[train] = values
    count = (~np.isnan(of_fold)).sum(axis=0)
    if not count.any():
        raise ValueError(
            "The 'cv' parameter must make folds with rows to train on and rows to "
            f"test on. Got {counted(len(pairs), 'fold')} and no row measured. Use more "
            "folds."
        )
    values = np.nansum(of_fold, axis=0) / np.where(count, count, np.nan)
    spread = np.nansum((of_fold - values) ** 2, axis=0)
    few = np.where(count > 1, count, np.nan)
    return values, np.sqrt(spread / (few - 1) / few)


def _fold_values(influence, X, y, params, train, test):
    influence.fit(take_rows(X, train), take_rows(y, train), **params)
    return influence.sample_values(take_rows(X, test), take_rows(y, test))
