r"""How likely rows are wrong, learned from a reviewer's verdicts on some of them.

Logistic regression of the verdicts (wrong or right) on what the fixed scorer says,

.. math:: \mathrm{logit}\, P_i = \beta_0 + \beta_1 z_i + \beta_2 u_i + \gamma_{y_i}

with :math:`z_i` the log odds of the mean of ``probability_wrong`` and
``probability_ceiling``, :math:`u_i` the log odds of the loss (of labels: that the
scorer's models give another label; of numbers: the log of the squared error by that of
a target taken from another row), and :math:`\gamma` one effect for each given label.
:math:`\beta` has a normal prior, :math:`\gamma` is normal with variance 1. Mean and
covariance of the prior are those of such regressions on 234 tables whose wrong labels
are known, the covariance times 1.3. Without verdicts the estimate is that of the prior.

Rows are reviewed because of their scores, not at random. That does no harm to a
regression on these scores, but what is said of the rows further down is extrapolated:
its uncertainty is that of the posterior, drawn by importance sampling around the mode
(Student's t, 5 degrees of freedom). The number of wrong rows adds that of single rows.
Some rows looked at at random make the interval about half as wide.

**Cost.** Newton's method on the rows that are decided, and a pass over at most
`MAX_ROWS` others: nothing is trained or scored again. Scores of the corrected table
were tried and find no more wrong rows.

**When it fails.** Where wrong rows that were not looked at have other scores than those
that were, and beyond the tables of the prior.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import expit, logit

PRIOR_MEAN = np.array([-0.6, 0.85, 0.85])
PRIOR_COVARIANCE = 1.3 * np.array(
    [[7.0, 1.5, -1.5], [1.5, 0.6, -0.65], [-1.5, -0.65, 1.65]]
)
LABEL_VARIANCE = 1.0
SMALLEST_PROBABILITY, SMALLEST_LOSS = 1e-3, 1e-4
N_STEPS, N_DRAWS, FREEDOM = 30, 1_500, 5
# Of the sum over rows that were not looked at: one of every few with the same odds.
MAX_ROWS = 100
BLOCK = 10_000
LARGEST_ODDS = 80.0  # its exponential is finite in single precision
LEVEL = 0.95
QUANTILE = 1.96


@dataclass(frozen=True)
class Estimate:
    """Estimates from verdicts.

    Attributes
    ----------
    log_odds, error : ndarray of shape (n_samples,)
        Log odds of a wrong target by the regression, and their standard error.
    n_wrong : tuple of three floats or None
        Wrong rows in the whole table as given: estimate, and ends of the 95% interval.
    """

    log_odds: np.ndarray
    error: np.ndarray
    n_wrong: tuple | None


def recalibrated(wrong, estimate, decided):
    """Update the probabilities of being wrong by verdicts.

    Parameters
    ----------
    wrong : WrongRows
        As estimated without verdicts.
    estimate : Estimate
        Learned from the verdicts.
    decided : Decided
        The verdicts.

    Returns
    -------
    wrong : WrongRows
        Floor and ceiling are the ends of intervals of 95%, of every row and, as
        ``share`` and ``share_ceiling``, of the table as given.
    """
    floor, probability, ceiling = (
        np.where(
            decided.sure,
            decided.wrong,
            expit(estimate.log_odds + step * estimate.error),
        )
        for step in (-QUANTILE, 0.0, QUANTILE)
    )
    n, (_, low, high) = len(floor), estimate.n_wrong
    return replace(
        wrong,
        floor=floor,
        probability=probability,
        ceiling=ceiling,
        share=low / n,
        share_ceiling=high / n,
    )


def features(scores, wrong):
    """Return the features of every row, shape (n, 3), the first column 1.

    Parameters
    ----------
    scores : RowScores
    wrong : WrongRows
        As estimated without verdicts.
    """
    both = (wrong.probability + wrong.ceiling) / 2
    values = scores.values
    if scores.n_classes is None:
        typical = -np.nanmedian(scores.wrong_values) if scores.columns else 1.0
        typical = max(typical, SMALLEST_LOSS)  # zero where most targets are equal
        loss = np.log(np.maximum(-values / typical, SMALLEST_LOSS))
    else:
        loss = _log_odds(-np.expm1(values), SMALLEST_LOSS)
    lowest = np.log(SMALLEST_LOSS)
    return np.column_stack(
        [
            np.ones(len(values)),
            _log_odds(both, SMALLEST_PROBABILITY),
            np.where(np.isnan(loss), lowest, loss),  # no fold judges the row
        ]
    )


def _log_odds(p, least):
    return logit(np.clip(p, least, 1 - least))


def estimate(Z, labels, sure, wrong, count=True):
    """Learn from verdicts.

    Parameters
    ----------
    Z : ndarray of shape (n, 3)
        See `features`.
    labels : ndarray of int, shape (n,)
        The label as given, from 0; all 0 for numbers.
    sure, wrong : ndarray of bool, shape (n,)
        Rows with a verdict, and those that it calls wrong.
    count : bool, default=True
        Whether wrong rows are counted, which takes most of the time.

    Returns
    -------
    estimate : Estimate
    """
    n_labels = labels.max() + 1 if len(np.unique(labels)) > 1 else 0
    mean = np.concatenate([PRIOR_MEAN, np.zeros(n_labels)])
    precision = np.zeros((len(mean), len(mean)))
    precision[:3, :3] = np.linalg.inv(PRIOR_COVARIANCE)
    precision[3:, 3:] = np.eye(n_labels) / LABEL_VARIANCE
    rows, others = np.flatnonzero(sure), np.flatnonzero(~sure)
    A, w = _design(Z[rows], labels[rows], n_labels), wrong[rows].astype(float)
    mode, hessian = _mode(A, w, mean, precision)
    covariance = np.linalg.inv(hessian)
    log_odds, error = np.empty((2, len(Z)))
    for start in range(0, len(Z), BLOCK):
        part = slice(start, start + BLOCK)
        B = _design(Z[part], labels[part], n_labels)
        log_odds[part] = B @ mode
        error[part] = np.sqrt(np.einsum("ij,ij->i", B @ covariance, B))
    if not count:
        return Estimate(log_odds, error, None)
    t, noise = _standard_draws(len(mode))
    draws, weights = _posterior(A, w, mean, precision, mode, covariance, t)
    taken = others[np.argsort(log_odds[others], kind="stable")]
    step = -(-len(taken) // MAX_ROWS) or 1
    taken = taken[step // 2 :: step]
    # `expit` takes four times as long here. In single precision, because exponentials
    # take most of the time.
    odds = _single(draws) @ _single(_design(Z[taken], labels[taken], n_labels)).T
    with np.errstate(over="ignore"):
        q = 1 / (1 + np.exp(-odds))
    scale, total = len(others) / max(len(taken), 1), _row_sums(q).astype(float)
    variance = np.maximum(total - np.einsum("ij,ij->i", q, q), 0)
    total = scale * total + np.sqrt(scale * variance) * noise
    tail = (1 - LEVEL) / 2
    low, middle, high = _quantiles(total, weights, [tail, 0.5, 1 - tail])
    found, most = wrong.sum(), len(others)
    n_wrong = (
        float(found + np.clip(middle, 0, most)),
        float(found + np.clip(np.floor(low), 0, most)),
        float(found + np.clip(np.ceil(high), 0, most)),
    )
    return Estimate(log_odds, error, n_wrong)


def _single(x):
    return x.astype(np.float32)


def _design(Z, labels, n_labels):
    return np.hstack([Z, np.eye(n_labels)[labels] if n_labels else Z[:, :0]])


def _mode(A, w, mean, precision):
    """Maximise the posterior by Newton's method with halved steps."""

    def loss(b):
        eta, off = A @ b, b - mean
        return (np.logaddexp(0, eta) - w * eta).sum() + off @ precision @ off / 2

    b, now = mean, loss(mean)
    for _ in range(N_STEPS):
        p = expit(A @ b)
        gradient = A.T @ (p - w) + precision @ (b - mean)
        step = np.linalg.solve(_hessian(A, p, precision), gradient)
        while (then := loss(b - step)) > now and np.abs(step).max() > 1e-8:
            step = step / 2
        if then > now - 1e-8:
            break
        b, now = b - step, then
    return b, _hessian(A, expit(A @ b), precision)


