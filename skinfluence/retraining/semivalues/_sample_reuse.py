"""Maximum sample reuse: every random coalition is used for every player."""

import numpy as np


class SampleReuse:
    r"""Mean loss without a player minus mean loss with it.

    .. math:: \hat\phi_i = \frac{1}{K - m_i} \sum_{k: i \notin S_k} \ell(S_k)
        - \frac{1}{m_i} \sum_{k: i \in S_k} \ell(S_k)

    For coalitions that hold each player with probability 1/2 independently this is
    unbiased for the Banzhaf value (Wang & Jia 2023); for random subsets of another
    size it is the influence by downsampling (Feldman & Zhang 2020). The standard
    error is that of the difference of two means, which are independent given the
    number of coalitions that hold each player.

    Memory: two arrays of (n_players, n_rows), whatever the number of coalitions.

    Parameters
    ----------
    n_players, n_rows : int
        Players, test rows.
    reference : ndarray of shape (n_rows,)
        Losses of the full model. Differences from them are accumulated, which avoids
        cancellation in the sums of squares.
    """

    def __init__(self, n_players, n_rows, reference):
        self.reference = reference
        self.n_with, self.n_coalitions = np.zeros(n_players), 0
        self.sum, self.squares = np.zeros(n_rows), np.zeros(n_rows)
        self.sum_with = np.zeros((n_rows, n_players))
        self.squares_with = np.zeros((n_rows, n_players))

    def add(self, inside, losses):
        """Add coalitions, boolean (m, n_players), and their losses (m, n_rows)."""
        inside = np.asarray(inside, dtype=np.float64)
        losses = losses - self.reference
        self.n_coalitions += len(inside)
        self.n_with += inside.sum(axis=0)
        self.sum += losses.sum(axis=0)
        self.sum_with += losses.T @ inside
        losses **= 2
        self.squares += losses.sum(axis=0)
        self.squares_with += losses.T @ inside

    def _means(self):
        n_without = self.n_coalitions - self.n_with
        with np.errstate(invalid="ignore", divide="ignore"):
            with_it = self.sum_with / self.n_with
            without = (self.sum[:, None] - self.sum_with) / n_without
        return with_it, without, n_without

    @property
    def mean(self):
        """Values, shape (n_rows, n_players); NaN for a player always in or out."""
        with_it, without, _ = self._means()
        return without - with_it

    def standard_error(self):
        """Return standard errors, shape (n_rows, n_players).

        Infinite where a player is in, or out of, fewer than two coalitions.
        """
        with_it, without, n_without = self._means()
        total = 0.0
        squares_without = self.squares[:, None] - self.squares_with
        for squares, mean, count in (
            (self.squares_with, with_it, self.n_with),
            (squares_without, without, n_without),
        ):
            with np.errstate(invalid="ignore", divide="ignore"):
                variance = np.maximum(squares - count * mean**2, 0) / (count - 1)
                total = total + np.where(count > 1, variance / count, np.inf)
        return np.sqrt(total)


class CoalitionSampling:
    """Random coalitions that hold each player with probability 1/2: one a draw.

    Draw k depends on (seed, k) only. Their losses go to `SampleReuse`.

    Parameters
    ----------
    n_players : int
    seed : int
        Of all draws.
    """

    name = "coalitions"
    retrains_prefixes = False

    def __init__(self, n_players, seed):
        self.n_players, self.seed = n_players, seed

    def n_retrainings(self, n_draws):
        """Models to be trained for the first draws."""
        return n_draws

    def n_unseen(self, n_draws):
        """Players that are in all of the first draws' coalitions, or in none."""
        count = sum(self.coalitions(draw)[0][0] for draw in range(n_draws))
        return int(((count == 0) | (count == n_draws)).sum())

    def coalitions(self, draw):
        """Members, boolean (1, n_players), and the retraining's number."""
        rng = np.random.default_rng((self.seed, draw))
        return rng.random((1, self.n_players)) < 0.5, np.array([draw])

    def start(self, empty, full, spread=True):
        """Return an estimate that draws can be added to."""
        return SampleReuse(self.n_players, len(full), full)

    def add(self, estimate, draw, losses):
        """Take the losses (n_rows, 1) of a draw."""
        estimate.add(self.coalitions(draw)[0], losses.T)
