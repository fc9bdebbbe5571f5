"""What a blamed cell should be, and what is predicted once it is that.

The cell gets the value of a donor: of the reference rows the one whose scores of that
column are nearest to the expected ones, in units of their covariance given the rest of
the row, among those with another value. So the suggestion is a value that the column
has, the likeliest. (In other units the category without an indicator would be near to
all expectations.) Then the stack of ridge regressions of the
fixed scorer is fitted once, to reference rows and all repaired rows, and says of every
repaired row what it predicts without it.
"""

import numpy as np

from skinfluence.cleaning.surprise._stacked_ridge import StackedRidge

# Of the reference rows whose error is not unusual.
USUAL = 0.9
MAX_REFERENCE = 5_000


def repaired(table, n_reference, expected, precision, blocks, missing=None):
    """Give blamed cells the values of donors.

    Parameters
    ----------
    table, n_reference, expected, precision
        As in `contradictions`.
    blocks : ndarray of int, shape (m,)
        The blamed column of each row.
    missing : ndarray of bool, shape (n_reference, n_columns), default=None
        Empty cells of the reference rows, which are no donors.

    Returns
    -------
    donors : ndarray of int, shape (m,)
        Positions among the reference rows; -1 where none has another value.
    scores : ndarray of shape (m, p)
        Of the repaired rows.
    """
    reference, scores = table.scores[:n_reference], table.scores[n_reference:].copy()
    donors = np.empty(len(scores), dtype=int)
    for i, j in enumerate(blocks):
        block = table.blocks[j]
        apart = reference[:, block] - expected[i, block]
        away = ((apart @ precision[block, block]) * apart).sum(axis=1)
        same = (reference[:, block] == scores[i, block]).all(axis=1)
        barred = same if missing is None else same | missing[:, j]
        if barred.all():
            donors[i] = -1
            continue
        donors[i] = np.where(barred, np.inf, away).argmin()
        scores[i, block] = reference[donors[i], block]
    return donors, scores


def as_given(table, n_reference, scores, y, classification):
    """Tell which rows are predicted as given once they are repaired.

    Parameters
    ----------
    table, n_reference
        As in `contradictions`.
    scores : ndarray of shape (m, p)
        The m rows repaired.
    y : ndarray of shape (n_reference + m,)
        Targets as given.
    classification : bool
        Whether y holds labels.

    Returns
    -------
    usual : ndarray of bool, shape (m,)
        Labels: the given one is predicted. Numbers: the error is not larger than that
        of 90% of the reference rows.
    """
    n = min(n_reference, MAX_REFERENCE)
    some = np.random.default_rng(0).permutation(n_reference)[:n]
    Z = np.vstack([table.scores[some], scores])[:, : table.n_features]
    y = np.concatenate([y[some], y[n_reference:]])
    spread = Z.std(axis=0)
    Z = (Z - Z.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if classification:
        index = np.unique(y, return_inverse=True)[1]
        said = StackedRidge(Z, np.eye(index.max() + 1)[index]).predictions
        return (said.argmax(axis=1) == index)[n:]
    error = np.abs(StackedRidge(Z, y[:, np.newaxis]).predictions[:, 0] - y)
    return error[n:] <= np.quantile(error[:n], USUAL)
