"""A model before and after cleaning, on held-out rows that no cleaning has touched."""

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skinfluence._sklearn import clone_for_rows, n_rows, take_rows
from skinfluence.cleaning._folds import folds
from skinfluence.cli._held_out_scores import HeldOut, remaining_mistakes
from skinfluence.cli._out_of_fold import (
    exchanged_targets,
    out_of_fold_losses,
    separation,
)


def compare(run, kept, task, seed, step):
    """Score the model of a cleaner with and without cleaning on held-out folds.

    Parameters
    ----------
    run : Cleaning
        Of the whole table; the ``cv`` of its cleaner cuts the folds, as many are
        worked on at once as its ``n_jobs`` says.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects. Without suspects nothing is cleaned in the folds either.
    task : Task
        The same table.
    seed : int
        Cuts the folds.
    step : callable
        Called after each fold.

    Returns
    -------
    held_out : HeldOut
        What both models say of the held-out rows.
    separation : float
        Of the losses before cleaning, see `separation`.
    """
    y, cleaning = task.y, not kept.all()
    exchanged = exchanged_targets(y, task.classification, seed)
    pairs = folds(y, run.cleaner.cv, task.classification, seed, task.X, task.groups)
    fold, losses = np.full(len(y), -1), np.full((3, len(y)), np.nan)
    predicted = np.stack([y, y])
    for index, ((_, test), result) in enumerate(
        zip(
            pairs,
            Parallel(n_jobs=run.cleaner.n_jobs, return_as="generator")(
                delayed(_compare_fold)(run, cleaning, task, exchanged, train, test)
                for train, test in pairs
            ),
            strict=True,
        )
    ):
        fold[test] = index
        losses[:, test], predicted[:, test] = result
        step()
    before, after, wrong = losses
    held_out = HeldOut(
        y, task.classification, task.groups, fold, np.stack([before, after]), predicted
    )
    return held_out, separation(before, wrong)


def _compare_fold(run, cleaning, task, exchanged, train, test):
    """Return losses before, after, and of exchanged targets; predictions of both."""
    y = task.y[train]
    X_test, y_test = take_rows(task.X, test), task.y[test]
    plain = clone_for_rows(run.cleaner.estimator, train, n_rows(task.X))
    plain.fit(take_rows(task.X, train), y)
    # A label that the training part lacks has no probability.
    known = (
        np.isin(exchanged[test], np.unique(y)) if task.classification else slice(None)
    )
    wrong = np.full(len(test), np.nan)
    wrong[known] = out_of_fold_losses(
        plain, take_rows(task.X, test[known]), exchanged[test][known]
    )
    before = after = out_of_fold_losses(plain, X_test, y_test)
    predicted = cleaned = plain.predict(X_test)
    if cleaning:
        rows, rows_wrong = run.value(train)
        kept = run.keep(rows, rows_wrong, y)
        model = run.train(train, kept, rows, rows_wrong)
        mistakes = remaining_mistakes(rows_wrong, kept)
        after = out_of_fold_losses(model, X_test, y_test, mistakes)
        cleaned = model.predict(X_test)
    return (before, after, wrong), (predicted, cleaned)
