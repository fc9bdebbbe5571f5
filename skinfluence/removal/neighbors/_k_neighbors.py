"""K nearest neighbours: the next neighbour replaces the removed one."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from skinfluence._sklearn import take_rows
from skinfluence.removal._dispatch import NothingLeft, removal_model
from skinfluence.removal.neighbors._k_ties import tied_removals
from skinfluence.removal.neighbors._neighbors import TILE, NeighborsModel
from skinfluence.removal.neighbors._ties import Closeness


class KNeighborsModel(NeighborsModel):
    r"""K nearest neighbours, without some rows.

    Let rows 1, 2, ... be the training rows in the order of their distance to a test
    row. The prediction is an average over 1..K with weights from their distances.
    Without row i <= K it is the average over 1..K+1 without i, with weights from
    these distances; for uniform weights and targets y,

    .. math:: f_{-i}(x) - f(x) = (y_{K+1} - y_i) / K .

    Rows beyond K have influence exactly zero. Without a set of rows the first K that
    are not in it vote; as many neighbours are searched as that takes. A class that
    loses its only row has probability zero, as in a model that has never seen it.

    One search for K + 1 neighbours with the estimator's own ``kneighbors``, so with
    its metric and algorithm, and O(K^2) per test row; nothing upfront. Memory
    O(n_test K). Sets of rows: O(n_test n_groups) in addition.

    **When it fails.** Which of several rows at equal distance scikit-learn takes
    depends on the algorithm, its chunks and all the rows. Where that decides a
    prediction, the estimator is fitted anew without the removed row and asked about
    the test rows in question: up to n fits where test rows have such ties.

    References
    ----------
    M. Kanagawa, "Fast computation of leave-one-out cross-validation for k-NN
    regression", arXiv:2405.04919, 2024.
    """

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X, y)
        n, self.k = len(self.targets), estimator.n_neighbors
        if self.k >= n:
            raise NothingLeft(
                f"{type(estimator).__name__}(n_neighbors={self.k}) was fitted on {n} "
                "rows: without one of them fewer rows than neighbours are left, which "
                f"scikit-learn cannot predict from. Use n_neighbors <= {n - 1}."
            )

    def _without(self, masks):
        if masks is None:
            return super()._without(None)
        # Where fewer rows than neighbours are left, a refit raises or answers.
        short = len(self.targets) - masks.sum(axis=1) < self.k
        removals = super()._without(masks & ~short[:, None])
        removals.leave_to_refits(short & ~masks.all(axis=1))
        return removals

    def changed_predictions(self, X, masks, response, own):
        n, k = len(self.targets), self.k
        distance, neighbor = self.estimator.kneighbors(X, min(k + 2, n))
        close = Closeness(self.estimator, X, self.X)
        equal = close.equal(distance[:, k - 1 : -1], distance[:, k:])
        undecided = tied_removals(self, X, equal.any(axis=1), masks, own)
        yield from self.refitted(X, undecided, masks, response)
        tied = equal[:, 0]
        if tied.any():
            nearest = self.estimator.kneighbors(X, k)
            _put_first(distance, neighbor, tied, nearest)
        before = self._predict(distance[:, :k], neighbor[:, :k], response)
        nearest = distance[:, :k].copy(), neighbor[:, :k].copy()
        if masks is None:
            tests = np.repeat(np.arange(len(neighbor)), k)
            removals = neighbor[:, :k].ravel()
        else:
            hit = [mask[neighbor[:, :k]].any(axis=1) for mask in masks]
            removals, tests = np.nonzero(np.reshape(hit, (len(masks), len(neighbor))))
        if own:
            same = tests == removals
            tests, removals = tests[same], removals[same]
        known = undecided.holds(tests, removals)
        tests, removals = tests[~known], removals[~known]
        place = np.arange(len(neighbor))  # of each test row among those searched
        while len(tests):
            found = neighbor.shape[1]
            short = np.zeros(len(tests), dtype=bool)
            size = max(1, TILE // max(found, self.n_classes or 1))
            for start in range(0, len(tests), size):
                pair = np.arange(start, min(start + size, len(tests)))
                gone = self._gone(neighbor[place[tests[pair]]], removals[pair], masks)
                short[pair] = found - gone.sum(axis=1) < k
                pair, gone = pair[~short[pair]], gone[~short[pair]]
                if len(pair) == 0:
                    continue
                # The first k that stay: neighbours are sorted by distance.
                stay = np.argsort(gone, axis=1, kind="stable")[:, :k]
                at = place[tests[pair]][:, None]
                after = self._predict(distance[at, stay], neighbor[at, stay], response)
                yield tests[pair], removals[pair], before[tests[pair]], after
            tests, removals = tests[short], removals[short]
            again = np.unique(tests)
            if len(again):
                distance, neighbor = self.estimator.kneighbors(
                    take_rows(X, again), min(2 * found, n)
                )
                nearest_again = [part[again] for part in nearest]
                _put_first(distance, neighbor, tied[again], nearest_again)
                place[again] = np.arange(len(again))

    def _gone(self, neighbor, removals, masks):
        """Tell which of the neighbours the removal of each row takes away."""
        if masks is None:
            return neighbor == removals[:, None]
        return masks[removals[:, None], neighbor]

    def _predict(self, distance, neighbor, response):
        weights = self._weights(distance)
        if self.n_classes is None:
            return self.mean_target(neighbor, weights)
        return self.vote(neighbor, weights, response)

    def _weights(self, distance):
        """Weights of neighbours; rows at distance zero take all of it."""
        kind = self.estimator.weights
        if kind in (None, "uniform"):
            return None
        if callable(kind):
            return kind(distance)
        with np.errstate(divide="ignore"):
            weights = 1.0 / distance
        infinite = np.isinf(weights)
        exact = infinite.any(axis=1)
        weights[exact] = infinite[exact]
        return weights


def _put_first(distance, neighbor, tied, nearest):
    """Put the estimator's own K neighbours first, in place, where there are ties."""
    if not tied.any():
        return
    first, own = (part[tied] for part in nearest)
    known = np.zeros((len(own), neighbor.shape[1]), dtype=bool)
    for j in range(own.shape[1]):
        known |= neighbor[tied] == own[:, [j]]
    known = np.column_stack([np.zeros_like(own, dtype=bool), known])
    order = np.argsort(known, axis=1, kind="stable")[:, : neighbor.shape[1]]
    for found, start in ((distance, first), (neighbor, own)):
        both = np.column_stack([start, found[tied]])
        found[tied] = np.take_along_axis(both, order, axis=1)


@removal_model.register(KNeighborsClassifier)
@removal_model.register(KNeighborsRegressor)
def _(estimator, X, y, sample_weight=None):
    return KNeighborsModel(estimator, X, y)
