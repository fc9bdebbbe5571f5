"""Semivalues from random orders: the contribution of each player to those before it."""

import numpy as np

from skinfluence.retraining.semivalues._running_mean import RunningMean


class PermutationSampling:
    r"""Draws of random orders, and a player's value in each.

    Player :math:`o_j`, the j-th of an order, is worth

    .. math:: n \, p(j) \, [\ell(o_0 \dots o_{j-1}) - \ell(o_0 \dots o_j)]

    in it, with p the probabilities of `size_probabilities`. For Shapley values p is
    1 / n, and the values of every single order sum to loss(none) - loss(all). The
    estimate is unbiased. A draw is one order or, with antithetic sampling, the mean of
    an order and its reverse: a player that is early in one is late in the other.
    Standard errors are computed from draws, since draws are independent and the two
    orders of a pair are not.

    Draw k depends on (seed, k) only: a larger budget begins with the draws of a
    smaller one.

    Parameters
    ----------
    probabilities : ndarray of shape (n_players,)
        See `size_probabilities`.
    seed : int
        Of all draws.
    antithetic : bool
        Whether a draw is a pair of an order and its reverse.
    """

    name = "permutations"
    retrains_prefixes = True

    def __init__(self, probabilities, seed, antithetic=True):
        self.weights = len(probabilities) * probabilities
        self.seed, self.antithetic = seed, antithetic
        self.n_players = len(probabilities)
        self.orders_per_draw = 2 if antithetic else 1

    def n_retrainings(self, n_draws):
        """Models to be trained for the first draws; the two ends are known."""
        return n_draws * self.orders_per_draw * (self.n_players - 1)

    def n_unseen(self, n_draws):
        """Players without any value after the first draws: zero, orders hold all."""
        return 0

    def orders(self, draw):
        """Orders of one draw, shape (orders_per_draw, n_players)."""
        rng = np.random.default_rng((self.seed, draw))
        order = rng.permutation(self.n_players)
        return np.stack([order, order[::-1]] if self.antithetic else [order])

    def first_number(self, draw):
        """Number of the first retraining of each order of a draw."""
        first = draw * self.orders_per_draw
        return (first + np.arange(self.orders_per_draw)) * self.n_players

    def start(self, empty, full, spread=True):
        """Return an estimate that draws can be added to."""
        return RunningMean((len(empty), self.n_players), spread)

    def add(self, estimate, draw, losses):
        """Take the losses (n_rows, n_players + 1) of the orders of a draw."""
        estimate.add(self.value(self.orders(draw), losses))

    def value(self, orders, losses):
        """Values of the players in one draw.

        Parameters
        ----------
        orders : ndarray of shape (n_orders, n_players)
        losses : sequence of ndarray of shape (n_rows, n_players + 1)
            Of the prefixes of 0, 1, ..., n players of each order.

        Returns
        -------
        values : ndarray of shape (n_rows, n_players)
        """
        out = np.zeros((len(losses[0]), self.n_players))
        for order, loss in zip(orders, losses, strict=True):
            out[:, order] += (loss[:, :-1] - loss[:, 1:]) * self.weights
        out /= len(orders)
        return out


def truncate(losses, tolerance):
    """Set contributions to zero once the mean loss is near that of all players.

    Ghorbani & Zou's rule. It uses the mean over test rows, so that the value of a
    player for a single test row is biased by the remaining change of that row's own
    loss, and values sum to loss(none) - loss(all) up to the tolerance only.

    Parameters
    ----------
    losses : ndarray of shape (n_rows, n_players + 1)
        Of the prefixes of an order; changed in place.
    tolerance : float
        Positive, in units of the loss.

    Returns
    -------
    length : int
        Of the last prefix that counted.
    """
    means = losses.mean(axis=0)
    length = int(np.argmax(np.abs(means - means[-1]) < tolerance))
    losses[:, length + 1 :] = losses[:, [length]]
    return length
