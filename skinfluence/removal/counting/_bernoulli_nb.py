"""Bernoulli naive Bayes: counts of features without a row."""

import numpy as np
import scipy.sparse as sp
from sklearn.naive_bayes import BernoulliNB
from sklearn.preprocessing import binarize
from sklearn.utils.extmath import safe_sparse_dot

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal.counting._class_scores import PARAMETERS, OneClassScores
from skinfluence.removal.counting._counts import CountScores, log_ratio


class BernoulliNaiveBayes(CountScores, OneClassScores):
    r"""Bernoulli naive Bayes: a probability of presence for each feature and class.

    With N_j rows (their weight) of the class that have feature j and M_j that have
    not, the score of the row's class moves by

    .. math:: \sum_j x_{tj} \log\frac{N_j - s_i x_{ij} + \alpha}{N_j + \alpha}
        + (1 - x_{tj}) \log\frac{M_j - s_i (1 - x_{ij}) + \alpha}{M_j + \alpha}
        - d \log\frac{W_c - s_i + 2\alpha}{W_c + 2\alpha} + \log\frac{W_c - s_i}{W_c}

    and no other. **Cost.** O(d) for each test row and removal, dense: absence
    counts. **When it fails.** As `MultinomialNaiveBayes`.
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        super().__init__(estimator, X, y, sample_weight)
        self._count()
        if self.alpha.ndim:
            refuse(estimator, "alpha", "scikit-learn adds an array to the classes")
        self.present = estimator.feature_count_
        self.absent = self.totals[:, None] - self.present
        self.refuse_zeros(np.minimum(self.present, self.absent) + self.alpha)
        log_present = np.log(self.present + self.alpha)
        log_absent = np.log(self.absent + self.alpha)
        d = self.present.shape[1]
        self.coef = log_present - log_absent
        self.intercept = log_absent.sum(axis=1) + self.offsets
        self.intercept -= d * np.log(self.totals + 2 * self.alpha)

    def check(self, X):
        rows = super().check(X)
        threshold = self.estimator.binarize
        return rows if threshold is None else binarize(rows, threshold=threshold)

    def scores(self, rows):
        return safe_sparse_dot(rows, self.coef.T, dense_output=True) + self.intercept

    def _dense(self, removed):
        rows = self.rows[removed]
        return rows.toarray() if sp.issparse(rows) else rows

    def lost(self):
        lost = np.zeros(len(self.labels), dtype=bool)
        size = max(1, PARAMETERS // self.present.shape[1])
        for start in range(0, len(lost), size):
            part = np.arange(start, min(start + size, len(lost)))
            rows, label = self._dense(part), self.labels[part]
            weight = self.weight[part, None]
            present = self.present[label] + self.alpha
            low = self.too_low(weight * rows, present)
            low |= self.too_low(weight * (1 - rows), self.absent[label] + self.alpha)
            lost[part] = low.any(axis=1)
        return lost

    def class_moves(self, state, removed, label):
        out = np.empty((state.shape[0], len(removed)))
        d = self.present.shape[1]
        size = max(1, PARAMETERS // d)
        for start in range(0, len(removed), size):
            part = removed[start : start + size]
            rows, weight = self._dense(part), self.removed_weight[part]
            taken = weight[:, None] * rows
            present = log_ratio(taken, self.present[label], self.alpha)
            taken = weight[:, None] * (1 - rows)
            absent = log_ratio(taken, self.absent[label], self.alpha)
            constant = absent.sum(axis=1) + self.prior_moves(part)
            constant -= d * log_ratio(weight, self.totals[label], 2 * self.alpha)
            present -= absent
            block = safe_sparse_dot(state, present.T, dense_output=True)
            block += constant
            out[:, start : start + size] = block
        return out


@removal_model.register
def _(estimator: BernoulliNB, X, y, sample_weight=None):
    return BernoulliNaiveBayes(estimator, X, y, sample_weight)
