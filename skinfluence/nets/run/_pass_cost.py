"""A warning about the cost of passes over a recorded run, after its first steps."""

import warnings
from time import monotonic

from skinfluence._progress import duration

LONG = 10.0  # seconds; shorter work is not announced
_TIMED = 3  # steps


class PassCost:
    """Times the first steps of the first of several passes, and warns if all take long.

    Parameters
    ----------
    what : str
        Beginning of the warning: what is computed.
    n_passes : int
        Number of passes over the run.
    instead : str
        Full sentences: how to avoid the cost.
    """

    def __init__(self, what, n_passes, instead):
        self.what, self.n_passes, self.instead = what, n_passes, instead
        self._is_timed = False

    def watch(self, steps, n_steps):
        """Yield ``steps`` while the caller works on them."""
        timed = min(_TIMED, n_steps - 2)
        for index, step in enumerate(steps):
            if index == 1 and not self._is_timed:  # torch loads code in the first step
                start = monotonic()
            if index == 1 + timed and index > 1 and not self._is_timed:
                self._is_timed = True
                self._say((monotonic() - start) / timed, n_steps)
            yield step

    def _say(self, seconds, n_steps):
        total = seconds * n_steps * self.n_passes
        if total > LONG:
            passes = "a pass" if self.n_passes == 1 else f"{self.n_passes} passes"
            warnings.warn(
                f"{self.what} takes about {duration(total)}: {passes} over the "
                f"{n_steps} steps of the run, of {seconds:.2g} s each. {self.instead}",
                UserWarning,
                stacklevel=2,
            )
