"""The columns of a table as numbers that the regressions of the scorer take."""

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD

from skinfluence.cleaning.surprise._preprocessing import (
    default_preprocessor,
    text_part,
)

MAX_COLUMNS = 256


class ScorerColumns:
    """Turns a table into the matrices that regressions are trained on."""

    def fit(self, X):
        """Learn the columns of a table and return its matrices.

        Returns
        -------
        views : list of ndarray of shape (n, d)
            All columns; then, in a table with text, all but the text: if the text is
            unrelated to the target, these regressions are as good as in a table
            without it. At most MAX_COLUMNS columns each.
        """
        self.transformer = default_preprocessor(X, bring_nearer=True)[0]
        Z = self.transformer.fit_transform(X)
        text = text_part(self.transformer)[1]
        other = np.r_[: text.start, text.stop : Z.shape[1]]
        self.parts = [slice(None)]
        if 0 < len(other) < Z.shape[1]:
            self.parts.append(other)
        self.projections = []
        for part in self.parts:
            svd = None
            if Z[:, part].shape[1] > MAX_COLUMNS:
                svd = TruncatedSVD(MAX_COLUMNS, random_state=0).fit(Z[:, part])
            self.projections.append(svd)
        return self._views(Z)

    def of(self, X):
        """Return the matrices of other rows."""
        return self._views(self.transformer.transform(X))

    def _views(self, Z):
        views = []
        for part, svd in zip(self.parts, self.projections, strict=True):
            view = Z[:, part] if svd is None else svd.transform(Z[:, part])
            views.append(view.toarray() if sp.issparse(view) else np.asarray(view))
        return views


def scorer_matrix(X):
    """Return all columns as at most MAX_COLUMNS dense columns of numbers."""
    return scorer_views(X)[0]


def scorer_views(X):
    """Return the matrices that regressions are trained on; see `ScorerColumns`."""
    return ScorerColumns().fit(X)
