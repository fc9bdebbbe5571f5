r"""Mean and standard error of independent draws, without keeping them.

A player often has a large contribution in a few draws only. Before the first of them
has occurred, the sample variance of the player is far too small. The variance is
therefore shrunk towards its mean over all players, which counts as k additional draws
(Smyth 2004): with d = (number of draws - 1) and k = 10

.. math:: \tilde s_i^2 = \frac{d s_i^2 + k \bar s^2}{d + k}

Without it intervals of 1.96 standard errors cover far less than 95% of the values.

References
----------
G. K. Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential
Expression in Microarray Experiments", Statistical Applications in Genetics and
Molecular Biology 3, 2004.
"""

import numpy as np

POOLED = 10


class RunningMean:
    """Mean of arrays that are added one by one, and its standard error (Welford).

    Parameters
    ----------
    shape : tuple of int
        Shape of one draw; players are on the last axis.
    spread : bool, default=True
        Whether the standard error is needed, which costs a second array.
    """

    def __init__(self, shape, spread=True):
        self.n_draws = 0
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape) if spread else None

    def add(self, draw):
        """Add one draw."""
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
