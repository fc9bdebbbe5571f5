"""How much it costs to turn a vote, where each voter has a price."""

import numpy as np


def cheapest_turn(votes, costs, n_classes):
    """Find the cheapest voters to turn, so that another class wins.

    Parameters
    ----------
    votes : ndarray of int of shape (n_voters,)
        Class indices. The class with most votes wins, of several the smallest.
    costs : ndarray of shape (n_voters,)
        What it takes at least to turn each of them.
    n_classes : int

    Returns
    -------
    cost : float
        No smaller sum turns the vote; infinite where nothing does.
    voters : ndarray of int
        Those to turn.
    rival : int
        To this class.
    """
    count = np.bincount(votes, minlength=n_classes)
    winner, best = int(count.argmax()), (np.inf, np.empty(0, dtype=np.intp), -1)
    order = np.argsort(costs, kind="stable")
    for rival in range(n_classes):
        if rival == winner:
            continue
        # A voter of the winner closes the gap by two, one of a third class by one.
        gap = count[winner] - count[rival] + (rival > winner)
        double = order[votes[order] == winner]
        single = order[(votes[order] != winner) & (votes[order] != rival)]
        twice = np.concatenate([[0.0], np.cumsum(costs[double])])
        once = np.concatenate([[0.0], np.cumsum(costs[single])])
        for i, price in enumerate(twice):
            j = max(0, gap - 2 * i)
            if j < len(once) and price + once[j] < best[0]:
                voters = np.concatenate([double[:i], single[:j]])
                best = price + once[j], voters, rival
    return best


def votes_of(parts, n_classes):
    """Count votes of shape (n_voters, n_samples), shape (n_samples, n_classes)."""
    out = np.zeros((parts.shape[1], n_classes), dtype=np.intp)
    for own in parts:
        out[np.arange(len(own)), own] += 1
    return out
