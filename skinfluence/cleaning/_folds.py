"""Shuffled folds that small and uneven training sets can be cut into."""

import warnings

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)


def folds(y, cv, classification, seed, X=None, groups=None):
    """Cut the rows into training and test parts.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    cv : int, splitter or iterable
        A number means shuffled folds, stratified for classifiers with one label a
        row: no more of them than the largest class has rows.
    classification : bool
        Whether y holds labels.
    seed : int
        Shuffles the folds where ``cv`` is a number.
    X : array-like of shape (n_samples, n_features), default=None
        For splitters that look at it.

    groups : array-like of shape (n_samples,), default=None
        Rows of one group are never on both sides of a fold, where ``cv`` is a number
        or a splitter that looks at groups.

    Returns
    -------
    folds : list of (ndarray, ndarray)
        Training and test rows. A row whose class the training part would lack is
        moved there: no model could judge it. With groups or a splitter, whose training
        parts are as they must be, it is only left out. A fold without test rows is
        left out too.

    Examples
    --------
    >>> from skinfluence.cleaning._folds import folds
    >>> [test.size for train, test in folds([0, 0, 0, 1, 1], 5, True, seed=0)]
    [2, 2, 1]
    """
    y = np.asarray(y)
    labels = classification and (y.ndim == 1 or y.shape[1] == 1)
    number = isinstance(cv, int | np.integer)
    if number and groups is None:
        cv = _splitter(y.ravel() if labels else None, len(y), int(cv), seed)
    elif number:
        cv = _group_splitter(groups, int(cv), labels, seed)
    else:
        cv = check_cv(cv)
    with warnings.catch_warnings():
        # A class smaller than the number of folds is in fewer test parts: so be it.
        warnings.filterwarnings("ignore", "The least populated class")
        pairs = list(cv.split(np.zeros(len(y)) if X is None else X, y, groups))
    if labels:  # numbers compare faster than text
        index = np.unique(y.ravel(), return_inverse=True)[1]
    out = []
    for train, test in pairs:
        train, test = np.asarray(train), np.asarray(test)
        if labels:
            lost = ~np.isin(index[test], index[train])
            if number and groups is None:
                train = np.concatenate([train, test[lost]])
            test = test[~lost]
        if len(test):
            out.append((train, test))
    return out


def _splitter(y, n, n_splits, seed):
    splitter = KFold
    if y is not None:
        most = np.unique(y, return_counts=True)[1].max()
        if most > 1:
            splitter, n = StratifiedKFold, most
    return splitter(min(n_splits, n), shuffle=True, random_state=seed)


def _group_splitter(groups, n_splits, labels, seed):
    n_groups = len(np.unique(np.asarray(groups)))
    if n_groups < 2:
        raise ValueError(
            "The 'groups' parameter must name at least two groups, so that one can be "
            f"held out. Got {n_groups}. Pass groups=None to hold out rows."
        )
    splitter = StratifiedGroupKFold if labels else GroupKFold
    return splitter(min(n_splits, n_groups), shuffle=True, random_state=seed)


def fixed_splits(cv):
    """Tell whether ``cv`` is a list of splits, which fits one table only."""
    return not (isinstance(cv, int | np.integer) or hasattr(cv, "split"))
