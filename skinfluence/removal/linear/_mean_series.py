r"""Sums of influences over many test rows, by two terms of a series in the moves.

A removal moves the raw predictions of test row t by :math:`m_t = f\, s_t' r + d\, c_t`,
with r the removed row, s and c of the test row, and f and d of the removal. With
weights w and the derivatives l of the losses at the fitted model

.. math:: \sum_t w_t \bigl(l'_t m_t + l''_t m_t^2 / 2\bigr)
          = f\, g'r + d\, g_c + (f^2 r'Qr + 2 f d\, q'r + d^2 q_c) / 2

with sums g, Q and q over test rows, which are computed once: a removal costs
``2 r^2`` operations instead of ``2 r`` for every test row. Squared losses have no
further terms. For others with :math:`|l'''| \le M l''` the rest is at most
:math:`(M/3) e^{M \rho} \rho` times the second term, :math:`\rho = \max_t |m_t|`, which
:math:`|s_t'r| \le \|D^{-1} s_t\| \|D r\|` bounds for any diagonal D.
Sums whose bound is above 1e-5 of themselves, and above rounding, are computed without
the series.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dtrmm

# What series may leave out: of a sum, unless rounding hides as much, and of the sum of
# absolute slopes, as an error of all moves that is as large would change sums.
RELATIVE, ACCURACY = 1e-5, 1e-12
EPS = np.finfo(np.float64).eps
CACHED = 2**16  # numbers of the rows that are worked on at a time


@dataclass(frozen=True)
class Series:
    """What sums over the test rows give influences by, for one raw prediction.

    Attributes
    ----------
    g, q : ndarray of shape (r,)
    Q : ndarray of shape (r, r)
    g_common, q_common : float
        Of the moves c.
    scale : ndarray of shape (r,)
        The diagonal D.
    reach, reach_common : float
        Largest norms :math:`\\|D^{-1} s_t\\|`, and largest :math:`|c_t|`.
    """

    g: np.ndarray
    q: np.ndarray
    triangle: np.ndarray
    g_common: float
    q_common: float
    scale: np.ndarray
    reach: float
    reach_common: float

    @classmethod
    def of(cls, solved, common, slope, curvature):
        """Sum up s (n, r) and c (n,), with weighted derivatives (n,)."""
        Q = solved.T @ (curvature[:, None] * solved)
        scale = np.sqrt((solved**2).mean(axis=0))
        unit = solved / np.where(scale > 0, scale, np.inf)
        return cls(
            slope @ solved,
            (curvature * common) @ solved,
            np.asfortranarray(2 * np.tril(Q, -1) + np.diag(np.diag(Q))),
            slope @ common,
            curvature @ common**2,
            scale,
            np.sqrt((unit**2).sum(axis=1).max()),
            np.abs(common).max(),
        )

    def terms(self, rows, factor, drift):
        """Return the first and the second term, and bounds of moves, each (n,)."""
        first = factor * (rows @ self.g) + drift * self.g_common
        half = dtrmm(1.0, self.triangle, rows.T, lower=1).T
        square = np.einsum("ij,ij->i", half, rows)
        second = factor**2 * square / 2
        if drift.any():
            second += drift * (factor * (rows @ self.q) + drift * self.q_common / 2)
        length = np.sqrt((rows**2) @ self.scale**2)
        reach = np.abs(factor) * length * self.reach
        return first, second, reach + np.abs(drift) * self.reach_common


def series_sums(removals, state, terms, weight):
    """Return sums of influences of removals, and which of them are inaccurate.

    Parameters
    ----------
    removals : RankOneRemovals
    state : tuple of ndarray
        Of the test rows, as its ``prepare`` returns it.
    terms : tuple (slope, curvature, M)
        As of `Loss.expansion`; test rows without are left out.
    weight : ndarray of shape (n_test,)
        Not negative.
    """
    slope, curvature, M = terms
    n, k = removals.factor.shape
    used = np.isfinite(curvature).all(axis=1) & (weight > 0)
    solved, common = (s[used] for s in state)
    slope, curvature = (weight[used, None] * d[used] for d in (slope, curvature))
    drift, out, rest, rounding = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    if removals.drift is None:
        common = np.zeros(slope.shape)
    else:
        drift = removals.drift[0]
    if not used.any():
        return out, np.zeros(n, dtype=bool)
    series = [
        Series.of(solved, common[:, c], slope[:, c], curvature[:, c]) for c in range(k)
    ]
    slopes = np.abs(slope).sum(axis=0)
    size = max(64, CACHED // solved.shape[1])
    for start in range(0, n, size):
        part = slice(start, start + size)
        for c, own in enumerate(series):
            args = removals.rows[part], removals.factor[part, c], drift[part]
            first, second, reach = own.terms(*args)
            out[part] += first + second
            if M:
                growth = M / 3 * np.exp(M * np.minimum(reach, 1.0)) * reach
                rest[part] += np.where(reach < 1, growth * np.abs(second), np.inf)
                rounding[part] += EPS * reach * slopes[c]
    allowed = np.maximum(RELATIVE * np.abs(out), rounding)
    return out, ~(rest <= np.minimum(allowed, ACCURACY * slopes.sum()))
