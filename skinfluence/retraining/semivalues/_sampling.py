"""The choice of coalitions: all of them, or those of a number of random draws."""

from skinfluence.retraining.semivalues._enumeration import (
    MAX_PLAYERS,
    ChainEnumeration,
    Enumeration,
)
from skinfluence.retraining.semivalues._permutations import PermutationSampling
from skinfluence.retraining.semivalues._sample_reuse import CoalitionSampling

# Default budget of retrainings per player.
PER_PLAYER = 100

# Smallest number of random coalitions; with fewer, a player may be in all of them.
FEWEST_COALITIONS = 64


def enumerates(n_players, max_retrainings):
    """Tell whether all coalitions are enumerated."""
    return n_players <= MAX_PLAYERS and (
        max_retrainings is None or max_retrainings >= 2**n_players - 2
    )


class Sampling:
    """A sampling scheme and its number of draws.

    Parameters
    ----------
    probabilities : ndarray of shape (n_players,)
        Of `size_probabilities`.
    sample_reuse : bool
        Whether the values are Banzhaf's.
    incremental : bool
        Whether models of prefixes need no training.
    max_retrainings : int or None
        The budget.
    seed : int
        Of all draws.
    antithetic : bool
        Whether each order is followed by its reverse.

    Attributes
    ----------
    scheme : Enumeration, PermutationSampling or CoalitionSampling
        Defines the coalitions of a draw.
    n_draws : int
        First the number of draws that the budget allows, then the number made.
    """

    def __init__(
        self,
        probabilities,
        *,
        sample_reuse,
        incremental,
        max_retrainings,
        seed,
        antithetic,
    ):
        self.probabilities, self.sample_reuse = probabilities, sample_reuse
        self.max_retrainings, self.seed = max_retrainings, seed
        self.antithetic = antithetic
        if enumerates(len(probabilities), max_retrainings):
            kind = ChainEnumeration if incremental else Enumeration
            self.scheme = kind(probabilities)
            self.n_draws = self.scheme.n_draws
        else:
            self.draw_at_random()

    @property
    def enumerates(self):
        """Whether all coalitions are enumerated, so that nothing is random."""
        return isinstance(self.scheme, Enumeration)

    def in_words(self):
        """Return which subsets were drawn, for people."""
        if self.enumerates:
            return "all subsets"
        return f"{self.n_draws} draws of {self.scheme.name}"

    @property
    def n_retrainings(self):
        """Models that all draws train."""
        return self.scheme.n_retrainings(self.n_draws)

    def stop_after(self, n_draws):
        """Take over the number of draws that were made."""
        self.n_draws = n_draws

    def draw_at_random(self):
        """Choose random orders or random coalitions, however small the game is."""
        n = len(self.probabilities)
        budget = self.max_retrainings or PER_PLAYER * n
        if self.sample_reuse:
            self.scheme = CoalitionSampling(n, self.seed)
            per_draw, fewest = 1, FEWEST_COALITIONS
        else:
            self.scheme = PermutationSampling(
                self.probabilities, self.seed, self.antithetic
            )
            per_draw = fewest = n * self.scheme.orders_per_draw
        if budget < fewest:
            raise ValueError(
                f"The 'max_retrainings' parameter must be at least {fewest} for the "
                f"values of {n} players. Got {self.max_retrainings}: raise it, or make "
                "groups of rows the players (groups in fit)."
            )
        self.n_draws = budget // per_draw
