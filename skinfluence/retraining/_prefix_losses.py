"""Losses along orders of players, from models that take a row more without a fit."""

import numpy as np

# Losses computed at a time: test rows times prefixes times classes.
BLOCK = 2**21

# Orders that are handed to the models together.
ORDERS = 256


class PrefixLosses:
    """The game of a fixed set of test rows, played along orders of the players.

    Parameters
    ----------
    models : PrefixModels
        Of the estimator.
    players : list of ndarray of int
        Training rows of each player.
    X, y : array-like, ndarray
        Test rows, encoded targets.
    loss : Loss
        Evaluation loss.
    empty : ndarray of shape (n_rows,)
        Losses of the empty coalition.
    """

    def __init__(self, models, players, X, y, loss, empty):
        self.models, self.players = models, players
        self.rows, self.y, self.loss, self.empty = models.prepare(X), y, loss, empty
        self.sizes = np.array([len(rows) for rows in players])

    def __call__(self, orders):
        """Yield, for each order of players, losses (n_rows, n_players + 1)."""
        for start in range(0, len(orders), ORDERS):
            yield from self._along(orders[start : start + ORDERS])

    def _along(self, orders):
        single = len(self.players) == self.sizes.sum()
        n, width = self.sizes.sum(), max(1, getattr(self.models, "n_classes", 1))
        size = max(1, BLOCK // (len(self.players) * width))
        if single:
            first = np.array([rows[0] for rows in self.players])
            paths = self.models.paths(first[orders], np.arange(1, n + 1))
        else:
            paths = self._grouped(orders)
        for path in paths:
            out = np.empty((len(self.y), len(self.players) + 1))
            out[:, 0] = self.empty
            for start in range(0, len(self.y), size):
                part = slice(start, start + size)
                out[part, 1:] = self.models.losses(
                    path, self.rows[part], self.y[part], self.loss
                )
            yield out

    def _grouped(self, orders):
        for order in orders:
            rows = np.concatenate([self.players[player] for player in order])
            yield from self.models.paths(rows[None], np.cumsum(self.sizes[order]))
