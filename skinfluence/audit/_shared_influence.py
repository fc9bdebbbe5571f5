"""How much of the influence on a plain model is held by some rows."""

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from skinfluence.cleaning.surprise._preprocessing import default_preprocessor
from skinfluence.retraining import LeaveOneOutInfluence

MAX_ROWS = 5_000


def influence_share(X, y, rows, classification):
    """Return the share of some rows in the self-influence of all.

    The self-influence of a row is the rise of its own loss when the row is left out.
    That of a row with a copy is small, since the copy stays. Columns are prepared once,
    with all rows.

    Parameters
    ----------
    X : DataFrame of shape (n, d)
        Features.
    y : array-like of shape (n,)
        Targets.
    rows : ndarray of bool, shape (n,)
        Which rows.
    classification : bool
        Whether y holds labels.

    Returns
    -------
    share : float or None
        None for tables of more than `MAX_ROWS` rows.
    """
    if len(X) > MAX_ROWS:
        return None
    preprocessor, _ = default_preprocessor(X)
    model = LogisticRegression(max_iter=1000) if classification else Ridge()
    # The preprocessing is not repeated without the row: rows with a rare category would
    # need a refit each.
    features = preprocessor.fit_transform(X)
    influence = LeaveOneOutInfluence(model, solver="exact", tol=1e-4)
    values = np.abs(influence.fit(features, y).self_influence())
    return float(values[rows].sum() / values.sum())
