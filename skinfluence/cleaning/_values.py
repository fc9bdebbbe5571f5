"""The value of every training row, and which rows are worth keeping."""

import os

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from skinfluence._sklearn import (
    fresh_seed,
    n_rows,
    seed_estimator,
    take_params,
    take_rows,
)
from skinfluence.cleaning._folds import folds
from skinfluence.cleaning._scorer import score_rows
from skinfluence.retraining import OutOfBagInfluence


def value_rows(
    X,
    y,
    *,
    classification,
    influence,
    influence_params,
    cv,
    memory,
    n_jobs,
    random_state,
):
    """Value every row, by the fixed scorer or by influence on held-out folds.

    `OutOfBagInfluence` needs no folds: its ensemble holds rows out by itself.

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
        See `folds`.
    memory : path, joblib.Memory or None
        Keeps the values. Without a ``random_state`` any seed is as good as another,
        and values from an earlier one are taken.
    n_jobs : int or None
        Folds valued at once.
    random_state : int, RandomState or None
        Shuffles the folds and seeds ``influence``.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Low = suspect.
    """
    X, y = indexable(X, y)
    if influence is None:
        compute, arguments = _fixed_values, (X, y, classification)
    elif isinstance(influence, OutOfBagInfluence):
        compute = _out_of_bag_values
        arguments = (X, y, influence, influence_params, fresh_seed(random_state))
    else:
        if isinstance(random_state, np.random.RandomState):
            random_state = fresh_seed(random_state)
        compute = _held_out_values
        arguments = (
            X,
            y,
            classification,
            influence,
            influence_params,
            cv,
            random_state,
        )
    if isinstance(memory, os.PathLike):
        memory = os.fspath(memory)
    cached = check_memory(memory).cache(compute, ignore=["n_jobs"])
    return cached(*arguments, n_jobs=n_jobs)


def _fixed_values(X, y, classification, n_jobs=None):
    return score_rows(X, y, classification).values


def _out_of_bag_values(X, y, influence, influence_params, seed, n_jobs=None):
    influence = seed_estimator(clone(influence), seed)
    return influence.fit(X, y, **influence_params).oob_values_


def _held_out_values(
    X, y, classification, influence, influence_params, cv, random_state, n_jobs=None
):
    """Mean over the folds in whose training part the row was."""
    n, seed = n_rows(X), fresh_seed(random_state)
    pairs = folds(y, cv, classification, seed, X)
    results = Parallel(n_jobs=n_jobs)(
        delayed(_fold_values)(
            seed_estimator(clone(influence), seed, index),
            X,
            y,
            take_params(influence_params, train, n),
            train,
            test,
        )
        for index, (train, test) in enumerate(pairs)
    )
    total, count = np.zeros(n), np.zeros(n)
    for (train, _), values in zip(pairs, results, strict=True):
        total[train] += values
        count[train] += 1
    if not count.all():
        raise ValueError(
            "The 'cv' parameter must put every row into the training part of some "
            f"fold. Got {len(pairs)} fold(s), none of which trains on "
            f"{int((count == 0).sum())} of the {n} rows: they have no influence to "
            "measure. Use more folds."
        )
    return total / count


def _fold_values(influence, X, y, params, train, test):
    influence.fit(take_rows(X, train), take_rows(y, train), **params)
    return influence.sample_values(take_rows(X, test), take_rows(y, test))


def kept_rows(values, y, drop_fraction, classification):
    """Keep all but the lowest values, and the best row of every class.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Low = suspect.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    drop_fraction : float
        The share to drop, rounded down to whole rows.
    classification : bool
        Whether y holds labels.

    Returns
    -------
    mask : ndarray of bool, shape (n_samples,)
        True = kept.

    Examples
    --------
    >>> from skinfluence.cleaning._values import kept_rows
    >>> kept_rows([-3, -2, -1, 0], ["a", "b", "b", "b"], 0.5, True)
    array([ True, False, False,  True])
    """
    values, y = np.asarray(values), np.asarray(y)
    mask = np.ones(len(values), dtype=bool)
    order = np.argsort(values, kind="stable")
    n_drop = int(drop_fraction * len(values) + 1e-9)  # 0.29 of 100 rows is 29
    if classification:
        protected = np.zeros(len(values), dtype=bool)
        for labels in y.reshape(len(y), -1).T:
            from_best = order[::-1]
            _, first = np.unique(labels[from_best], return_index=True)
            protected[from_best[first]] = True
        order = order[~protected[order]]
    mask[order[:n_drop]] = False
    return mask
