"""Rank or linear correlation of two sets of numbers, row by row."""

import numpy as np
from scipy.stats import rankdata


def row_correlations(a, b, rank):
    """Correlate each row of ``a`` with the same row of ``b``.

    Parameters
    ----------
    a, b : ndarray of shape (n_rows, n_columns)
        Numbers to compare.
    rank : bool
        Spearman's correlation instead of Pearson's; ties have their mean rank.

    Returns
    -------
    correlation : ndarray of shape (n_rows,)
        0 if either row is constant.
    """
    if rank:
        a, b = rankdata(a, axis=1), rankdata(b, axis=1)
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    # Scaled first: squares of tiny influences would underflow.
    a /= np.maximum(np.abs(a).max(axis=1, keepdims=True), np.finfo(float).tiny)
    b /= np.maximum(np.abs(b).max(axis=1, keepdims=True), np.finfo(float).tiny)
    norms = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return (a * b).sum(axis=1) / np.where(norms > 0, norms, 1.0)
