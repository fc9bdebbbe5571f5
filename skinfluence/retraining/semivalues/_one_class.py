r"""The closed form of what coalitions of one class contribute to semivalues.

The model of a coalition whose rows have one class c predicts c, whatever the estimator,
and that of the empty coalition the prior. With :math:`L_c` and :math:`L_\emptyset` the
losses of these predictions, the game

.. math:: g(\emptyset) = L_\emptyset, \quad g(S) = L_c \text{ if all of } S
    \text{ are of class } c, \quad g(S) = 0 \text{ else}

has its semivalues in closed form: :math:`n_c` of the n players being of class c, and p
the probabilities of sizes,

.. math:: \phi_i = p(0) \, [L_\emptyset - L_{c(i)}] + \sum_{c \ne c(i)} L_c
    \sum_{s \ge 1} p(s) \binom{n_c}{s} \Big/ \binom{n - 1}{s}

Only the rest of the game, :math:`\ell - g`, is sampled. The estimate stays unbiased,
and no longer depends on which player of an order is the first of a second class. For
each player that is a rare event which changes the log loss by up to 36 nats, so that
it makes up nearly all of the variance.

**Cost.** One evaluation per class.
"""

import numpy as np


class OneClassGame:
    """The game g, in which only coalitions of one class have a worth.

    Parameters
    ----------
    kind : ndarray of int, shape (n_players,)
        Class of each player's rows; -1 for a player with rows of several classes.
    empty : ndarray of shape (n_rows,)
        Losses of the prior model (no training rows).
    one_class : ndarray of shape (n_rows, n_classes)
        Losses of the constant prediction of each class.
    """

    def __init__(self, kind, empty, one_class):
        self.kind, self.empty, self.one_class = kind, empty, one_class

    def values(self, probabilities):
        """Semivalues of the players, (n_rows, n_players)."""
        n, n_classes = len(self.kind), self.one_class.shape[1]
        pure = self.kind >= 0
        counts = np.bincount(self.kind[pure], minlength=n_classes)
        met = [probabilities[1:] @ chance_of_one_class(count, n) for count in counts]
        ended = self.one_class * np.array(met)
        values = probabilities[0] * self.empty + ended.sum(axis=1)
        values = np.repeat(values[:, None], n, axis=1)
        own = probabilities[0] * self.one_class + ended
        values[:, pure] -= own[:, self.kind[pure]]
        return values

    def rest(self, order, losses):
        """Return the losses (n_rows, n_players + 1) along an order, less those of g."""
        kinds = self.kind[order]
        others = np.flatnonzero((kinds != kinds[0]) | (kinds < 0))
        length = others[0] if len(others) else len(order)
        losses = losses.copy()
        losses[:, 0] -= self.empty
        losses[:, 1 : length + 1] -= self.one_class[:, [kinds[0]]]
        return losses


def chance_of_one_class(count, n):
    """Probability that s = 1, ..., n - 1 of the others are all among ``count``."""
    drawn = np.arange(n - 1)
    return np.cumprod(np.maximum(count - drawn, 0) / (n - 1 - drawn))


def kinds_of_players(rows, y):
    """Index of the class of each player's rows, -1 for several classes."""
    return np.array([y[own[0]] if np.ptp(y[own]) == 0 else -1 for own in rows])


class RestOfGame:
    """The losses that a source has for draws of orders, less those of g.

    Parameters
    ----------
    source : callable
        Takes a range of draws, returns or yields the losses of each.
    scheme : PermutationSampling
        Defines the orders of a draw.
    game : OneClassGame
    """

    def __init__(self, source, scheme, game):
        self.source, self.scheme, self.game = source, scheme, game

    def __call__(self, draws):
        """Yield the losses of each draw, as ``scheme.add`` takes them."""
        for draw, losses in zip(draws, self.source(draws), strict=False):
            orders = self.scheme.orders(draw)
            yield list(map(self.game.rest, orders, losses))
