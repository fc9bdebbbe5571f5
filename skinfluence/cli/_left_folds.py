"""Folds of the rows that verdicts leave."""

from dataclasses import replace

from skinfluence.cleaning._folds import folds


def left_folds(task, cleaning, seed):
    """Cut the rows that verdicts leave into training and test parts.

    Parameters
    ----------
    task : Task
        The table.
    cleaning : Cleaning
        Of the whole table: its ``cv`` and verdicts hold.
    seed : int
        Of the folds.

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
    pairs = folds(
        task.y, cleaning.settings.cv, task.classification, seed, task.X, task.groups
    )
    if decided is not None:
        pairs = [tuple(rows[~decided.dropped[rows]] for rows in pair) for pair in pairs]
    return task, pairs
