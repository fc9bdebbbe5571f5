"""The nearest rows that agree with what a model says of a suspect."""

import numpy as np

from skinfluence.cleaning._scorer import scorer_matrix

# Numbers agree within this many standard deviations of the target.
CLOSE = 0.25


def nearest_agreeing(X, y, suspects, kept, classification, n_rows, n_shown):
    """Return, for the first suspects, the nearest kept rows with the suggested target.

    Parameters
    ----------
    X, y : DataFrame, ndarray
        All rows.
    suspects : Bunch
        See `InfluenceCleaner.suspects_`.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects, which vouch for nothing.
    classification : bool
        Whether y holds labels.
    n_rows : int
        Neighbours of each.
    n_shown : int
        Suspects.

    Returns
    -------
    neighbours : list of ndarray of int
        By Euclidean distance between prepared columns; fewer where fewer agree.
    """
    Z = scorer_matrix(X)
    candidates = np.flatnonzero(kept)
    out = []
    for row, suggested in zip(
        suspects.row[:n_shown], suspects.suggested[:n_shown], strict=True
    ):
        if classification:
            agree = candidates[y[candidates] == suggested]
        else:
            agree = candidates[abs(y[candidates] - suggested) <= CLOSE * y.std()]
        distance = ((Z[agree] - Z[row]) ** 2).sum(axis=1)
        out.append(agree[distance.argsort(kind="stable")[:n_rows]])
    return out
