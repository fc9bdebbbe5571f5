r"""Which cell of a row, or its target, the rest of the row contradicts most.

Let s be the normal scores and indicators of a row, its target among them, :math:`\mu`
and :math:`\Sigma` their mean and covariance over rows that are not suspect, and
:math:`P = \Sigma^{-1}`. If the block j of one cell may be anything, the squared
Mahalanobis distance of the row falls by

.. math:: q_j = (P (s - \mu))_j^\top (P_{jj})^{-1} (P (s - \mu))_j,

which is the squared distance of the cell from its expectation given all other cells and
the target, in units of its conditional variance: one inverse predicts every column from
all others. Of normal scores :math:`q_j` has a chi-squared distribution with :math:`d_j`
degrees of freedom, the number of scores in the block. The blame of a number is
:math:`q_j - d_j`. If the scores of a column are not normal (a number that is mostly
zero), right cells have a large :math:`q_j` as well, which is therefore divided by the
ratio of its 97% quantile over the reference rows to that of chi-squared, if that ratio
is above one. The target is a column like the others.

A wrong category, label or text is usually that of another row: it contradicts the rest
of its row, but is common by itself. A rare category or a text of rare words has a large
:math:`q_j` in every row. So their blame is :math:`q_j - m_j`, with the squared distance
of the cell by itself,

.. math:: m_j = (s - \mu)_j^\top (\Sigma_{jj})^{-1} (s - \mu)_j

The difference is, up to a constant, twice the logarithm of the ratio of the density of
the cell by itself to its density given the rest of the row. If only a text and a label
contradict each other, both have the same blame.

**Measured** beside the alternatives in ``benchmarks/bench_blamed_cells.py``. What is
predicted of the row after the cell was changed is no better guide: that many changes of
one cell would turn the prediction does not say which of them is plausible.

**Cost.** O(n p^2 + p^3) for p scores.

**When it fails.** Only what a linear relation of normal scores shows is seen. Of two
cells that contradict each other and nothing else either may be the wrong one. Where the
columns say little of each other and of the target, the blame is a guess.

References
----------
P. J. Rousseeuw, W. Van den Bossche, "Detecting Deviating Data Cells", Technometrics 60,
2018.

J. Raymaekers, P. J. Rousseeuw, "The Cellwise Minimum Covariance Determinant Estimator",
Journal of the American Statistical Association 119, 2024.
"""

import numpy as np
from scipy.stats import chi2

# Of the variances, added to them: no column is a combination of others.
RIDGE = 0.02
# Of q over the reference rows, some of which are wrong as well.
QUANTILE = 0.97


def contradictions(table, n_reference):
    """Compute how much the rest of a row contradicts each of its cells.

    Parameters
    ----------
    table : ScoresOfColumns
        Reference rows, then m rows that are asked for.
    n_reference : int
        Number of the first.

    Returns
    -------
    blame : ndarray of shape (m, n_blocks)
        The last column is the target.
    expected : ndarray of shape (m, p)
        Scores of every block as expected from the rest of the row.
    precision : ndarray of shape (p, p)
        The inverse of the covariance matrix.
    """
    centre, covariance = _mean_and_covariance(table.scores[:n_reference])
    P = np.linalg.inv(covariance)
    away = table.scores - centre
    pull = away @ P
    blame = np.empty((len(pull) - n_reference, len(table.blocks)))
    expected = table.scores[n_reference:].copy()
    for j, block in enumerate(table.blocks):
        move = pull[:, block] @ np.linalg.inv(P[block, block])
        expected[:, block] -= move[n_reference:]
        q = (move * pull[:, block]).sum(axis=1)
        if table.of_other_rows[j]:
            own = away[n_reference:, block]
            m = (np.linalg.solve(covariance[block, block], own.T).T * own).sum(axis=1)
            blame[:, j] = q[n_reference:] - m
            continue
        d = block.stop - block.start
        usual = chi2.ppf(QUANTILE, d)
        heavy = max(np.quantile(q[:n_reference], QUANTILE) / usual, 1.0)
        blame[:, j] = q[n_reference:] / heavy - d
    return blame, expected, P


def distances(table, n_reference):
    """Squared Mahalanobis distances of all rows, without their targets."""
    features = table.scores[:, : table.n_features]
    centre, covariance = _mean_and_covariance(features[:n_reference])
    away = features - centre
    return ((away @ np.linalg.inv(covariance)) * away).sum(axis=1)


def _mean_and_covariance(scores):
    centre = scores.mean(axis=0)
    away = scores - centre
    covariance = away.T @ away / len(away)
    # A score that never varied varies in less than one row of so many.
    covariance += np.diag(RIDGE * np.diag(covariance) + 1 / len(away))
    return centre, covariance
