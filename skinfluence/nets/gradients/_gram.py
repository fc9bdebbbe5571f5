"""Gram matrices between sets of rows, computed in batches.

The rows stay in the user's memory. Batches of bounded size are moved to the net's
device, and results are returned as float64 on the CPU.
"""

import numpy as np
import torch

from skinfluence._sklearn import n_rows, take_rows
from skinfluence.nets._device import working_bytes

_BATCH_BYTES = 2**25  # memory of factors; larger ones are not faster on the CPU
_PROBED_ROWS = 4


def row_batches(gradients, X, y, measure=None):
    """Yield (rows, Factors) over X, in batches whose factors fit into memory."""
    for rows, (factors,) in several_batches(gradients, X, y, [measure]):
        yield rows, factors


def several_batches(gradients, X, y, measures):
    """Yield (rows, list of the Factors of each measure), in batches that fit."""
    n, start = n_rows(X), 0
    if gradients.row_bytes is None:  # the same for all rows
        few = np.arange(min(_PROBED_ROWS, n))
        gradients(take_rows(X, few), y[few], measures[0])
    size = max(1, _batch_size(gradients) // len(measures))
    while start < n:
        rows = np.arange(start, min(start + size, n))
        yield rows, gradients.several(take_rows(X, rows), y[rows], measures)
        start += size


def _batch_size(gradients):
    device = torch.device(gradients.target.device)
    budget = working_bytes(device) / 4
    if device.type == "cpu":
        budget = min(budget, _BATCH_BYTES)
    return int(np.clip(budget / gradients.row_bytes, 16, 8192))


def gram(gradients, left, right, *, scale=None, measures=(None, None), cosine=False):
    """Inner products of the gradients of two sets of rows.

    Parameters
    ----------
    gradients : RowGradients
        Of a net at its current parameters.
    left, right : tuple of (X, y)
        Rows and encoded targets. One batch of the right side is held at a time, and
        combined with all batches of the left side.
    scale : dict of str to float or None, default=None
        A factor per parameter.
    measures : tuple of two callables or None
        The loss that is differentiated on each side; None: the training loss.
    cosine : bool, default=False
        Divide by the norms of both gradients; zero if one of them is zero.

    Returns
    -------
    gram : ndarray of shape (n_left, n_right), float64
    """
    out = np.empty((n_rows(left[0]), n_rows(right[0])))
    for columns, theirs in row_batches(gradients, *right, measures[1]):
        for rows, mine in row_batches(gradients, *left, measures[0]):
            block = mine.gram(theirs, scale)
            if cosine:
                norms = mine.self_dot(scale)[:, None] * theirs.self_dot(scale)
                block = block / norms.clamp(min=norms.new_tensor(1e-30)).sqrt()
            out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = (
                block.cpu().numpy()
            )
    return out


def self_dot(gradients, X, y, *, scale=None, measures=(None, None), cosine=False):
    """Inner products of each row's two gradients, in O(n): shape (n,), float64."""
    out = np.empty(n_rows(X))
    for rows, mine in row_batches(gradients, X, y, measures[0]):
        if measures[0] == measures[1]:
            dots = mine.self_dot(scale)
            if cosine:
                dots = (dots > 0).to(dots.dtype)
        else:
            theirs = gradients(take_rows(X, rows), y[rows], measures[1])
            dots = mine.dot(theirs, scale)
            if cosine:
                norms = mine.self_dot(scale) * theirs.self_dot(scale)
                dots = dots / norms.clamp(min=norms.new_tensor(1e-30)).sqrt()
        out[rows] = dots.cpu()
    return out


def matvec(gradients, X, y, vector, *, scale=None, measure=None):
    """Inner products of the rows' gradients with one gradient, shape (n,), float64."""
    scaled = {k: v * float((scale or {}).get(k, 1.0)) for k, v in vector.items()}
    out = np.empty(n_rows(X))
    for rows, mine in row_batches(gradients, X, y, measure):
        out[rows] = mine.matvec(scaled).cpu()
    return out


def weighted_gradient(gradients, X, y, weight, measure=None):
    """Weighted sum of the gradients of rows, in batches: a dict by parameter."""
    total, n, size = {}, n_rows(X), 2048
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        part = gradients.mean_gradient(
            take_rows(X, rows), y[rows], measure, weight[rows]
        )
        total = {k: g + total.get(k, 0) for k, g in part.items()}
    return total
