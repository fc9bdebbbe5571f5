"""Comparison of a model before and after cleaning, on held-out rows not cleaned."""

import numpy as np
from sklearn.utils.parallel import delayed

from skinfluence._sklearn import clone_for_rows, n_rows, take_rows
from skinfluence._threads import Parallel
from skinfluence.cli._held_out_scores import (
    HeldOut,
    among_classes,
    remaining_mistakes,
)
from skinfluence.cli._left_folds import folds_of
from skinfluence.cli._out_of_fold import (
    exchanged_targets,
    out_of_fold_losses,
    separation,
)


def compare(cleaning, kept, task, seed, step):
    """Score a model with and without cleaning on held-out folds.

    Parameters
    ----------
    cleaning : Cleaning
        Cleaning of the whole table. The ``cv`` of its settings defines the folds, and
        ``n_jobs`` the number of folds in parallel.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects. Without suspects and verdicts nothing is cleaned in the
        folds either.
    task : Task
        The same table. Held-out rows are those that verdicts leave, with their targets
        after them.
    seed : int
        Seed of the folds.
    step : callable
        Called after each fold.

    Returns
    -------
    held_out : HeldOut
        Predictions of the held-out rows by both models. A row whose label one of the
        two has not seen, because verdicts made or removed the label, is held out by no
        fold.
    separation : float
        The `separation` of the losses before cleaning, without the rows that a verdict
        calls wrong.
    """
    y, decided = task.y, cleaning.decided
    any_suspect = not kept.all() or decided is not None
    if decided is not None:
        y = decided.y
    exchanged = exchanged_targets(y, task.classification, seed)
    pairs = folds_of(task, y, cleaning, seed)
    fold, losses = np.full(len(y), -1), np.full((3, len(y)), np.nan)
    predicted = np.stack([y, y])
    for index, ((_, test), result) in enumerate(
        zip(
            pairs,
            Parallel(n_jobs=cleaning.settings.n_jobs, return_as="generator")(
                # Not the task: the cells of the file would be copied to every process.
                delayed(_compare_fold)(cleaning, any_suspect, y, exchanged, train, test)
                for train, test in pairs
            ),
            strict=True,
        )
    ):
        fold[test] = index
        losses[:, test], predicted[:, test] = result
        step()
    if decided is not None:
        gone = decided.dropped | np.isnan(losses[:2]).any(axis=0)
        fold[gone], losses[:, gone] = -1, np.nan
    before, after, exchanged_losses = losses
    held_out = HeldOut(
        y, task.classification, task.groups, fold, np.stack([before, after]), predicted
    )
    judged = slice(None) if decided is None else ~decided.wrong
    return held_out, separation(before[judged], exchanged_losses[judged])


def _compare_fold(cleaning, any_suspect, targets, exchanged, train, test):
    """Return losses before, after, and of exchanged targets, and both predictions."""
    X, y, classification = cleaning.X, cleaning.y[train], cleaning.classification
    X_test, y_test = take_rows(X, test), targets[test]
    plain = clone_for_rows(cleaning.estimator, train, n_rows(X))
    plain.fit(take_rows(X, train), y)
    # A label that is not in the training part has no probability.
    known = np.isin(exchanged[test], np.unique(y)) if classification else slice(None)
    wrong = np.full(len(test), np.nan)
    wrong[known] = out_of_fold_losses(
        plain, take_rows(X, test[known]), exchanged[test][known]
    )
    before = after = _known_losses(plain, X_test, y_test)
    predicted = cleaned = plain.predict(X_test)
    if any_suspect:
        model, judged = cleaning.train_part(train)
        mistakes = remaining_mistakes(judged.wrong, judged.kept)
        if mistakes is not None:
            mistakes = among_classes(mistakes, np.unique(y), model.classes_)
        after = _known_losses(model, X_test, y_test, mistakes)
        cleaned = model.predict(X_test)
    return (before, after, wrong), (predicted, cleaned)


def _known_losses(model, X, y, mistakes=None):
    """Loss of every row; NaN where the model does not know the label."""
    losses, known = np.full(len(y), np.nan), slice(None)
    if hasattr(model, "classes_"):
        known = np.flatnonzero(np.isin(y, model.classes_))
        if not len(known):
            return losses
        X = take_rows(X, known)
    losses[known] = out_of_fold_losses(model, X, y[known], mistakes)
    return losses
