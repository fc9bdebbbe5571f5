"""Fewest flips or removals that turn the vote of K nearest neighbours: exactly.

A flip leaves the neighbours where they are: it takes the row's weight from one class
and gives it to another. Of removals those of the predicted class count, nearest first:
whatever else is removed can be exchanged for one of these without harm. After m of them
the vote is among the first K + m rows without those m.
"""

from dataclasses import replace

import numpy as np

from skinfluence._sklearn import final_estimator, n_rows, take_rows
from skinfluence.certificates._certifier import ExactCertifier
from skinfluence.certificates._linear_flips import _fewest, _largest
from skinfluence.certificates._plans import Plan
from skinfluence.removal import UnsupportedEstimator
from skinfluence.removal.neighbors._neighbors import refuse_metric
from skinfluence.removal.neighbors._ties import Closeness

ROUNDING = 1e-12
# Weight of a row at distance zero, next to which others do not count.
ALL = 1e200
# Distances that are held at a time.
HELD = 2**20


class NeighborChanges(ExactCertifier):
    """Flips or removals of the rows of a KNeighborsClassifier.

    Parameters
    ----------
    training : Training
        Of such a classifier; for flips also of a Pipeline that ends in one.
    """

    new_classes = lost_classes = True

    def __init__(self, training):
        super().__init__(training)
        estimator = final_estimator(training.fitted)
        refuse_metric(estimator)
        if estimator.weights not in (None, "uniform", "distance"):
            raise UnsupportedEstimator(
                "A certificate needs weights that fall with the distance: "
                "weights='uniform' or 'distance' of KNeighborsClassifier. Got "
                f"{estimator.weights!r}."
            )
        self.estimator, self.X = estimator, training.transformed
        self.change = training.change
        self.labels = np.searchsorted(self.classes, training.y)
        self.k, self.n = estimator.n_neighbors, len(self.labels)

    def _plans(self, X, most):
        if self.change == "removal":
            yield from self._removal_plans(X, min(most, self.n - self.k))
            return
        for rows in self._blocks(n_rows(X), self.k):
            distance, neighbor = self.estimator.kneighbors(take_rows(X, rows))
            for args in zip(neighbor, self._weights(distance), strict=True):
                yield self._flips(*args, most)

    def _removal_plans(self, X, most):
        found = min(self.k + most + 1, self.n)
        for rows in self._blocks(n_rows(X), found):
            part = take_rows(X, rows)
            # Which of several rows at one distance count, predict says itself.
            predicted = self.estimator.predict(part)
            predicted = np.searchsorted(self.classes, predicted)
            distance, neighbor, equal = self._nearest(part, found)
            weights = self._weights(distance)
            for t, a in enumerate(predicted):
                row = neighbor[t], weights[t], equal[t]
                if found < self.n and equal[t, -1]:  # the tie goes on
                    one = self._nearest(take_rows(part, np.array([t])), self.n)
                    row = one[1][0], self._weights(one[0])[0], one[2][0]
                yield self._removals(a, *row, most)

    def _nearest(self, X, found):
        """Distances, neighbours, and which of these are as far as the next one."""
        distance, neighbor = self.estimator.kneighbors(X, found)
        close = Closeness(self.estimator, X, self.X)
        return distance, neighbor, close.equal(distance[:, :-1], distance[:, 1:])

    def _blocks(self, n, found):
        size = max(1, HELD // (found * max(len(self.classes), 2)))
        return (np.arange(start, min(start + size, n)) for start in range(0, n, size))

    def _weights(self, distance):
        if self.estimator.weights != "distance":
            return np.ones_like(distance)
        with np.errstate(divide="ignore"):
            weights = 1.0 / distance
        return np.where(np.isinf(weights), ALL, weights)

    def _classes(self):
        return np.arange(len(self.classes))

    def _flips(self, neighbor, weights, most):
        labels, alike = self.labels[neighbor], self.estimator.weights != "distance"
        sums = np.array([weights[labels == c].sum() for c in self._classes()])
        a, costs = int(sums.argmax()), np.zeros(len(sums), dtype=np.intp)
        rivals = np.delete(self._classes(), a)
        for b in rivals:
            if alike:
                costs[b] = self._to_win(b, sums)
            else:
                costs[b] = _fewest(*self._passing(b, a, labels, weights, sums))[0]

        def towards(b):
            if alike:
                order = self._excess_first(b, labels, sums, costs[b])[:most]
            else:
                gain, _ = self._passing(b, a, labels, weights, sums)
                order = _largest(gain[0], costs[b], most)
            return Plan(neighbor[order], np.full(len(order), b), int(costs[b]))

        plan = towards(rivals[costs[rivals].argmin()])
        return replace(plan, costs=costs, towards=towards)

    def _to_win(self, b, sums):
        """Fewest flips after which b is predicted, of equal weights: exactly.

        All flips are to b; m of them are enough if they can take from every other
        class what it has more than b then may have beside it.
        """
        for m in range(1, self.k):
            if self._spare(b, sums, m).sum() <= m <= self.k - sums[b]:
                return m
        return self.k

    def _spare(self, b, sums, m):
        """Votes that m flips to b must take from each class, or it is not behind b."""
        wins_ties = self._classes() < b
        spare = np.maximum(sums - (sums[b] + m - wins_ties), 0.0)
        spare[b] = 0.0
        return spare

    def _excess_first(self, b, labels, sums, m):
        """Neighbours that are not of b, first those that m flips must take."""
        order, spare = np.flatnonzero(labels != b), self._spare(b, sums, m)
        place = np.array([(labels[:i] == labels[i]).sum() for i in order])
        return order[np.argsort(place >= spare[labels[order]], kind="stable")]

    def _passing(self, b, a, labels, weights, sums):
        """What flips do for b against a, and what it needs, as `_fewest` takes them."""
        gain = weights * np.where(labels == a, 2.0, np.where(labels == b, 0.0, 1.0))
        needed = sums[a] - sums[b]
        if b > a:  # wins no tie: the next number of votes is needed
            needed = np.nextafter(needed, np.inf)
        return gain[None], np.array([needed - ROUNDING * sums.sum()])

    def _removals(self, predicted, neighbor, weights, equal, most):
        labels, best = self.labels[neighbor], None
        costs = np.zeros(len(self.classes), dtype=np.intp)
        tied = bool((equal & (labels[1:] != labels[:-1])).any())
        for b in np.delete(self._classes(), predicted):
            order = np.arange(len(neighbor))
            if tied:  # in whatever order they come, none is better for the rival
                runs = np.concatenate([[0], np.cumsum(~equal)])
                place = np.where(labels == b, 0, np.where(labels == predicted, 2, 1))
                order = np.lexsort((place, runs))
            m = self._first_turn(labels[order], weights[order], predicted, b, most)
            costs[b] = max(m, 1)
            if best is None or m < best[0]:
                best = m, order
        m, order = best
        rows = neighbor[order][labels[order] == predicted][:most]
        return Plan(rows, None, max(m, 1), costs)

    def _first_turn(self, labels, weights, a, b, most):
        """Fewest removals of a, the nearest first, after which b is ahead of it."""
        mine = np.where(labels == a, weights, 0.0)
        ours = np.where(labels == b, weights, 0.0)
        gone = np.concatenate([[0.0], np.cumsum(mine[labels == a])])
        count = np.cumsum(labels == a)
        m = np.arange(most + 1)
        window = self.k + m - 1
        absent = count[window] <= m
        taken = gone[np.minimum(m, len(gone) - 1)]
        votes_a, votes_b = np.cumsum(mine)[window] - taken, np.cumsum(ours)[window]
        ahead = votes_b - votes_a
        if self.estimator.weights == "distance":
            ahead = ahead + ROUNDING * np.cumsum(weights)[window]
        turned = absent | ((ahead >= 0) if b < a else (ahead > 0))
        return int(turned.argmax()) if turned.any() else most + 1
