"""Stopping rules of sampling: number of draws, time, standard error."""

import warnings
from dataclasses import dataclass
from time import monotonic

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skinfluence.retraining.engine import Deadline

# The standard error is checked after every so many draws, counted over all workers, so
# that results do not depend on the number of workers.
EVERY = 10

# Target duration of a round of draws if a limit may end the sampling.
ROUND_SECONDS = 1.0


@dataclass
class Limits:
    """The limits that the user sets to sampling.

    Attributes
    ----------
    max_time : float or None
        Seconds.
    standard_error : float or None
        Target for every player's mean value.
    truncation : float or None
        Tolerance of `truncate`.
    """

    max_time: float | None = None
    standard_error: float | None = None
    truncation: float | None = None


class Budget:
    """Cuts draws into rounds until one of three limits is met.

    Parameters
    ----------
    n_draws : int
        Largest number of draws.
    max_time : float or None
        Seconds.
    standard_error : float or None
        Target for every player's value.
    per_round : int
        Number of draws whose losses fit into memory.
    """

    def __init__(self, n_draws, max_time=None, standard_error=None, per_round=None):
        self.n_draws, self.max_time = n_draws, max_time
        self.target, self.per_round = standard_error, per_round or n_draws
        self.deadline, self.n_done = Deadline(max_time), 0

    def rounds(self):
        """Yield ranges of draws until a limit is met."""
        size = 1
        while self.n_done < self.n_draws:
            begin, before = monotonic(), self.n_done
            if self.max_time is not None:
                if self.deadline.passed():
                    return
            elif self.target is None:
                size = self.per_round
            size = min(size, self.per_round)
            draws = range(before, min(before + size, self.n_draws))
            yield draws
            if self.n_done < draws.stop:  # the deadline passed during a draw
                return
            if monotonic() - begin < ROUND_SECONDS / 2:
                size *= 2

    def count(self):
        """Count a draw that was made."""
        self.n_done += 1

    def reached(self, estimate):
        """Tell whether the target standard error is reached, after some draws."""
        if self.target is None or self.n_done % EVERY or self.n_done < 2 * EVERY:
            return False
        return bool(np.all(estimate.standard_error() <= self.target))

    def warn_if_missed(self, estimate):
        """Warn if the target standard error was not reached."""
        if self.target is None:
            return
        reached = estimate.standard_error().max()
        if reached > self.target:
            warnings.warn(
                f"The budget was spent after {self.n_done} draws, with a standard "
                f"error of {reached:.2g} instead of standard_error={self.target:.2g}: "
                "raise max_retrainings or max_time.",
                ConvergenceWarning,
                stacklevel=8,  # the caller of fit
            )


def spend(budget, scheme, source, estimates):
    """Draw until the budget is spent; return the number of draws.

    Parameters
    ----------
    budget : Budget
    scheme, source
        A scheme and a source as the package's docstring describes them. If the
        deadline passed, the source has the losses of the first draws only.
    estimates : list
        Two results of ``scheme.start``: for single test rows, and for their mean,
        whose standard error is compared with the target.
    """
    rows, mean = estimates
    for draws in budget.rounds():
        for draw, losses in zip(draws, source(draws), strict=False):
            scheme.add(rows, draw, losses)
            scheme.add(mean, draw, _mean(losses))
            budget.count()
            if budget.reached(mean):
                return budget.n_done
    return budget.n_done


def _mean(losses):
    if isinstance(losses, list):
        return [loss.mean(axis=0, keepdims=True) for loss in losses]
    return losses.mean(axis=0, keepdims=True)
