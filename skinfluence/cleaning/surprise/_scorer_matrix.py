"""The columns of a table as numbers that the regressions of the scorer take."""

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD

from skinfluence.cleaning.surprise._preprocessing import default_preprocessor, text_part

MAX_COLUMNS = 256


def scorer_matrix(X):
    """Return all columns as at most MAX_COLUMNS dense columns of numbers."""
    return scorer_views(X)[0]


def scorer_views(X):
    """Return the matrices that regressions are trained on.

    Returns
    -------
    views : list of ndarray of shape (n, d)
        All columns; then, in a table with text, those without it: where the text says
        nothing of the target, regressions on the others are as good as they would be
        in a table without the text. At most MAX_COLUMNS columns each.
    """
    transformer = default_preprocessor(X, bring_nearer=True)[0]
    Z = transformer.fit_transform(X)
    text = text_part(transformer)[1]
    other = np.r_[: text.start, text.stop : Z.shape[1]]
    views = [_at_most(Z)]
    if 0 < len(other) < Z.shape[1]:
        views.append(_at_most(Z[:, other]))
    return views


def _at_most(Z):
    if Z.shape[1] > MAX_COLUMNS:
        Z = TruncatedSVD(MAX_COLUMNS, random_state=0).fit_transform(Z)
    return Z.toarray() if sp.issparse(Z) else np.asarray(Z)
