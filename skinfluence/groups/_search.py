"""Searches for a small set of players that turns an estimand; each is verified."""

from itertools import combinations
from math import comb
from time import perf_counter

import numpy as np

from skinfluence.certificates._plans import Plan, shortest_head
from skinfluence.retraining.engine import announce_training

# Sets that an exhaustive search goes through.
MOST_SETS = 200_000
WHY = (
    "Each set is verified by a refit. A smaller max_rows, or groups in the place of "
    "rows, take less."
)


def turns(estimand, players, chosen):
    """Tell whether the estimand turns without some players, by a refit."""
    kept = players.left(chosen)
    return len(kept) > 0 and estimand.turned(estimand.refit(kept), kept)


def one_shot(estimand, players, most):
    """Remove players in the order of their first-order effects (AMIP).

    Returns
    -------
    chosen : list of int or None
        The shortest head of this order that turns the estimand.
    """
    order, _ = first_order(estimand, players)
    plan = Plan(order[:most], None, 1)
    size = shortest_head(plan, 1, lambda head, _: turns(estimand, players, head))
    return None if size is None else list(order[:size])


def first_order(estimand, players, positive=True):
    """Return players by first-order effect, and how many are predicted to turn it."""
    everything = np.arange(players.n)
    model = estimand.refit(everything)
    who, gain = estimand.gains(model, everything, players, first_order=True)
    order = np.argsort(-gain, kind="stable")
    order = order[gain[order] > 0] if positive else order
    distance = estimand.distance()
    total = np.maximum.accumulate(np.cumsum(gain[order]))
    if distance is None or not len(total) or total[-1] <= distance:
        return who[order], None
    return who[order], int(np.searchsorted(total, distance, side="right")) + 1


def greedy(estimand, players, most, stop_when_turned=True):
    """Remove the player of the largest effect, refit, and begin anew.

    Returns
    -------
    chosen : list of int or None
        None where the estimand has not turned after ``most`` players.
    """
    chosen, start = [], perf_counter()
    kept = np.arange(players.n)
    model = estimand.refit(kept)
    while len(chosen) < most:
        who, gain = estimand.gains(model, kept, players)
        if chosen:
            gain = np.where(np.isin(who, chosen), -np.inf, gain)
        if not len(who) or not (gain.max() > 0 or not stop_when_turned):
            return None if stop_when_turned else chosen
        chosen.append(int(who[gain.argmax()]))
        kept = players.left(chosen)
        model = estimand.refit(kept)
        if stop_when_turned and estimand.turned(model, kept):
            return without_needless(estimand, players, chosen)
        if len(np.unique(estimand.y[kept])) < 2 and stop_when_turned:
            return None  # nothing is left to be trained on
        if len(chosen) == 1:
            seconds = perf_counter() - start
            announce_training(most - 1, seconds, WHY, stacklevel=5)
    return None if stop_when_turned else chosen


def without_needless(estimand, players, chosen):
    """Put players back who are not needed, the first ones first."""
    for player in list(chosen[:-1]):
        rest = [other for other in chosen if other != player]
        if rest and turns(estimand, players, rest):
            chosen = rest
    return chosen


def exhaustive(estimand, players, sizes):
    """Go through all sets of some sizes, ascending.

    Returns
    -------
    chosen : list of int or None
        The first that turns the estimand; None proves that no set of these sizes does.
    """
    start = perf_counter()
    total = sum(comb(players.n_players, size) for size in sizes)
    for i, chosen in enumerate(
        chosen
        for size in sizes
        for chosen in combinations(range(players.n_players), size)
    ):
        if turns(estimand, players, chosen):
            return list(chosen)
        if i == 20:
            seconds = (perf_counter() - start) / 20
            announce_training(total, seconds, WHY, stacklevel=5)
    return None


def n_sets(players, sizes):
    """How many sets of these sizes there are."""
    return sum(comb(players.n_players, size) for size in sizes)
