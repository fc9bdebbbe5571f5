"""Remainders of gradients beyond their tangents, summed over rows: one chord step."""

import numpy as np

_TILE = 512  # rows of a tile, whose products with a batch of moves stay in cache


def remainders(base, series, u, removed, reach):
    """Return ``sum_{j != i} r_j(z_j'u_i) z_j`` for each move, and how far rows move.

    ``r_j(t) = s_j (l_j'(eta_j + t) - l_j'(eta_j) - l_j''(eta_j) t)``.

    Parameters
    ----------
    base : object
        Rows ``Z``, and their ``eta``, ``y``, ``weight``, ``a`` and ``pointwise``.
    series : ndarray of shape (4, n)
        Weighted Taylor coefficients of r.
    u : ndarray of shape (m, p)
        Moves.
    removed : ndarray of int of shape (m,)
        The row i that each is without; beyond the rows of the base for none of them.
    reach : float
        The series is used where no row moves further: it drops at most
        ``SERIES_ERROR * reach**5`` of the length of each move.

    Returns
    -------
    total : ndarray of shape (m, p)
    zeta : ndarray of shape (m,)
        Largest move of a linear predictor.
    short : bool
        Whether the series was used.
    """
    total, zeta, short = np.zeros_like(u), np.zeros(len(u)), False
    buffer = np.empty((len(u), min(_TILE, len(base.Z))))
    remainder = np.empty_like(buffer)
    for start in range(0, len(base.Z), _TILE):
        tile = slice(start, min(start + _TILE, len(base.Z)))
        Z = base.Z[tile]
        T = np.matmul(u, Z.T, out=buffer[:, : len(Z)])
        own = np.flatnonzero((removed >= tile.start) & (removed < tile.stop))
        T[own, removed[own] - start] = 0.0
        largest = np.maximum(T.max(axis=1), -T.min(axis=1))
        np.maximum(zeta, largest, out=zeta)
        if largest.max() < reach:
            short = True
            c2, c3, c4, c5 = series[:, tile]
            r = np.multiply(T, c5, out=remainder[:, : len(Z)])
            for c in (c4, c3, c2):
                r += c
                r *= T
            r *= T
        else:
            weight = base.weight[tile]
            curvature = base.a[tile] / np.where(weight > 0, weight, 1)
            r = weight * base.pointwise.remainder(
                base.eta[tile], base.y[tile], curvature, T
            )
        total += r @ Z
    return total, zeta, short
