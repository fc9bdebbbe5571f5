"""Mean and standard error of independent draws, without keeping them."""

import numpy as np


class RunningMean:
    """Mean of arrays that come one by one, and its standard error (Welford).

    Parameters
    ----------
    shape : tuple of int
        Of one draw.
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

    def standard_error(self):
        """Return the standard error of the mean; infinite for a single draw."""
        if self.n_draws < 2:
            return np.full(self.mean.shape, np.inf)
        return np.sqrt(self.squares / (self.n_draws * (self.n_draws - 1)))
