"""How much it costs to turn a vote, where each voter has a price."""

import numpy as np


def cheapest_turn(votes, costs, n_classes):
    """Find the cheapest voters to turn, so that another class wins.

    A voter of the winner that turns to the rival closes the gap between them by two,
    one that turns elsewhere by one, and so does one of a third class that turns to the
    rival: a knapsack of the gap's size, filled exactly, for all rivals at once.

    Parameters
    ----------
    votes : ndarray of int of shape (n_voters,)
        Class indices. The class with most votes wins, of several the smallest.
    costs : ndarray of shape (n_voters, n_classes)
        What it takes at least to turn each of them to each class; infinite where that
        cannot be. What the class of its vote costs does not count.
    n_classes : int

    Returns
    -------
    cost : float
        No smaller sum turns the vote; infinite where nothing does.
    voters : ndarray of int
        Those to turn.
    targets : ndarray of int
        To these classes.
    """
    nothing = np.empty(0, dtype=np.intp)
    count = np.bincount(votes, minlength=n_classes)
    winner, rivals = int(count.argmax()), np.arange(n_classes)
    gap = count[winner] - count + (rivals > winner)
    others = np.where(votes[:, None] == rivals, np.inf, costs)
    elsewhere = others.argmin(axis=1)
    least = np.full((n_classes, gap.max() + 2), np.inf)
    least[rivals != winner, 0] = 0.0
    gains = np.zeros((len(votes), *least.shape), dtype=np.int8)
    for v, vote in enumerate(votes):
        one, two = others[v], np.full(n_classes, np.inf)
        if vote == winner:
            one, two = np.full(n_classes, one[elsewhere[v]]), one
        new = least.copy()
        for gain, price in ((1, one), (2, two)):
            reached = least[:, :-gain] + price[:, None]
            better = reached < new[:, gain:]
            new[:, gain:][better] = reached[better]
            gains[v, :, gain:][better] = gain
        least = new
    # one more than the gap closes it as well
    sums = np.minimum(least[rivals, gap], least[rivals, gap + 1])
    rival = int(sums.argmin())
    if np.isinf(sums[rival]):
        return np.inf, nothing, nothing
    closed = gap[rival] + int(least[rival, gap[rival] + 1] < least[rival, gap[rival]])
    turned = []
    for v in range(len(votes) - 1, -1, -1):
        gain = gains[v, rival, closed]
        if gain:
            alone = votes[v] == winner and gain == 1
            turned.append((v, elsewhere[v] if alone else rival))
            closed -= gain
    voters, targets = np.array(turned[::-1], dtype=np.intp).T
    return sums[rival], voters, targets


def votes_of(parts, n_classes):
    """Count votes of shape (n_voters, n_samples), shape (n_samples, n_classes)."""
    out = np.zeros((parts.shape[1], n_classes), dtype=np.intp)
    for own in parts:
        out[np.arange(len(own)), own] += 1
    return out
