r"""Which other rows a row hurts, in the fixed scorer's own regressions.

The influence of row i on row j is the squared loss of j under the stack without i and j
minus that without j alone: positive = i makes the prediction of j better. Row j is held
out in both. With two rows left out a member's residual at j is

.. math::
    \frac{(1 - h_{ii}) e_j + h_{ij} e_i}{(1 - h_{ii})(1 - h_{jj}) - h_{ij}^2},

exact at fixed penalties and weights.

**Cost.** O(n p) per row and member, in blocks.
"""

import numpy as np


def influence_of_rows(stack, rows):
    """Return the influence of some rows on every other row.

    Parameters
    ----------
    stack : StackedRidge
        Fitted.
    rows : ndarray of int, shape (m,)
        The rows whose influence is computed.

    Returns
    -------
    influence : ndarray of shape (n, m)
        Row j, column i; zero of a row on itself.
    """
    n, k = stack.T.shape
    rest = (1 - stack.weights.sum()) * (stack.T - stack.mean)
    without_j = rest.copy()
    without_both = np.repeat(rest[:, None], len(rows), axis=1)
    for weight, U, a in stack.members():
        D = U / (1 + a)
        e = stack.T - D @ (U.T @ stack.T)
        gap = np.maximum(1 - (D * U).sum(axis=1), 1e-9)
        H = D @ U[rows].T
        bottom = np.maximum(gap[:, None] * gap[rows] - H**2, 1e-9)[:, :, None]
        top = gap[rows][:, None] * e[:, None, :] + H[:, :, None] * e[rows]
        without_j += weight * e / gap[:, None]
        without_both += weight * top / bottom
    influence = (without_both**2).sum(axis=2) - (without_j**2).sum(axis=1)[:, None]
    influence[rows, np.arange(len(rows))] = 0.0
    return influence


def most_hurt(stack, rows, n_hurt):
    """Return, for each of some rows, the rows that it hurts most.

    Parameters
    ----------
    stack : StackedRidge
        Fitted.
    rows : ndarray of int, shape (m,)
        The rows to blame.
    n_hurt : int
        At most so many.

    Returns
    -------
    hurt : list of m ndarrays of int
        Worst first; rows that are helped are not among them.
    """
    n, k = stack.T.shape
    size = max(1, int(2**24 / (n * k)))  # 128 MiB of residuals
    hurt = []
    for start in range(0, len(rows), size):
        influence = influence_of_rows(stack, rows[start : start + size])
        order = influence.argsort(axis=0, kind="stable")[:n_hurt].T
        hurt += [worst[influence[worst, i] < 0] for i, worst in enumerate(order)]
    return hurt
