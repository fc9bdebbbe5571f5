r"""Whether rows far from the others are wrong more often, and by how much.

Rows with wrong cells are mostly far from the others, and models predict another target
for them. Large residuals do not show this: large residuals may be typical of far rows,
see `Amounts`. But the target of a row with wrong cells is independent of its
prediction. (A model in which it follows a quarter of the prediction finds more such
rows, but also right rows in tables of skewed prices.) As in `_target_noise`, let s be
the prediction of a row by models without it, t the typical residual of such a row,
:math:`f_0` any density, and :math:`f_1` the density of all targets. The target y of the
row has the density

.. math:: (1 - w(x)) \, f_0((y - s) / t) / t + w(x) \, f_1(y)

where w is a constant, or its log odds are linear in :math:`\log D`, D being the squared
Mahalanobis distance of the row from the mean of the columns. If the second model has
the smaller Bayesian information criterion and its slope is positive, the odds of a row
beyond the median distance are those of w(x), divided by those at the median.

**When it fails.** Wrong cells do not change D if they are the values of other rows in
columns that do not depend on each other. Right rows at a large distance are taken for
wrong ones if all models predict them badly: in 2 of 12 tables with
:math:`y = \exp(1.5 x)` and small errors. If residuals grow with the distance, one wrong
row in five is often not enough to be detected. Labels are not tested: with two classes
:math:`f_1` is too similar to :math:`f_0`.

**Cost.** At most 200 rounds of expectation maximisation on at most 20,000 rows.

References
----------
G. Schwarz, "Estimating the Dimension of a Model", Annals of Statistics 6, 1978.
"""

import numpy as np
from scipy.special import expit, logit

from skinfluence.cleaning.surprise._histogram import Histogram

MIN_ROWS, MAX_ROWS = 200, 20_000
N_ROUNDS, CONVERGED = 100, 1e-3
LARGEST_SHARE, STEEPEST, RIDGE = 0.9, 8.0, 1e-3
# Directions of less variance than this, relative to the mean variance, are left out.
FLAT = 1e-3


def odds_of_far_rows(distance, residuals, targets, typical):
    """Return the odds of each row to be wrong, over those at the median distance.

    Parameters
    ----------
    distance : ndarray of shape (n,)
        Of `Distance`.
    residuals, targets, typical : ndarray of shape (n, m)
        Residuals of models without the row, NaN where there are none; centred targets;
        typical residuals of the rows.

    Returns
    -------
    odds : ndarray of shape (n, m)
        One up to the median distance; one for all rows if far rows are not shown to be
        wrong more often.
    """
    odds = np.ones(residuals.shape)
    judged = np.flatnonzero(~np.isnan(residuals).any(axis=1))
    if len(judged) < MIN_ROWS:
        return odds
    sample = judged
    if len(judged) > MAX_ROWS:
        sample = np.random.default_rng(0).choice(judged, MAX_ROWS, replace=False)
    for j in range(residuals.shape[1]):
        of_output = (v[sample, j] for v in (targets, residuals, typical))
        line = _line_of_log_odds(distance[sample], *of_output)
        if line is not None:
            share = _share(line, distance)
            log_odds = logit(share) - logit(_share(line, 0.0))
            odds[:, j] = np.exp(np.maximum(log_odds, 0.0))
    return odds


class Distance:
    """Log of the squared Mahalanobis distance, with median 0 and deviation 1 or 0.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows of standardised columns, from which median and deviation are taken.
    """

    def __init__(self, Z):
        self.mean = Z.mean(axis=0)
        centred = Z - self.mean
        values, self.vectors = np.linalg.eigh(centred.T @ centred / len(Z))
        self.values = np.maximum(values, max(FLAT * values.mean(), 1e-300))
        self.median, self.deviation = 0.0, 1.0
        logs = self.of(Z)
        self.median = np.median(logs)
        self.deviation = logs.std() or 1.0

    def of(self, Z):
        """Return the distances of rows, shape (m,)."""
        squared = (((Z - self.mean) @ self.vectors) ** 2 / self.values).sum(axis=1)
        return (np.log(np.maximum(squared, 1e-9)) - self.median) / self.deviation


def _line_of_log_odds(distance, targets, residuals, typical):
    """Return intercept and slope, or None where a constant explains as much."""
    if not np.ptp(residuals) > 0 or not np.ptp(targets) > 0:
        return None
    columns = np.ones((len(distance), 1))
    constant, _ = _mixture(columns, targets, residuals, typical)
    columns = np.column_stack([columns, distance])
    best, line = _mixture(columns, targets, residuals, typical)
    shown = best - constant > np.log(len(distance)) / 2 and line[1] > 0
    return line if shown else None


def _mixture(columns, targets, residuals, typical):
    """Return log likelihood and coefficients of the log odds of a wrong row."""
    ones = np.ones(len(targets))
    histogram = Histogram(residuals / typical)
    log_other = np.log(Histogram(targets).density(ones))
    own = np.log(histogram.density(ones)) - np.log(typical)
    coefficients = np.zeros(columns.shape[1])
    coefficients[0] = logit(0.1)
    last = -np.inf
    for _ in range(N_ROUNDS):
        share = np.clip(expit(columns @ coefficients), 1e-6, LARGEST_SHARE)
        wrong = np.log(share) + log_other
        both = np.logaddexp(np.log1p(-share) + own, wrong)
        total = both.sum()
        if abs(total - last) < CONVERGED:
            break
        last, p = total, np.exp(wrong - both)
        coefficients = _logistic(columns, p, coefficients)
        own = np.log(histogram.density(1 - p)) - np.log(typical)
    return total, coefficients


def _logistic(columns, p, coefficients):
    """Three Newton steps of a logistic regression on probabilities."""
    for _ in range(3):
        q = expit(columns @ coefficients)
        # Where no row is wrong the log odds have no finite optimum.
        hessian = (columns * (q * (1 - q))[:, None]).T @ columns
        hessian += RIDGE * np.eye(len(hessian))
        gradient = columns.T @ (p - q) - RIDGE * coefficients
        step = np.linalg.solve(hessian, gradient)
        coefficients = np.clip(coefficients + step, -STEEPEST, STEEPEST)
    return coefficients


def _share(line, distance):
    return np.clip(expit(line[0] + line[1] * distance), 1e-6, LARGEST_SHARE)
