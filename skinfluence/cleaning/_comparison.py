"""Scores of a model before and after cleaning, on rows that no cleaning has touched."""

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._sklearn import take_rows
from skinfluence.cleaning._baseline import (
    exchanged_targets,
    out_of_fold_losses,
    separation,
)
from skinfluence.cleaning._folds import folds


def compare(run, drop_fraction, task, seed, step):
    """Score the model of a cleaner with and without cleaning on held-out folds.

    Parameters
    ----------
    run : Cleaning
        Of the whole table; the ``cv`` of its cleaner cuts the folds, as many are
        worked on at once as its ``n_jobs`` says.
    drop_fraction : float
        Share of suspects.
    task : Task
        The same table.
    seed : int
        Cuts the folds.
    step : callable
        Called after each fold.

    Returns
    -------
    before, after : ndarray of shape (n_folds,)
        Scores.
    losses : ndarray of shape (n_samples,)
        Out-of-fold losses of the model; NaN where no fold holds the row out.
    separation : float
        Of these losses, see `separation`.
    """
    y = task.y
    exchanged = exchanged_targets(y, task.classification, seed)
    pairs = folds(y, run.cleaner.cv, task.classification, seed, task.X, task.groups)
    results = []
    for result in Parallel(n_jobs=run.cleaner.n_jobs, return_as="generator")(
        delayed(_compare_fold)(run, drop_fraction, task, exchanged, train, test)
        for train, test in pairs
    ):
        results.append(result)
        step()
    before, after, *losses = zip(*results, strict=True)
    held_out = np.concatenate([test for _, test in pairs])
    plain, wrong = np.full((2, len(y)), np.nan)
    plain[held_out], wrong[held_out] = map(np.concatenate, losses)
    return np.array(before), np.array(after), plain, separation(plain, wrong)


def _compare_fold(run, drop_fraction, task, exchanged, train, test):
    y = task.y[train]
    X_test, y_test = take_rows(task.X, test), task.y[test]
    plain = clone(run.cleaner.estimator).fit(take_rows(task.X, train), y)
    # A label that the training part lacks has no probability.
    known = (
        np.isin(exchanged[test], np.unique(y)) if task.classification else slice(None)
    )
    exchanged_losses = np.full(len(test), np.nan)
    exchanged_losses[known] = out_of_fold_losses(
        plain, take_rows(task.X, test[known]), exchanged[test][known]
    )
    before = after = plain.score(X_test, y_test)
    if drop_fraction > 0:
        rows, wrong = run.value(train)
        kept = run.keep(rows.values, y, drop_fraction)
        after = run.train(train, kept, rows, wrong).score(X_test, y_test)
    losses = out_of_fold_losses(plain, X_test, y_test)
    return before, after, losses, exchanged_losses
