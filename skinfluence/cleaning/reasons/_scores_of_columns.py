"""A table and its target as normal scores and indicators, a block for every column."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from skinfluence._sklearn import take_columns
from skinfluence.cleaning.surprise._preprocessing import text_columns
from skinfluence.cleaning.surprise._text_columns import TextComponents
from skinfluence.cleaning.surprise._tree_columns import tree_columns

MAX_COLUMNS = 256
# Components of a text: with more, a right text is more often blamed for a wrong number.
N_COMPONENTS = 40
# All categories counted; a covariance of more takes long to invert.
MAX_SCORES = 1_500
WITHOUT_SCORES = (
    f"this needs a table of at most {MAX_COLUMNS} columns and {MAX_SCORES:,} "
    "categories, not texts or a sparse matrix"
)
# Beyond the values of the reference a score grows by at most so much.
MAX_BEYOND = 4.0


@dataclass(frozen=True)
class ScoresOfColumns:
    """Rows as scores.

    Attributes
    ----------
    scores : ndarray of shape (n, p)
        Of reference rows and of the rows that are asked for.
    blocks : list of slice
        The scores of each column; the last is the target.
    positions : ndarray of int, shape (len(blocks) - 1,)
        Where each column stands in the table.
    of_other_rows : ndarray of bool, shape (len(blocks),)
        Categories, labels and texts: a mistake puts a value there that other rows have.
    """

    scores: np.ndarray
    blocks: list
    positions: np.ndarray
    of_other_rows: np.ndarray

    @property
    def n_features(self):
        """Number of scores that are not of the target."""
        return self.blocks[-1].start


def scores_of_columns(X, y, classification, reference, rows):
    r"""Turn columns to scores that one covariance matrix describes.

    A number becomes its normal score, :math:`\Phi^{-1}` of its share among the
    reference rows, so that skewed columns and single huge values do no harm. Beyond the
    reference the score goes on in robust standard deviations, up to `MAX_BEYOND`. A
    missing number has score 0. A category becomes indicators of all its values but the
    last, rare ones sharing one. A text becomes the normal scores of its first 40
    components.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Table.
    y : ndarray of shape (n_samples,)
        Targets.
    classification : bool
        Whether y holds labels.
    reference, rows : ndarray of int
        Rows that scores are computed by, and further ones; these come after them.

    Returns
    -------
    scores : ScoresOfColumns or None
        None where the table has no columns to speak of: texts, sparse matrices, more
        than `MAX_COLUMNS` columns or `MAX_SCORES` scores.
    """
    columns = tree_columns(X, MAX_COLUMNS)
    if columns is None:
        return None
    values, categorical = columns.values, columns.categorical
    if (values[:, categorical].max(axis=0, initial=0) + 1).sum() > MAX_SCORES:
        return None
    chosen, n = np.concatenate([reference, rows]), len(reference)
    parts = {
        j: _indicators(column, chosen) if category else _normal(column[chosen], n)
        for j, column, category in zip(
            columns.positions, values.T, categorical, strict=True
        )
    }
    texts = _texts(X, chosen, n)
    parts |= texts
    if not parts:
        return None
    positions = sorted(parts)
    of_other_rows = {*columns.positions[categorical], *texts}
    of_other_rows = [j in of_other_rows for j in positions] + [classification]
    parts = [parts[j] for j in positions]
    if classification:
        parts.append(_indicators(np.unique(y, return_inverse=True)[1], chosen))
    else:
        parts.append(_normal(y[chosen], n))
    ends = np.cumsum([part.shape[1] for part in parts])
    blocks = [slice(end - p.shape[1], end) for end, p in zip(ends, parts, strict=True)]
    return ScoresOfColumns(
        np.hstack(parts), blocks, np.array(positions), np.array(of_other_rows)
    )


def _indicators(codes, chosen):
    codes = codes.astype(int)
    return np.eye(codes.max() + 1)[codes[chosen]][:, : max(codes.max(), 1)]


def _texts(X, chosen, n):
    """Return the scores of the columns of text, by their positions."""
    positions = text_columns(X)
    parts = {}
    for j in positions:
        ngrams = TextComponents(N_COMPONENTS, len(positions))
        components = ngrams.fit_transform(take_columns(X, [j]))[chosen]
        if components.shape[1]:
            parts[j] = np.hstack([_normal(column, n) for column in components.T])
    return parts


def _normal(values, n):
    """Return the scores of values by the first n of them."""
    present = np.sort(values[:n][~np.isnan(values[:n])])
    if not len(present):
        return np.zeros((len(values), 1))
    values = np.where(np.isnan(values), np.median(present), values)
    below = np.searchsorted(present, values, "left")
    rank = (below + np.searchsorted(present, values, "right") + 1) / 2
    share = rank / (len(present) + 1)
    least = 0.5 / (len(present) + 1)
    scores = norm.ppf(np.clip(share, least, 1 - least))
    beyond = np.clip(values - present[-1], 0, None) - np.clip(
        present[0] - values, 0, None
    )
    spread = _spread(present)
    return (scores + np.clip(beyond / spread, -MAX_BEYOND, MAX_BEYOND))[:, np.newaxis]


def _spread(present):
    """Robust standard deviation; the plain one where half of the values are equal."""
    low, high = np.percentile(present, [25, 75])
    return (high - low) / 1.349 or np.std(present) or 1.0
