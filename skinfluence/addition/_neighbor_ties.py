"""Training rows by distance, and prefixes in which rows tie for a place."""

import numpy as np

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.removal.neighbors._ties import Closeness, target_codes


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
        runs, each = self.runs[tests], np.arange(len(tests))
        members = np.zeros(runs.shape, dtype=np.intp)  # of each run, in the prefix
        code, mixed = np.full(runs.shape, -1), np.zeros(runs.shape, dtype=bool)
        nearest = np.full((len(tests), k), np.iinfo(np.intp).max)  # their runs
        for m, row in enumerate(order if len(tests) else []):
            new = runs[:, row]
            members[each, new] += 1
            first = code[each, new]
            mixed[each, new] |= (first >= 0) & (first != codes[row])
            code[each, new] = np.where(first < 0, codes[row], first)
            farthest = nearest.argmax(axis=1)
            closer = new < nearest[each, farthest]
            nearest[each[closer], farthest[closer]] = new[closer]
            if m < k:
                continue
            last = nearest.max(axis=1)
            places = (nearest == last[:, None]).sum(axis=1)
            compete = mixed[each, last] & (members[each, last] > places)
            if compete.any():
                yield m + 1, tests[compete]
