r"""Exact Shapley and Banzhaf values of the game that nearest neighbours play.

Players are the training rows, sorted by distance to one test row: 1, ..., n. A
coalition S is worth a function of its :math:`\min(K, |S|)` nearest members. For
players i and i + 1, next to each other in distance,

.. math:: \phi_i - \phi_{i+1} = \mathrm{E}_S\left[v(S + i) - v(S + i{+}1)\right],
    \qquad S \subseteq N \setminus \{i, i + 1\},

S holding each other player with probability t, independently: t = 1/2 for Banzhaf's
value, t uniform on [0, 1] for Shapley's. With c players of S nearer than i, the
difference is zero unless c < K, and then only numbers of players are random, whose
probabilities `CoalitionLaw` computes. All n values of a test row are one reversed
cumulative sum: O(n) after sorting. Valid for every K, also K > n.

Verified by enumeration of all coalitions up to n = 10.

References
----------
R. Jia et al., "Efficient Task-Specific Data Valuation for Nearest Neighbor
Algorithms", VLDB 2019; J. T. Wang, R. Jia, "A Note on 'Efficient Task-Specific Data
Valuation for Nearest Neighbor Algorithms'", arXiv:2304.04258. The soft utility of
regression and Banzhaf's values follow by the same difference.
"""

import numpy as np
from scipy.stats import binom


class CoalitionLaw:
    """The distribution of the number of players in a random coalition.

    Parameters
    ----------
    semivalue : {"shapley", "banzhaf"}
        Determines the distribution of t.
    """

    def __init__(self, semivalue):
        self.uniform = semivalue == "shapley"

    def exactly(self, k, m):
        """Probability that k of m players are in."""
        if self.uniform:
            return np.full(np.shape(k), 1.0 / (m + 1))
        return binom.pmf(k, m, 0.5)

    def at_most(self, r, m):
        """Probability that at most r of m players are in."""
        m = np.asarray(m)
        if self.uniform:
            return np.minimum(r + 1, m + 1) / np.maximum(m + 1, 1)
        return binom.cdf(r, m, 0.5)

    def one_and_at_most(self, r, m):
        """Probability that a player is in, and at most r of m others."""
        m = np.asarray(m)
        if self.uniform:
            count = np.clip(r + 1, 0, np.maximum(m + 1, 0))
            return count * (count + 1) / 2 / np.maximum((m + 1) * (m + 2), 1)
        return 0.5 * binom.cdf(r, np.maximum(m, 0), 0.5)


class NeighborGame:
    """Values of n players, in order of distance, for blocks of test rows.

    Parameters
    ----------
    n : int
        Players.
    n_neighbors : int
        K.
    soft : bool
        A coalition's prediction is the mean of its min(K, size) nearest members; else
        their sum divided by K.
    semivalue : {"shapley", "banzhaf"}
        Which value.
    """

    def __init__(self, n, n_neighbors, soft, semivalue):
        self.n, self.K = n, n_neighbors
        law = CoalitionLaw(semivalue)
        K, i = n_neighbors, np.arange(1, n)  # i: the nearer of each pair
        # Sizes of coalitions without a pair, all of whose members are neighbours.
        k = np.arange(min(K, n - 1))
        small = law.exactly(k, n - 2) if n > 1 else np.zeros(0)
        shares = k + 1.0 if soft else np.full(len(k), float(K))
        self.small = (small / shares).sum()
        self.small_squared = (small / shares**2).sum()
        self.small_others = (small * k / shares**2).sum()
        # Larger coalitions in which the pair is among the K nearest.
        self.large = law.at_most(K - 1, i - 1) - law.at_most(K - 1, n - 2)
        others = law.one_and_at_most(K - 2, n - 3)
        self.nearer = law.one_and_at_most(K - 2, i - 2) - others
        self.farther = law.one_and_at_most(K - 2, np.arange(1, n + 1) - 3) - others
        # Sizes of coalitions that the farthest player is a neighbour in.
        self.k = np.arange(min(K, n))
        self.join = law.exactly(self.k, n - 1)
        self.share_with = self.k + 1.0 if soft else np.full(len(self.k), float(K))
        self.share_without = np.maximum(self.k, 1.0) if soft else self.share_with

    def linear(self, a, empty):
        """Return the values of the game whose worth is the prediction itself.

        Parameters
        ----------
        a : ndarray of shape (n_test, n)
            Target of each player, in order of distance.
        empty : ndarray of shape (n_test,)
            Worth of the empty coalition.
        """
        steps = (a[:, :-1] - a[:, 1:]) * (self.small + self.large / self.K)
        last, others = a[:, -1:], self._mean_of_others(a)
        gain = (self.k * others + last) / self.share_with
        gain -= self.k * others / self.share_without
        gain[:, 0] -= empty
        return _accumulate(steps, gain @ self.join)

    def squared(self, a, empty):
        """Return the values of the game whose worth is minus the squared error.

        Parameters
        ----------
        a : ndarray of shape (n_test, n)
            Target of each player minus the true value, in order of distance.
        empty : ndarray of shape (n_test,)
            Worth of the empty coalition.
        """
        n, K = self.n, self.K
        here, there = a[:, :-1], a[:, 1:]
        both = here + there
        total = a.sum(axis=1, keepdims=True)
        before = np.cumsum(a, axis=1)
        nearer = (before[:, :-1] - here) * self.nearer
        behind = np.cumsum((a * self.farther)[:, ::-1], axis=1)[:, ::-1]
        farther = np.zeros_like(here)
        farther[:, :-1] = behind[:, 2:]
        context = self.small_others * (total - both) / max(n - 2, 1)
        context += (nearer + farther) / K**2
        both *= self.small_squared + self.large / K**2
        steps = (there - here) * (both + 2 * context)
        return _accumulate(steps, self._last_squared(a, empty))

    def _mean_of_others(self, a):
        """Mean of all but the farthest, (n_test, 1)."""
        return a[:, :-1].sum(axis=1, keepdims=True) / max(self.n - 1, 1)

    def _last_squared(self, a, empty):
        """Return the value of the farthest player, from its k nearer neighbours."""
        last, m = a[:, -1:], self.n - 1
        first = self._mean_of_others(a)
        squares = (a[:, :-1] ** 2).sum(axis=1, keepdims=True) / max(m, 1)
        pairs = (m * first**2 - squares) / max(m - 1, 1)
        k = self.k
        of_sum = k * squares + k * (k - 1) * pairs  # mean square of a sum of k
        gain = of_sum / self.share_without**2
        gain -= (of_sum + 2 * k * first * last + last**2) / self.share_with**2
        gain[:, 0] -= empty
        return gain @ self.join


def _accumulate(steps, last):
    """Values from the differences of neighbours and the value of the farthest."""
    out = np.empty((len(last), steps.shape[1] + 1))
    out[:, -1] = 0.0
    np.cumsum(steps[:, ::-1], axis=1, out=out[:, -2::-1])
    out += last[:, None]
    return out
