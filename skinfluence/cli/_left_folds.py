"""Folds of a table or of a sample of its rows, also without the rows of verdicts."""

from dataclasses import replace

import numpy as np

from skinfluence._sklearn import take_rows
from skinfluence.cleaning._folds import folds

# Most rows on which scores are compared: every fold fits all models again.
MOST_COMPARED = 25_000


def folds_of(task, y, cleaning, seed):
    """Cut the rows, or a random sample of a large table, into training and test parts.

    Parameters
    ----------
    task : Task
        The table.
    y : ndarray of shape (n_samples,)
        Its targets, after verdicts.
    cleaning : Cleaning
        Of the whole table. Its settings say ``cv`` and ``subsample``.
    seed : int
        Seed of the folds and of the sample.

    Returns
    -------
    folds : list of (ndarray, ndarray)
        Training and test rows.
    """
    settings, n = cleaning.settings, len(y)
    if settings.subsample is None or n <= settings.subsample:
        return folds(y, settings.cv, task.classification, seed, task.X, task.groups)
    few = min(settings.subsample, MOST_COMPARED)
    rows = np.sort(np.random.default_rng(seed).choice(n, few, replace=False))
    pairs = folds(
        y[rows], settings.cv, task.classification, seed, take_rows(task.X, rows)
    )
    return [(rows[train], rows[test]) for train, test in pairs]


def left_folds(task, cleaning, seed):
    """Cut the rows that verdicts leave into training and test parts.

    Parameters
    ----------
    task : Task
        The table.
    cleaning : Cleaning
        Of the whole table: its ``cv`` and verdicts hold.
    seed : int
        Seed of the folds.

    Returns
    -------
    task : Task
        With targets after the verdicts; rows to drop are still in it.
    folds : list of (ndarray, ndarray)
        Training and test rows, without those to drop.
    """
    decided = cleaning.decided
    if decided is not None:
        task = replace(task, y=decided.y)
    pairs = folds_of(task, task.y, cleaning, seed)
    if decided is not None:
        pairs = [tuple(rows[~decided.dropped[rows]] for rows in pair) for pair in pairs]
    return task, pairs
