"""Similar rows that agree with a target: the evidence for it."""

import numpy as np
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from skinfluence.cleaning.surprise._preprocessing import default_preprocessor

BATCH = 50


def nearest_rows_of_labels(X, y, wanted, rows, kept, n_neighbors):
    """Find the rows nearest to each suspect that have a certain label.

    Distances are computed from the columns as preprocessed for the fixed scorer. Other
    suspects are left out.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Table.
    y : ndarray of shape (n_samples,)
        Labels as given.
    wanted : ndarray of shape (n_rows,)
        The label to look for, for each suspect.
    rows : ndarray of int, shape (n_rows,)
        Positions of the suspects.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.
    n_neighbors : int
        Largest number of neighbors of each suspect.

    Returns
    -------
    neighbors : list of n_rows ndarrays of int
        Nearest first; never the row itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.reasons._agreeing_rows import nearest_rows_of_labels
    >>> X, y = np.arange(5.0)[:, None], np.array([0, 0, 1, 0, 1])
    >>> kept = np.array([True, True, False, True, True])
    >>> nearest_rows_of_labels(X, y, np.array([0]), np.array([2]), kept, 2)
    [array([1, 3])]
    """
    Z = default_preprocessor(X, bring_nearer=True)[0].fit_transform(X)
    found = [np.empty(0, dtype=int)] * len(rows)
    for target in np.unique(wanted):
        candidates = np.flatnonzero(kept & (y == target))
        asked = np.flatnonzero(wanted == target)
        if not len(candidates):
            continue
        # One more, since a suspect may be its own nearest neighbor.
        n = min(n_neighbors + 1, len(candidates))
        model = NearestNeighbors(n_neighbors=n).fit(Z[candidates])
        nearest = model.kneighbors(Z[rows[asked]], return_distance=False)
        for i, neighbors in zip(asked, candidates[nearest], strict=True):
            found[i] = neighbors[neighbors != rows[i]][:n_neighbors]
    return found


def nearest_rows_of_numbers(X, y, wanted, other, rows, kept, n_neighbors):
    """Find the rows nearest to each suspect whose number is nearer to one of two.

    Parameters
    ----------
    X, y, rows, kept, n_neighbors
        As in `nearest_rows_of_labels`; ``y`` holds numbers.
    wanted, other : ndarray of shape (n_rows,)
        The number to be near to, and the one to be less near to.

    Returns
    -------
    neighbors : list of n_rows ndarrays of int
        Nearest first; never the row itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.reasons._agreeing_rows import nearest_rows_of_numbers
    >>> X, y = np.arange(5.0)[:, None], np.array([1.0, 2.0, 9.0, 3.0, 8.0])
    >>> kept = np.array([True, True, False, True, True])
    >>> nearest_rows_of_numbers(X, y, [9.0], [2.5], np.array([2]), kept, 2)
    [array([4])]
    """
    Z = default_preprocessor(X, bring_nearer=True)[0].fit_transform(X)
    wanted, other = np.asarray(wanted), np.asarray(other)
    candidates, found = np.flatnonzero(kept), []
    if not len(candidates) or not len(rows):  # batches need a row
        return [candidates] * len(rows)
    for batch in gen_batches(len(rows), BATCH):
        away = euclidean_distances(Z[rows[batch]], Z[candidates])
        target = y[candidates]
        near = np.abs(target - wanted[batch, np.newaxis])
        agrees = near < np.abs(target - other[batch, np.newaxis])
        agrees &= candidates != rows[batch, np.newaxis]
        away[~agrees] = np.inf
        n = min(n_neighbors, len(candidates))
        best = away.argpartition(n - 1, axis=1)[:, :n]
        for line, few in zip(away, best, strict=True):
            few = few[line[few].argsort(kind="stable")]
            found.append(candidates[few[np.isfinite(line[few])]])
    return found


def agreeing_rows(X, y, wanted, other, rows, kept, n_neighbors, classification):
    """Find the nearest rows that agree with a target rather than with another.

    Parameters
    ----------
    X, y, wanted, other, rows, kept, n_neighbors
        As in the two functions above.
    classification : bool
        Whether targets are labels.

    Returns
    -------
    neighbors : list of n_rows ndarrays of int
    """
    if classification:
        return nearest_rows_of_labels(X, y, wanted, rows, kept, n_neighbors)
    return nearest_rows_of_numbers(X, y, wanted, other, rows, kept, n_neighbors)
