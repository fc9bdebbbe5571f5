"""Rows at equal distance, among which scikit-learn chooses by its own search.

Which of several rows at the K-th distance are neighbours depends on the algorithm, on
how a tree cuts the rows and on the order in which they are compared, and all of these
change with a row that is removed, however far away it is. Only the estimator itself,
fitted to the rows that remain, chooses as scikit-learn does. So this module finds where
the choice matters: a tie at the K-th place between rows of different targets.
"""

import warnings
from time import monotonic

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import check_array

from skinfluence._counts import counted
from skinfluence._predictions import model_prediction
from skinfluence._progress import duration
from skinfluence._sklearn import take_rows

# Distances closer than this share of them may be equal but for rounding.
TIED = 1e-6

# And so may be squared distances, by so many rounding errors of squared norms, from
# which scikit-learn's brute-force search subtracts products.
NORM_ERRORS = 64 * np.finfo(np.float64).eps

# What is left of a distance of zero that is one minus something.
RESIDUE = 1e-10

# Seconds of refits that are announced by a warning.
LONG = 60.0


class Closeness:
    """Tells which distances from test rows may be equal but for rounding.

    Parameters
    ----------
    estimator : fitted neighbours estimator
        Whose metric it is.
    X, rows : array-like
        Test rows, training rows.
    """

    def __init__(self, estimator, X, rows):
        metric = estimator.effective_metric_
        self.squares = metric in ("euclidean", "l2", "nan_euclidean")
        self.noise = RESIDUE if metric in ("cosine", "correlation") else 0.0
        if self.squares or metric == "sqeuclidean":
            norms = _norms(X) + _norms(rows).max(initial=0.0)
            self.noise = NORM_ERRORS * norms[:, None]

    def equal(self, near, far):
        """Compare distances of shape (n_samples, m); ``far`` are not smaller."""
        if self.squares:
            return (far - near) * (far + near) <= 2 * TIED * far**2 + self.noise
        return far - near <= TIED * far + self.noise

    def rounded_up(self, distance):
        """Return the largest that distances may be that are equal but for rounding.

        Another product of matrices rounds otherwise. Sums of the same few terms, and
        32-bit distances, which are computed in 64 bits, do not.
        """
        if distance.dtype == np.float32:
            return distance
        if self.squares:
            return np.sqrt(distance**2 + self.noise)
        return distance + (NORM_ERRORS if self.noise is RESIDUE else self.noise)

    def runs(self, distance):
        """Number the runs of equal distances, of rows that are sorted."""
        out = np.zeros(distance.shape, dtype=np.intp)
        apart = ~self.equal(distance[:, :-1], distance[:, 1:])
        np.cumsum(apart, axis=1, out=out[:, 1:])
        return out

    def around(self, radius):
        """Return the bounds between which a distance may be ``radius``."""
        noise = np.max(self.noise, initial=0.0)
        if self.squares:
            lower, upper = radius**2 * (1 - TIED), radius**2 * (1 + TIED)
            return np.sqrt(max(lower - noise, 0.0)), np.sqrt(upper + noise)
        return radius * (1 - TIED) - noise, radius * (1 + TIED) + noise


def _norms(X):
    """Squared norms of rows; entries that are not finite count as zero."""
    X = check_array(
        X, accept_sparse="csr", dtype=np.float64, ensure_all_finite=False, copy=False
    )
    if issparse(X):
        return np.asarray(X.multiply(X).sum(axis=1)).ravel()
    X = np.nan_to_num(X)
    return np.einsum("ij,ij->i", X, X)


def target_codes(targets):
    """Number the different targets, shape (n,)."""
    return np.unique(targets, axis=0, return_inverse=True)[1].ravel()


class Undecided:
    """Pairs of a test row and a removal that only a refit can answer.

    Parameters
    ----------
    n_samples, n_removals : int
    own : bool
        Only the pairs of row i and its own removal count.
    """

    def __init__(self, n_samples, n_removals, own):
        self.own = own
        self.shape = (n_samples, 1 if own else n_removals)
        self.marks = np.zeros(self.shape, dtype=bool)

    def mark(self, test, removals):
        """Count the pairs of one test row."""
        if self.own:
            self.marks[test] |= np.any(removals == test)
        else:
            self.marks[test, removals] = True

    def holds(self, tests, removals):
        """Tell which pairs are among these; where ``own``, row i with itself."""
        return self.marks[tests, 0 if self.own else removals]

    def tests(self):
        """Test rows of some pair."""
        return np.flatnonzero(self.marks.any(axis=1))

    def removals(self):
        """Removals of some pair."""
        return self.tests() if self.own else np.flatnonzero(self.marks.any(axis=0))

    def tests_of(self, removal):
        """Test rows of the pairs of a removal."""
        return np.flatnonzero(self.marks[:, removal]) if not self.own else [removal]


class RefittedNeighbors:
    """A neighbours estimator that is fitted anew to some of its rows.

    Parameters
    ----------
    estimator : fitted estimator
    X, y : array-like
        Its training rows and targets.
    classes : ndarray or None
        The labels in ``y`` of a classifier.
    """

    def __init__(self, estimator, X, y, classes):
        self.estimator, self.X, self.y, self.classes = estimator, X, y, classes
        self._announced = False

    def predict(self, kept, X, response, n_fits=0):
        """Predictions for test rows from the rows ``kept``, which ascend.

        The first call says how long ``n_fits`` of them will take, where it is long.
        """
        start = monotonic()
        model = clone(self.estimator)
        model.fit(take_rows(self.X, kept), take_rows(self.y, kept))
        out = model_prediction(model, X, response, self.classes)
        seconds = (monotonic() - start) * n_fits
        if seconds > LONG and not self._announced:
            self._announced = True
            warnings.warn(
                "Rows of different targets are equally far from "
                f"{counted(len(out), 'test row')}, so that "
                f"{type(self.estimator).__name__} is fitted anew up to "
                f"{n_fits} times: about {duration(seconds)}. Noise far below the "
                "distances in X, another scale of its columns or another n_neighbors "
                "avoids ties.",
                UserWarning,
                stacklevel=2,
            )
        return out
