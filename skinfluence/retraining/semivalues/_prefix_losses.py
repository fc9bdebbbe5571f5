"""Losses along orders of players, from models that add rows without retraining."""

from itertools import islice

import numpy as np

from skinfluence.retraining.semivalues._permutations import truncate

# Losses computed at a time: test rows times prefixes times classes.
BLOCK = 2**21

# Smallest number of orders that are passed to the models together.
ORDERS = 128


class PrefixLosses:
    """The game of a fixed set of test rows, played along orders of the players.

    Parameters
    ----------
    game : Game
        With ``prefix_models``.
    scheme : ChainEnumeration or PermutationSampling
        Defines the orders of a draw.
    rows : tuple
        Test rows, encoded targets, loss.
    weight : ndarray of shape (n_rows,), default=None
        Weights of the test rows, if only the weighted sum of their losses is needed.
    tolerance : float, default=None
        Of `truncate`.
    """

    n_retrainings = 0

    def __init__(self, game, scheme, rows, weight=None, tolerance=None):
        X, self.y, self.loss = rows
        self.models, self.scheme = game.prefix_models, scheme
        self.players, self.rows = game.players.rows, self.models.prepare(X)
        self.empty = game.ends(game.evaluation(*rows))[0]
        self.weight, self.tolerance = weight, tolerance
        self.sizes = np.array([len(rows) for rows in self.players])

    def __call__(self, draws):
        """Yield the losses of each draw, as ``scheme.add`` takes them."""
        draws = list(draws)
        while draws:
            orders, count = [], 0
            while draws and count < ORDERS:
                orders.append(self.scheme.orders(draws.pop(0)))
                count += len(orders[-1])
            losses = self._along(np.concatenate(orders))
            for part in orders:
                yield list(islice(losses, len(part)))

    def _along(self, orders):
        """Yield, for each order of players, losses (n_rows, n_players + 1)."""
        n_players, n_classes = len(self.players), self.models.n_classes
        size = max(1, BLOCK // (n_players * n_classes))
        for path in self._paths(orders):
            rows = 1 if self.weight is not None else len(self.y)
            out = np.zeros((rows, n_players + 1))
            for start in range(0, len(self.y), size):
                part = slice(start, start + size)
                losses = self.models.losses(
                    path, self.rows[part], self.y[part], self.loss
                )
                if self.weight is None:
                    out[part, 1:] = losses
                else:
                    out[0, 1:] += self.weight[part] @ losses
            out[:, 0] = self.empty if self.weight is None else self.weight @ self.empty
            if self.tolerance is not None:
                truncate(out, self.tolerance)
            yield out

    def _paths(self, orders):
        n = self.sizes.sum()
        if len(self.players) == n:
            row = np.concatenate(self.players)
            yield from self.models.paths(row[orders], np.arange(1, n + 1))
            return
        for order in orders:
            rows = np.concatenate([self.players[player] for player in order])
            yield from self.models.paths(rows[None], np.cumsum(self.sizes[order]))
