"""Removals after which a tie at the K-th place decides a prediction."""

import numpy as np

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.removal.neighbors._ties import Closeness, Undecided, target_codes

# Distances that are held at a time.
HELD = 2**21


def tied_removals(model, X, tied, masks, own):
    """Find the pairs of a test row and a removal that only a refit can answer.

    After the removal the K-th and the next of the rows that remain are equally far
    from the test row, and rows at that distance have different targets.

    Parameters
    ----------
    model : KNeighborsModel
        The full model.
    X : array-like of shape (n_samples, n_features)
        Test rows.
    tied : ndarray of bool, shape (n_samples,)
        Those whose K-th distance is the next one, or that one the next but one.
    masks : ndarray of shape (n_groups, n) or None
        Sets of rows; None for every single row.
    own : bool
        Only the pairs of row i and its own removal.

    Returns
    -------
    undecided : Undecided
    """
    codes = target_codes(model.targets)
    n_removals = len(codes) if masks is None else len(masks)
    undecided = Undecided(n_rows(X), n_removals, own)
    if masks is None:
        _mark_rows(undecided, model, X, codes, np.flatnonzero(tied))
    else:
        _mark_groups(undecided, model, X, codes, masks)
    return undecided


def _mark_rows(undecided, model, X, codes, pending):
    n, k = len(codes), model.k
    m = min(2 * k + 2, n)
    while len(pending):
        longer = []
        for t in _parts(pending, m):
            rows = take_rows(X, t)
            distance, neighbor = model.estimator.kneighbors(rows, m)
            runs = Closeness(model.estimator, rows, model.X).runs(distance)
            whole = (runs[:, -1] > runs[:, k]) | (m == n)
            longer.append(t[~whole])
            for j in np.flatnonzero(whole):
                start, stop = np.searchsorted(runs[j], [runs[j, k], runs[j, k] + 1])
                ahead, tied = neighbor[j, :start], neighbor[j, start:stop]
                undecided.mark(t[j], _deciding(k, n, ahead, tied, codes))
        pending, m = np.concatenate(longer), min(2 * m, n)


def _deciding(k, n, ahead, tied, codes):
    """Rows without which the choice among tied rows changes a prediction.

    Parameters
    ----------
    k, n : int
        Neighbours, training rows.
    ahead : ndarray of int
        Rows nearer than the tied ones, k at most.
    tied : ndarray of int
        Rows at the same distance, more than ``k - len(ahead)``.
    codes : ndarray of shape (n,)
        Their targets.
    """
    _, code, count = np.unique(codes[tied], return_inverse=True, return_counts=True)
    if len(count) < 2:
        return np.empty(0, dtype=np.intp)
    free, out = k - len(ahead), np.zeros(n, dtype=bool)
    out[:] = free > 0  # rows that are farther
    out[ahead] = len(tied) > free + 1
    remain_mixed = (count[code] > 1) | (len(count) > 2)
    out[tied] = remain_mixed & (free > 0) & (len(tied) - 1 > free)
    return np.flatnonzero(out)


def _mark_groups(undecided, model, X, codes, masks):
    n, k = len(codes), model.k
    largest = masks.sum(axis=1).max(initial=0)
    m = min(2 * (k + largest) + 2, n)
    for t in _parts(np.arange(n_rows(X)), m):
        rows = take_rows(X, t)
        distance, neighbor = model.estimator.kneighbors(rows, m)
        runs, code = (
            Closeness(model.estimator, rows, model.X).runs(distance),
            codes[neighbor],
        )
        mixed = (runs[:, 1:] == runs[:, :-1]) & (code[:, 1:] != code[:, :-1])
        for j in np.flatnonzero(mixed.any(axis=1)):
            left = ~masks[:, neighbor[j]]
            place = np.cumsum(left, axis=1)
            enough = np.flatnonzero(place[:, -1] > k)
            run = runs[j, (place[enough] > k).argmax(axis=1)]
            before = runs[j, (place[enough] == k).argmax(axis=1)]
            for g, r in zip(enough[run == before], run[run == before], strict=True):
                there = left[g] & (runs[j] == r)
                whole = m == n or r < runs[j, -1]
                if not whole or np.ptp(code[j, there]) > 0:
                    undecided.mark(t[j], g)


def _parts(rows, m):
    """Cut test rows so that ``m`` distances of each are held."""
    size = max(1, HELD // m)
    return [rows[i : i + size] for i in range(0, len(rows), size)]
