"""Distances from the median of a sample in robust standard deviations."""

import numpy as np

# Factor from the median absolute deviation of a normal variable to its standard
# deviation.
NORMAL = 1.4826


class Scale:
    """Median and spread of a sample, NaN left out.

    Parameters
    ----------
    sample : ndarray of shape (n,)
    """

    def __init__(self, sample):
        known = sample[~np.isnan(sample)]
        self.centre = np.median(known) if known.size else 0.0
        centred = np.abs(known - self.centre)
        self.spread = NORMAL * np.median(centred) if known.size else 0.0
        # If most values are equal the deviation is zero, and distances are undefined.
        tiny = np.finfo(np.float64).eps * np.abs(known).max(initial=0.0)
        self.defined = self.spread > 4 * tiny

    def distance(self, values):
        """Return distances; zero where the sample has no spread, NaN stays NaN."""
        if not self.defined:
            return np.where(np.isnan(values), np.nan, 0.0)
        return (values - self.centre) / self.spread
