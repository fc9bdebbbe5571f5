r"""Mean loss without a row minus mean loss with it, over models trained on subsets.

With inclusion :math:`M_{ki}` of row i in subset k, losses :math:`L_{kt}` and any
fixed numbers :math:`\beta_{ti}`, the control variate,

.. math:: \hat\phi_{ti} = \mathrm{mean}_{k: M_{ki} = 0} R_{kt} -
    \mathrm{mean}_{k: M_{ki} = 1} R_{kt} + \beta_{ti} -
    \mathrm{mean}_{j \ne i} \beta_{tj}, \qquad
    R_{kt} = L_{kt} + \sum_j M_{kj} \beta_{tj}.

The sum of :math:`\beta` over a subset predicts how much lower its loss is than the loss
of the empty subset, so that R varies less between subsets than L does. The last two
terms restore the expectation: at a fixed subset size, the subsets without row i hold
every other row j of its stratum more often than the subsets with it, and the
difference of the two frequencies is one over the number of these other rows.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass
class Pool:
    """Subsets of the training rows, and the losses of the models trained on them.

    Attributes
    ----------
    masks : ndarray of bool, shape (n_subsets, n_train)
        Every row is in some subset and out of some.
    losses : ndarray of shape (n_subsets, n_rows)
        Losses of each model on test rows, or weighted means of these.
    blocks : ndarray of int, shape (n_subsets,)
        The block of each subset; subsets of different blocks are independent.
    strata : ndarray of int, shape (n_train,)
        Each subset holds a fixed number of rows of every stratum.
    """

    masks: np.ndarray
    losses: np.ndarray
    blocks: np.ndarray
    strata: np.ndarray

    def columns(self, rows):
        """Return the pool of some of the test rows."""
        return replace(self, losses=self.losses[:, rows])

    def finite(self):
        """Return the pool without the models whose losses are NaN."""
        kept = ~np.isnan(self.losses).any(axis=1)
        if kept.all():
            return self
        return Pool(self.masks[kept], self.losses[kept], self.blocks[kept], self.strata)


def mean_difference(pool, beta=None):
    """Estimate the influence of every row, shape (n_rows, n_train).

    Parameters
    ----------
    pool : Pool
        The models.
    beta : ndarray of shape (n_rows, n_train), default=None
        The control variate; None is the plain estimate.
    """
    without, with_it = _means(pool.masks, _residuals(pool, beta))
    out = without - with_it
    if beta is not None:
        out += beta - _mean_of_others(beta, pool.strata)
    return out


def standard_error(pool, beta=None):
    """Return the Monte-Carlo standard error of `mean_difference`, of the same shape.

    The two means are ratios of random sums; their difference is linearised.
    """
    masks, residuals = pool.masks, _residuals(pool, beta)
    without, with_it = _means(masks, residuals)
    n_in = masks.sum(axis=0)
    n_out = len(masks) - n_in
    labels = np.unique(pool.blocks)
    if len(labels) < 2:
        return np.full(without.shape, np.inf)
    total = np.zeros(without.shape)
    for block in labels:
        rows = pool.blocks == block
        inside = masks[rows].astype(np.float64)
        summed = residuals[rows].T @ inside
        rest = residuals[rows].sum(axis=0)[:, None] - summed
        count = inside.sum(axis=0)
        change = (rest - (len(inside) - count) * without) / n_out
        change -= (summed - count * with_it) / n_in
        total += change**2
    return np.sqrt(total * len(labels) / (len(labels) - 1))


def _residuals(pool, beta):
    if beta is None:
        return pool.losses
    return pool.losses + pool.masks.astype(np.float64) @ beta.T


def _means(masks, residuals):
    """Return the mean without each row and with it, both of shape (n_rows, n_train)."""
    inside = masks.astype(np.float64)
    n_in = inside.sum(axis=0)
    summed = residuals.T @ inside
    total = residuals.sum(axis=0)[:, None]
    return (total - summed) / (len(masks) - n_in), summed / n_in


def _mean_of_others(beta, strata):
    """Return the mean over the other rows of the stratum; 0 if there are none."""
    out = np.zeros_like(beta)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        if len(rows) > 1:
            part = beta[:, rows]
            others = part.sum(axis=1, keepdims=True) - part
            out[:, rows] = others / (len(rows) - 1)
    return out
