r"""Leaves whose outputs are solved for together, as in CatBoost with K > 2 classes.

All outputs share the leaves of a tree, and the values of a leaf are

.. math:: \theta_l = -\eta\, (H_l + \lambda I)^{-1} G_l, \qquad
    H_l = \sum_{i \in l} w_i \bigl(\mathrm{diag}(p_i) - p_i p_i^\top\bigr).

Arrays of leaves are flat, output after output: row ``k L + l`` of a matrix of L leaves
has row k of the matrix of leaf l.
"""

import numpy as np


def by_leaf(flat, n_outputs, n_axes):
    """Move ``n_axes`` (1: vectors, 2: matrices) axes of outputs last: (L, ..., K[, K]).

    ``flat`` has shape (K L, ...) or, for matrices, (K L, K, ...).
    """
    out = np.moveaxis(flat.reshape(n_outputs, -1, *flat.shape[1:]), 0, -1)
    # (L, ..., K), and (L, K, ..., K) for matrices, which are symmetric
    return out if n_axes == 1 else np.moveaxis(out, 1, -1)


def flat(values):
    """Undo `by_leaf` for vectors, (L, ..., K) -> (K L, ...)."""
    out = np.moveaxis(values, -1, 0)
    return out.reshape(-1, *out.shape[2:])


def newton_step(gradient, curvature, regularization, whole=None):
    """Solve ``(curvature + regularization I) x = gradient``, shape (..., K).

    Zero where, beside the trace of ``whole``, nothing is left of the matrix.
    """
    n_outputs = gradient.shape[-1]
    matrix = curvature + regularization[..., None, None] * np.eye(n_outputs)
    size = np.trace(matrix, axis1=-2, axis2=-1)
    least = 0.0
    if whole is not None:
        least = np.trace(whole, axis1=-2, axis2=-1) + n_outputs * regularization
    alive = size > 1e-9 * least
    matrix = np.where(alive[..., None, None], matrix, np.eye(n_outputs))
    step = np.linalg.solve(matrix, gradient[..., None])[..., 0]
    return np.where(alive[..., None], step, 0.0)
