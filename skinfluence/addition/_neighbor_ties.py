"""Training rows by distance, and prefixes in which rows tie for a place."""

import numpy as np

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.removal.neighbors._ties import Closeness, target_codes

CHUNK = 2**18  # ranks of rows that are worked on at a time
LARGEST = np.iinfo(np.intp).max


class RankedNeighbors:
    """Training rows by their distance to some test rows, and which of them are tied.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Test rows.
    ranks : ndarray of shape (n_samples, n)
        Place of each training row by its distance.
    runs : ndarray of shape (n_samples, n)
        Equal for training rows at equal distance, and larger for those farther away.
    tied : ndarray of bool, shape (n_samples,)
        Test rows that rows of different targets are equally far from.
    """

    def __init__(self, X, ranks, runs, tied):
        self.X, self.ranks, self.runs, self.tied = X, ranks, runs, tied

    @classmethod
    def of(cls, estimator, X, rows, y):
        """Rank the training rows by the estimator's own search."""
        distance, neighbors = estimator.kneighbors(X, n_neighbors=len(y))
        sorted_runs = Closeness(estimator, X, rows).runs(distance)
        codes = target_codes(y)[neighbors]
        same = sorted_runs[:, 1:] == sorted_runs[:, :-1]
        tied = (same & (codes[:, 1:] != codes[:, :-1])).any(axis=1)
        ranks, runs = np.empty_like(sorted_runs), np.empty_like(sorted_runs)
        np.put_along_axis(ranks, neighbors, np.arange(len(y))[None], axis=1)
        np.put_along_axis(runs, neighbors, sorted_runs, axis=1)
        return cls(X, ranks, runs, tied)

    def __len__(self):
        return n_rows(self.X)

    def __getitem__(self, part):
        arrays = self.ranks[part], self.runs[part], self.tied[part]
        return RankedNeighbors(take_rows(self.X, part), *arrays)

    def undecided(self, order, codes, k):
        """Yield the prefixes in which rows of different targets tie for a place.

        Parameters
        ----------
        order : ndarray of shape (n,)
            A permutation of the training rows.
        codes : ndarray of shape (n,)
            Equal for equal targets.
        k : int
            Places.

        Yields
        ------
        length : int
            Of the prefix.
        tests : ndarray of int
            Test rows for which they do.
        """
        tests = np.flatnonzero(self.tied)
        undecided = np.zeros((len(tests), len(order)), dtype=bool)
        step = max(1, CHUNK // len(order))
        for start in range(0, len(tests), step):
            part = slice(start, start + step)
            runs = self.runs[tests[part]][:, order]
            undecided[part] = _undecided(runs, codes[order], k)
        for m in np.flatnonzero(undecided.any(axis=0)):
            yield m + 1, tests[undecided[:, m]]


def _undecided(runs, codes, k):
    """Tell which prefixes have rows of different targets that tie for the last place.

    Parameters
    ----------
    runs : ndarray of shape (n_samples, n)
        Of the training rows in their order.
    codes : ndarray of shape (n,)
        Of their targets.
    k : int
        Places.
    """
    n_samples, n = runs.shape
    place = np.tile(np.arange(n), n_samples)
    run = (np.arange(n_samples)[:, None] * n + runs).ravel()  # of any test row
    first, mixed = np.full(runs.size, n), np.full(runs.size, n)
    np.minimum.at(first, run, place)
    other = codes[place] != codes[first[run]]
    np.minimum.at(mixed, run[other], place[other])  # where it has a second target
    last, beyond = _running_smallest(runs, k)
    out = np.zeros(runs.shape, dtype=bool)
    out[:, k:] = (last == beyond)[:, k:]  # the run has more rows than places
    test, row = np.nonzero(out)
    out[test, row] = mixed[test * n + last[test, row]] <= row
    return out


def _running_smallest(values, k):
    """Return the k-th and the next smallest value of every prefix of each row.

    They mean nothing in prefixes that are shorter. Each pass keeps the smallest and
    hands on the larger one of the two that it compares.
    """
    values, last = values.copy(), np.empty_like(values)
    for _ in range(k):
        np.minimum.accumulate(values, axis=1, out=last)
        np.maximum(values[:, 1:], last[:, :-1], out=values[:, 1:])
        values[:, 0] = LARGEST
    return last, np.minimum.accumulate(values, axis=1)
