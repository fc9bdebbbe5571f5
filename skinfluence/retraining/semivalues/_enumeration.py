"""Exact semivalues of small games: every coalition once.

A coalition is encoded as an integer, whose bit i is set if player i is in.
"""

from math import comb

import numpy as np

from skinfluence.retraining.semivalues._size_probabilities import coalition_weights

# Games up to this size are enumerated unless a budget forbids it.
MAX_PLAYERS = 16

# Number of coalitions, or of chains of coalitions, in one draw.
CHUNK = 64


def members(codes, n_players):
    """Tell which players are in each coalition, boolean (n_coalitions, n_players)."""
    return (np.asarray(codes)[:, None] >> np.arange(n_players)) & 1 == 1


class EnumeratedValues:
    """Exact semivalues from the losses of all coalitions, added in any order.

    The value of a player is the weighted sum of loss(S) - loss(S + i) over all S
    without it: a coalition T has weight -w(|T| - 1) for its members and w(|T|) for
    the others. O(n) operations per coalition and test row, memory O(n n_rows).

    Parameters
    ----------
    probabilities : ndarray of shape (n_players,)
        See `size_probabilities`.
    n_rows : int
        Test rows.
    """

    def __init__(self, probabilities, n_rows):
        weights = coalition_weights(probabilities)
        self.n_players = len(weights)
        self.outside = np.append(weights, 0.0)
        self.inside = np.insert(weights, 0, 0.0)
        self.values = np.zeros((n_rows, self.n_players))

    @property
    def mean(self):
        """Values, shape (n_rows, n_players)."""
        return self.values

    def standard_error(self):
        """Zeros: nothing is sampled."""
        return np.zeros(self.values.shape)

    def add(self, codes, losses):
        """Add the losses (n_coalitions, n_rows) of some coalitions."""
        inside = members(codes, self.n_players)
        size = inside.sum(axis=1)
        weight = np.where(inside, -self.inside[size, None], self.outside[size, None])
        self.values += losses.T @ weight


def symmetric_chains(n_players):
    """Orders whose prefixes are all coalitions, each in exactly one of them.

    The symmetric chain decomposition of de Bruijn, Tengbergen and Kruyswijk (1951):
    It has C(n, n / 2) chains, the smallest possible number.

    Yields
    ------
    order : ndarray of shape (n_players,)
        All players.
    start, stop : int
        The prefixes of the lengths start, ..., stop - 1 belong to this chain.
    """
    chains = [((), ())]  # the smallest coalition, and the players that join it in turn
    for player in range(n_players):
        chains = [
            chain
            for bottom, joins in chains
            for chain in (
                (bottom, (*joins, player)),
                ((*bottom, player), joins[:-1]) if joins else None,
            )
            if chain is not None
        ]
    for bottom, joins in chains:
        order = np.array([*bottom, *joins], dtype=np.intp)
        rest = np.setdiff1d(np.arange(n_players), order)
        start = len(bottom)
        yield np.concatenate([order, rest]), start, start + len(joins) + 1


class Enumeration:
    """All coalitions, each trained once: a draw is a chunk of them.

    Parameters
    ----------
    probabilities : ndarray of shape (n_players,)
        See `size_probabilities`.
    """

    name = "enumeration"
    retrains_prefixes = False

    def __init__(self, probabilities):
        self.probabilities, self.n_players = probabilities, len(probabilities)
        self.n_draws = -(-self._n_proper // CHUNK)

    @property
    def _n_proper(self):
        return 2**self.n_players - 2  # the models of no row and of all rows are known

    def _codes(self, draw):
        return np.arange(CHUNK * draw, min(CHUNK * (draw + 1), self._n_proper)) + 1

    def n_retrainings(self, n_draws):
        """Models to be trained for the first draws."""
        return min(n_draws * CHUNK, self._n_proper)

    def coalitions(self, draw):
        """Members, boolean (n_coalitions, n_players), and retrainings' numbers."""
        codes = self._codes(draw)
        return members(codes, self.n_players), codes

    def start(self, empty, full, spread=False):
        """Return an estimate that draws can be added to."""
        estimate = EnumeratedValues(self.probabilities, len(empty))
        estimate.add([0, 2**self.n_players - 1], np.stack([empty, full]))
        return estimate

    def add(self, estimate, draw, losses):
        """Take the losses (n_rows, n_coalitions) of a draw."""
        estimate.add(self._codes(draw), losses.T)


class ChainEnumeration(Enumeration):
    """All coalitions as prefixes of as few orders as possible, in chunks of orders."""

    retrains_prefixes = True

    def __init__(self, probabilities):
        super().__init__(probabilities)
        self.n_draws = -(-comb(self.n_players, self.n_players // 2) // CHUNK)
        self.chains = list(symmetric_chains(self.n_players))

    def _chunk(self, draw):
        return self.chains[CHUNK * draw : CHUNK * (draw + 1)]

    def orders(self, draw):
        """Orders whose prefixes are wanted, (n_orders, n_players)."""
        return np.stack([order for order, _, _ in self._chunk(draw)])

    def start(self, empty, full, spread=False):
        """Return an estimate that draws can be added to."""
        return EnumeratedValues(self.probabilities, len(empty))

    def add(self, estimate, draw, losses):
        """Take the losses (n_rows, n_players + 1) of the orders of a draw."""
        for (order, start, stop), loss in zip(self._chunk(draw), losses, strict=True):
            codes = np.append(0, np.cumsum(2**order))[start:stop]
            estimate.add(codes, loss[:, start:stop].T)
