"""Exact semivalues of small games: every coalition once.

Coalitions are numbers: bit i says whether player i is in.
"""

import numpy as np

from skinfluence.retraining._semivalues import coalition_weights

# Games up to this size are enumerated unless a budget forbids it.
MAX_PLAYERS = 16


def members(codes, n_players):
    """Tell who is in each coalition, boolean (n_coalitions, n_players)."""
    return (np.asarray(codes)[:, None] >> np.arange(n_players)) & 1 == 1


class EnumeratedValues:
    """Semivalues of losses that come in any order, coalition by coalition.

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

    def add(self, codes, losses):
        """Take the losses (n_coalitions, n_rows) of some coalitions."""
        inside = members(codes, self.n_players)
        size = inside.sum(axis=1)
        weight = np.where(inside, -self.inside[size, None], self.outside[size, None])
        self.values += losses.T @ weight


def symmetric_chains(n_players):
    """Orders whose prefixes are all coalitions, each in exactly one of them.

    The symmetric chain decomposition of de Bruijn, Tengbergen and Kruyswijk (1951):
    C(n, n / 2) chains, the fewest that can be.

    Yields
    ------
    order : ndarray of shape (n_players,)
        All players.
    start, stop : int
        The prefixes of the lengths start, ..., stop - 1 belong to this chain.
    """
    chains = [((), ())]  # the smallest coalition, and who joins it one by one
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