def _hessian(A, p, precision):
    return A.T @ (A * (p * (1 - p))[:, None]) + precision


@lru_cache(maxsize=32)
def _standard_draws(k):
    """Draw Student's t of k parameters, and the noise of a sum over rows.

    The seeds are fixed, so that an answer does not change from call to call; drawing
    takes as long as all that is computed from it.
    """
    rng = np.random.default_rng(0)
    t = rng.standard_normal((N_DRAWS, k))
    t /= np.sqrt(rng.chisquare(FREEDOM, N_DRAWS) / FREEDOM)[:, None]
    noise = np.random.default_rng(1).standard_normal(N_DRAWS)
    for draws in (t, noise):
        draws.setflags(write=False)
    return t, noise


def _posterior(A, w, mean, precision, mode, covariance, t):
    """Return draws of the parameters, and weights that make them a posterior sample."""
    draws, k = mode + t @ np.linalg.cholesky(covariance).T, len(mode)
    against = _single(draws) @ _single(A * (1 - 2 * w)[:, None]).T
    off = draws - mean
    # A draw that is off by more than this at a single row has no weight.
    np.minimum(against, LARGEST_ODDS, out=against)
    log_posterior = -_row_sums(np.log1p(np.exp(against, out=against), out=against))
    log_posterior -= np.einsum("ij,ij->i", off @ precision, off) / 2
    log_t = -(FREEDOM + k) / 2 * np.log1p((t**2).sum(axis=1) / FREEDOM)
    log_weights = log_posterior - log_t
    weights = np.exp(log_weights - log_weights.max())
    return draws, weights / weights.sum()


def _row_sums(x):
    return x @ np.ones(x.shape[1], dtype=x.dtype)  # three times as fast as x.sum


def _quantiles(x, weights, at):
    order = np.argsort(x)
    return np.interp(at, weights[order].cumsum(), x[order])
