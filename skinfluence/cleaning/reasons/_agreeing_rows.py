"""The evidence against a suspect: similar rows that have the suggested target."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skinfluence.cleaning.surprise._preprocessing import default_preprocessor


def nearest_agreeing_rows(X, y, suggested, rows, kept, n_neighbors, classification):
    """Find the rows nearest to each suspect that agree with its suggested target.

    Distances are computed from the columns as preprocessed for the fixed scorer. Other
    suspects are left out.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Table.
    y : ndarray of shape (n_samples,)
        Targets as given.
    suggested : ndarray of shape (n_samples,)
        Targets that models without the row predict.
    rows : ndarray of int, shape (n_rows,)
        Positions of the suspects.
    kept : ndarray of bool, shape (n_samples,)
        False for suspects.
    n_neighbors : int
        Largest number of neighbors of each suspect.
    classification : bool
        Whether targets are labels. Only equal labels agree; all numbers do.

    Returns
    -------
    neighbors : list of n_rows ndarrays of int
        Nearest first; never the row itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.reasons._agreeing_rows import nearest_agreeing_rows
    >>> X, y = np.arange(5.0)[:, None], np.array([0, 0, 1, 0, 1])
    >>> kept = np.array([True, True, False, True, True])
    >>> nearest_agreeing_rows(X, y, y * 0, np.array([2]), kept, 2, True)
    [array([1, 3])]
    """
    Z = default_preprocessor(X)[0].fit_transform(X)
    found = [np.empty(0, dtype=int)] * len(rows)
    wanted = suggested[rows] if classification else np.zeros(len(rows))
    for target in np.unique(wanted):
        agrees = kept & (y == target) if classification else kept
        candidates = np.flatnonzero(agrees)
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
