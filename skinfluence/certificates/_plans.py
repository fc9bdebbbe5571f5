"""Plans to turn predictions, and how refits find out how much of one it takes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Plan:
    """The order in which changes are tried.

    Attributes
    ----------
    rows : ndarray of int
        Training rows, those that promise most first.
    labels : ndarray of int or None
        Their new class indices; None where rows are removed.
    size : int
        How many turn the prediction, where that is known; else a first guess.
    costs : ndarray of shape (n_classes,), default=None
        No fewer changes turn the prediction to each class; None: ``size`` for all.
    towards : callable, default=None
        Returns the `Plan` that turns it to a class.
    """

    rows: np.ndarray
    labels: np.ndarray | None
    size: int
    costs: np.ndarray | None = None
    towards: Callable | None = None

    def head(self, size):
        """Return the first changes as rows and new labels."""
        return self.rows[:size], None if self.labels is None else self.labels[:size]


def shortest_head(plan, first, turns):
    """Find a short head of a plan that turns a prediction.

    Heads of ``first``, then of twice as many changes are tried, then what is between
    the last one that does not turn and the first that does.

    Parameters
    ----------
    plan : Plan
    first : int
        Fewer changes are known not to turn it.
    turns : callable
        ``turns(rows, labels)`` refits and tells.

    Returns
    -------
    size : int or None
        None where the whole plan does not turn it.
    """
    most = len(plan.rows)
    low, high = first - 1, first
    if high > most:
        return None
    while not turns(*plan.head(high)):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if turns(*plan.head(middle)):
            high = middle
        else:
            low = middle
    return high
