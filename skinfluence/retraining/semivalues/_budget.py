"""When to stop drawing: enough draws, enough time, or exact enough."""

import warnings
from dataclasses import dataclass
from time import monotonic

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skinfluence.retraining.engine import Deadline

# The standard error is looked at after every so many draws, whoever computed them,
# so that results do not depend on the number of workers.
EVERY = 10

# A round of draws takes about this long where something may stop it.
ROUND_SECONDS = 1.0


@dataclass
class Limits:
    """What the user lets drawing take, and how exact it is to be.

    Attributes
    ----------
    max_time : float or None
        Seconds.
    standard_error : float or None
        Of every player's mean value.
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
        At most so many.
    max_time : float or None
        Seconds.
    standard_error : float or None
        Of every player's value.
    per_round : int
        Draws whose losses fit into memory.
    """

    def __init__(self, n_draws, max_time=None, standard_error=None, per_round=None):
        self.n_draws, self.max_time = n_draws, max_time
        self.target, self.per_round = standard_error, per_round or n_draws
        self.deadline, self.n_done = Deadline(max_time), 0

    def rounds(self):
        """Yield ranges of draws, until it is time to stop between them."""
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
            if self.n_done < draws.stop:  # time ended a draw
                return
            if monotonic() - begin < ROUND_SECONDS / 2:
                size *= 2

    def advance(self, estimate):
        """Count a draw; return whether the values are exact enough."""
        self.n_done += 1
        if self.target is None or self.n_done % EVERY or self.n_done < 2 * EVERY:
            return False
        return bool(np.all(estimate.standard_error() <= self.target))

    def warn_if_short(self, estimate):
        """Warn where the values are not as exact as they were to be."""
        if self.target is None:
            return
        reached = estimate.standard_error().max()
        if reached > self.target:
            warnings.warn(
                f"The budget was spent after {self.n_done} draws at a standard error "
                f"of {reached:.2g}, not standard_error={self.target:.2g}: raise "
                "max_retrainings or max_time.",
                ConvergenceWarning,
                stacklevel=8,  # who called fit
            )


def spend(budget, scheme, source, estimates):
    """Draw until the budget is spent.

    Parameters
    ----------
    budget : Budget
    scheme : Enumeration, PermutationSampling or CoalitionSampling
        What a draw is.
    source : callable
        Takes a range of draws, returns or yields the losses of each, or of the first
        ones where time ended the others.
    estimates : list
        Of ``scheme.start``: for single rows, and for their mean, by which the
        budget is judged.

    Returns
    -------
    n_draws : int
    """
    rows, mean = estimates
    for draws in budget.rounds():
        for draw, losses in zip(draws, source(draws), strict=False):
            scheme.add(rows, draw, losses)
            scheme.add(mean, draw, _mean(losses))
            if budget.advance(mean):
                return budget.n_done
    return budget.n_done


def _mean(losses):
    if isinstance(losses, list):
        return [loss.mean(axis=0, keepdims=True) for loss in losses]
    return losses.mean(axis=0, keepdims=True)
