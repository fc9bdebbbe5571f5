"""Losses of the coalitions of a draw, from models that are trained and discarded."""

from itertools import takewhile

import numpy as np

from skinfluence.retraining.engine import Deadline


class RetrainedLosses:
    """Trains the models of draws, evaluates them at once and discards them.

    Parameters
    ----------
    coalitions : Coalitions
        The engine.
    scheme : Enumeration, PermutationSampling or CoalitionSampling
        Defines the coalitions of a draw.
    player : ndarray of shape (n,)
        The player that each training row belongs to.
    evaluation : callable
        Returns the losses of a model.
    empty, full : ndarray of shape (n_rows,)
        Losses of the prior model (no training rows) and of the full model.
    tolerance : float or None
        Of `truncation_length`.
    deadline : Deadline, default=None
        No model is trained after it; unfinished draws have no losses.
    """

    def __init__(
        self,
        coalitions,
        scheme,
        player,
        evaluation,
        empty,
        full,
        tolerance=None,
        deadline=None,
    ):
        self.engine, self.scheme, self.player = coalitions, scheme, player
        self.evaluation, self.empty, self.full = evaluation, empty, full
        self.tolerance, self.n_retrainings = tolerance, 0
        self.deadline = deadline or Deadline()

    def __call__(self, draws):
        """Return the losses of each draw, as ``scheme.add`` takes them."""
        if self.scheme.retrains_prefixes:
            return self._along(draws)
        masks, numbers = zip(*map(self.scheme.coalitions, draws), strict=True)
        subsets = [rows_of(mask, self.player) for part in masks for mask in part]
        losses = self.engine.losses(
            subsets, np.concatenate(numbers), self.evaluation, self.deadline
        )
        self.n_retrainings += len(losses)
        ends = np.cumsum([len(part) for part in masks])
        ends = ends[ends <= len(losses)]
        return [part.T for part in np.split(losses, ends)[: len(ends)]]

    def _along(self, draws):
        given = self.player, self.empty, self.full, self.tolerance, self.deadline
        tasks = [
            (order, number, *given)
            for draw in draws
            for order, number in zip(
                self.scheme.orders(draw), self.scheme.first_number(draw), strict=True
            )
        ]
        walks = self.engine.map(
            walk, tasks, self.evaluation, what="orders", deadline=self.deadline
        )
        self.n_retrainings += sum(count for _, count in walks)
        size = len(tasks) // len(draws)
        losses = [loss for loss, _ in walks]
        losses = list(takewhile(lambda loss: loss is not None, losses))
        return [losses[i : i + size] for i in range(0, len(losses) + 1 - size, size)]


def rows_of(mask, player):
    """Training rows of a coalition, ascending."""
    return np.flatnonzero(mask[player])


def walk(retrain, order, number, player, empty, full, tolerance, deadline):
    """Return the losses of the prefixes of an order and the number of trained models.

    Returns
    -------
    losses : ndarray of shape (n_rows, n_players + 1) or None
        After truncation, those of the last model that was trained. None if the
        deadline passed before the end of the order.
    n_retrainings : int
    """
    n = len(order)
    out = np.empty((len(empty), n + 1))
    out[:, 0], out[:, n] = empty, full
    target = full.mean()
    mask = np.zeros(n, dtype=bool)
    for length in range(n):
        near = tolerance is not None and abs(out[:, length].mean() - target) < tolerance
        if near:
            out[:, length + 1 :] = out[:, [length]]
            return out, max(length, 0)
        if length == n - 1:
            break
        if deadline.passed():
            return None, length
        mask[order[length]] = True
        out[:, length + 1] = retrain(rows_of(mask, player), number + length)
    return out, n - 1


def subsets_of(scheme, draw, player):
    """Return the subsets to train on and their numbers, for each sequence of a draw."""
    if not scheme.retrains_prefixes:
        masks, numbers = scheme.coalitions(draw)
        return [([rows_of(mask, player) for mask in masks], numbers)]
    out = []
    for order, first in zip(
        scheme.orders(draw), scheme.first_number(draw), strict=True
    ):
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        lengths = np.arange(1, len(order))
        subsets = [np.flatnonzero(place[player] < length) for length in lengths]
        out.append((subsets, first + lengths - 1))
    return out
