r"""Whether a cell of a row or its target is likelier wrong.

The blame of a column is twice the logarithm of odds: of the cells :math:`b_j`, of the
target :math:`b_t`. Before the row is looked at, the target is as often wrong as all
cells together, and one cell as often as another, so that the odds of the d cells are

.. math:: o = \frac{1}{d} \sum_j e^{(b_j - b_t) / 2}.

These odds favour the cells: suspects are rows with a surprising target, and three of
four wrong suspects had a wrong target even in tables with twice as many wrong cells as
wrong targets. If a wrong cell explains the surprising target, repairing the cell
removes the surprise. Otherwise the odds become o / (1 + o), which is at most even.

**Measured** in ``benchmarks/bench_blamed_cells.py``: probabilities beside shares.

**When it fails.** The odds do not depend on whether cells or targets are wrong more
often in the table. If only cells are wrong, most of those that hardly contradict the
others are taken for right, with probabilities near a half.
"""

import numpy as np
from scipy.special import expit, logsumexp, softmax


def probabilities(strength, clears):
    """Compute how likely it is that a cell, not the target, is the wrong value.

    Parameters
    ----------
    strength : ndarray of shape (m, n_blocks)
        The blame of every column, as of `contradictions`.
    clears : ndarray of bool, shape (m,)
        Whether the row with the most blamed cell repaired is predicted as given.

    Returns
    -------
    of_cells, blame : ndarray of shape (m,)
        The probability of all cells, and that of the likelier wrong value: the target
        or, of the cells, the most blamed one.

    Examples
    --------
    >>> import numpy as np
    >>> from skinfluence.cleaning.reasons._cell_or_target import probabilities
    >>> strength = np.array([[6.0, 0.0, 0.0], [6.0, 0.0, 0.0], [0.0, 0.0, 6.0]])
    >>> of_cells, blame = probabilities(strength, np.array([True, False, True]))
    >>> of_cells.round(3).tolist(), blame.round(3).tolist()
    ([0.913, 0.477, 0.047], [0.87, 0.523, 0.953])
    """
    cells, target = strength[:, :-1] / 2, strength[:, -1] / 2
    log_odds = logsumexp(cells, axis=1) - np.log(cells.shape[1]) - target
    log_odds = np.where(clears, log_odds, -np.logaddexp(0, -log_odds))
    of_cells = expit(log_odds)
    of_first = of_cells * softmax(cells, axis=1).max(axis=1)
    return of_cells, np.where(of_cells > 0.5, of_first, 1 - of_cells)
