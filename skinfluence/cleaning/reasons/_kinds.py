"""The kind of a row: duplicate, conflict, outlier, member of a rare class."""

import numpy as np

from skinfluence._sklearn import take_columns
from skinfluence.cleaning.surprise._preprocessing import as_text

# Farther from the others than this share of the reference rows.
FAR = 0.99
# A class with fewer rows than folds cannot be measured; with a few dozen it can, badly.
N_FOLDS, FEW = 5, 50


def rare(counts):
    """Tell which classes have too few rows to be learnt or measured.

    Parameters
    ----------
    counts : ndarray of int, shape (n_classes,)
        Rows of each class.

    Returns
    -------
    rare : ndarray of bool, shape (n_classes,)
        Fewer than 50 rows and than a quarter of an equal share, or than 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.reasons._kinds import rare
    >>> rare(np.array([970, 30, 900, 100, 4]))
    array([False,  True, False, False,  True])
    """
    few = min(FEW, counts.sum() / (4 * len(counts)))
    return (counts < few) | (counts < N_FOLDS)


def rare_classes(y, rows):
    """Tell which rows have a label of a rare class."""
    index, counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
    return rare(counts)[index[rows]]


def far(distances, n_reference):
    """Tell which rows are farther away than 99% of the reference rows.

    Parameters
    ----------
    distances : ndarray of shape (n_reference + m,)
        Of the reference rows, then of m others.
    n_reference : int
        Number of the first.

    Returns
    -------
    far : ndarray of bool, shape (m,)
    """
    return distances[n_reference:] > np.quantile(distances[:n_reference], FAR)


def repeated(X, y, positions, rows):
    """Tell which rows have an equal one, with the same target and with another.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Table.
    y : ndarray of shape (n_samples,)
        Targets.
    positions : ndarray of int
        The columns that count.
    rows : ndarray of int, shape (m,)
        Rows to look at.

    Returns
    -------
    duplicate, conflict : ndarray of bool, shape (m,)
    """
    columns = [_codes(np.asarray(take_columns(X, int(j)))) for j in positions]
    duplicate = np.zeros(len(rows), dtype=bool)
    conflict = np.zeros(len(rows), dtype=bool)
    for k, row in enumerate(rows):
        equal = np.arange(len(y))
        for codes in columns:
            equal = equal[codes[equal] == codes[row]]
            if len(equal) == 1:
                break
        same = y[equal] == y[row]
        duplicate[k], conflict[k] = same.sum() > 1, not same.all()
    return duplicate, conflict


def _codes(values):
    """Equal integers for equal values, missing ones among them."""
    if values.dtype.kind == "O":
        values = as_text(values)
    return np.unique(values, return_inverse=True)[1]
