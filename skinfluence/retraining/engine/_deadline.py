"""The point in time after which no model is started."""

from time import time


class Deadline:
    """A point in wall-clock time, which workers on other machines can compare with.

    Parameters
    ----------
    seconds : float or None
        Time from now; with None the deadline never passes.
    """

    def __init__(self, seconds=None):
        self.at = float("inf") if seconds is None else time() + seconds

    def passed(self):
        """Tell whether it is too late to start a model."""
        return time() >= self.at
