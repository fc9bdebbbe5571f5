"""Smoothing, priors and ratios of counts of naive Bayes models."""

from abc import abstractmethod

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from skinfluence.removal._dispatch import refuse
from skinfluence.removal.counting._class_scores import REMAINS


class CountScores:
    """Naive Bayes on counts, mixed into a `ClassScores`.

    Attributes
    ----------
    alpha : float or ndarray of shape (d,)
        Smoothing as the estimator applies it.
    rows : ndarray or csr_array of shape (n, d)
        Training rows as they are counted.
    whole : bool
        Whether all counts are integers, so that subtracting loses no digits.
    """

    def _count(self):
        """Set what all families need; refuse priors of zero."""
        estimator = self.estimator
        self.alpha = np.asarray(estimator.alpha, dtype=np.float64)
        if not estimator.force_alpha:
            self.alpha = np.maximum(self.alpha, 1e-10)
        prior = estimator.class_prior
        if prior is not None and not np.all(prior):
            refuse(estimator, "class_prior", "a prior of zero has no logarithm")
        self.offsets = estimator.class_log_prior_
        self.rows = self.check(self.training[0])
        values = self.rows.data if sp.issparse(self.rows) else self.rows
        self.whole = _whole(values) and _whole(self.weight)

    def check(self, X):
        return validate_data(
            self.estimator, X, accept_sparse="csr", reset=False, dtype=np.float64
        )

    @abstractmethod
    def lost(self):
        """Tell which rows take a count too far down, shape (n,)."""

    def unresolved(self):
        rest, unresolved = self.rest()
        unresolved |= self.lost()
        # Without effect, so that what is computed for them is finite
        self.removed_weight = np.where(unresolved, 0.0, self.weight)
        return unresolved

    def prior_moves(self, removed):
        """Moves of the log prior of the rows' own class, up to a common part."""
        if self.estimator.class_prior is not None or not self.estimator.fit_prior:
            return np.zeros(len(removed))
        total = self.totals[self.labels[removed]]
        return np.log1p(-self.removed_weight[removed] / total)

    def too_low(self, taken, smoothed):
        """Tell where subtracting leaves zero, or rounding errors alone."""
        return smoothed - taken <= (0.0 if self.whole else REMAINS) * smoothed

    def refuse_zeros(self, smoothed):
        """Refuse a smoothing of zero where it leaves a probability of zero."""
        if not smoothed.min() > 0:
            refuse(self.estimator, "alpha", "a count of zero has no logarithm")


def log_ratio(taken, count, alpha):
    """Return ``log((count - taken + alpha) / (count + alpha))``, elementwise."""
    out = taken / -(count + alpha)
    deep = out < -0.5
    np.log1p(out, out=out, where=~deep)
    if deep.any():
        taken, count, alpha = (
            np.broadcast_to(v, out.shape)[deep] for v in (taken, count, alpha)
        )
        # The difference of counts first: it is exact, and alpha may be tiny
        out[deep] = np.log((count - taken + alpha) / (count + alpha))
    return out


def feature_ratios(rows, weight, count, alpha):
    """`log_ratio` of each feature's count without each row, zero where x is.

    Returns
    -------
    ratios : ndarray or csr_array of shape (n_removals, d)
    """
    if not sp.issparse(rows):
        return log_ratio(weight[:, None] * rows, count, alpha)
    repeats = np.diff(rows.indptr)
    alpha = np.broadcast_to(alpha, count.shape)[rows.indices]
    taken = np.repeat(weight, repeats) * rows.data
    data = log_ratio(taken, count[rows.indices], alpha)
    return sp.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)


def row_sums(rows):
    """Sum of each row, shape (n,)."""
    return np.asarray(rows.sum(axis=1)).ravel()


def _whole(values):
    return bool(np.all(values == np.round(values)))
