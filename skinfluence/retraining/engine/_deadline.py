"""A moment after which no model is started."""

from time import time


class Deadline:
    """Wall-clock time, which workers on other machines know as well.

    Parameters
    ----------
    seconds : float or None
        From now on; None never passes.
    """

    def __init__(self, seconds=None):
        self.at = float("inf") if seconds is None else time() + seconds

    def passed(self):
        """Tell whether it is too late to start a model."""
        return time() >= self.at
