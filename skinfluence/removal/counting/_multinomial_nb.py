"""Multinomial and complement naive Bayes: counts of features without a row."""

from abc import abstractmethod

import numpy as np
import scipy.sparse as sp
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.utils.extmath import safe_sparse_dot

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal.counting._class_scores import (
    PARAMETERS,
    ClassScores,
    OneClassScores,
)
from skinfluence.removal.counting._counts import (
    CountScores,
    feature_ratios,
    log_ratio,
    row_sums,
)


class FeatureCounts(CountScores):
    """Naive Bayes on counts of features and their sums, mixed into a `ClassScores`."""

    def _count_features(self, count):
        """Set the counts of each score, (n_classes, d); return log probabilities."""
        self._count()
        self.count = count
        self.refuse_zeros(count + self.alpha)
        self.total = count.sum(axis=1)
        self.total_alpha = np.broadcast_to(self.alpha, count.shape[1:]).sum()
        log_total = np.log(self.total + self.total_alpha)
        return np.log(count + self.alpha) - log_total[:, None]

    @abstractmethod
    def counted(self, label):
        """Tell which rows the counts of a class's score are made of, shape (n,)."""

    def lost(self):
        lost = np.zeros(len(self.labels), dtype=bool)
        for c in range(self.n_classes):
            for part in _parts(np.flatnonzero(self.counted(c)), self.rows):
                rows, weight = self.rows[part], self.weight[part]
                taken = weight * row_sums(rows)
                lost[part] |= self.too_low(taken, self.total[c] + self.total_alpha)
                lost[part] |= _any_low(self, rows, weight, self.count[c])
        return lost


class MultinomialNaiveBayes(FeatureCounts, OneClassScores):
    r"""Multinomial naive Bayes: log probabilities of features, times their counts.

    With N_j the count of feature j in the row's class and T its sum, the score of
    that class moves by

    .. math:: \sum_j x_{tj} \log\frac{N_j - s_i x_{ij} + \alpha}{N_j + \alpha}
        - \sum_j x_{tj} \log\frac{T - s_i \sum_j x_{ij} + d\alpha}{T + d\alpha}
        + \log\frac{W_c - s_i}{W_c}

    and no other. **Cost.** O(nnz(x_t)) for each test row and removal; sparse rows
    stay sparse. **When it fails.** Almost without smoothing, a row that alone has a
    feature is refitted if counts are not integers; a count of zero with ``alpha=0``
    is refused.
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        super().__init__(estimator, X, y, sample_weight)
        self.log_prob = self._count_features(estimator.feature_count_)

    def scores(self, rows):
        return safe_sparse_dot(rows, self.log_prob.T, dense_output=True) + self.offsets

    def counted(self, label):
        return self.labels == label

    def class_moves(self, state, removed, label):
        rows, weight = self.rows[removed], self.removed_weight[removed]
        ratios = feature_ratios(rows, weight, self.count[label], self.alpha)
        out = safe_sparse_dot(state, ratios.T, dense_output=True)
        taken = weight * row_sums(rows)
        normaliser = log_ratio(taken, self.total[label], self.total_alpha)
        out -= row_sums(state)[:, None] * normaliser
        out += self.prior_moves(removed)
        return out


class ComplementNaiveBayes(FeatureCounts, ClassScores):
    r"""Complement naive Bayes: how unlike the other classes a row is.

    The counts of class c are those of the rows of all other classes, so that a row
    moves the scores of all classes but its own, by the logarithms of ratios of
    `MultinomialNaiveBayes`; with ``norm=True`` the log probabilities ``l_cj`` are
    divided by their sum ``L_c``, and move by ``(dl - l dL / L) / (L + dL)``.

    **Cost.** O(n_classes nnz(x_t)) for each test row and removal. **When it
    fails.** As `MultinomialNaiveBayes`.
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        super().__init__(estimator, X, y, sample_weight)
        # Sums over the other classes: a difference of totals would round
        others = (1.0 - np.eye(self.n_classes)) @ estimator.feature_count_
        log_prob = self._count_features(others)
        self.norm = log_prob.sum(axis=1)
        if estimator.norm and not self.norm.all():
            refuse(estimator, "norm", "a single feature has log-probability zero")
        self.coef = log_prob / self.norm[:, None] if estimator.norm else -log_prob

    def scores(self, rows):
        return safe_sparse_dot(rows, self.coef.T, dense_output=True)

    def counted(self, label):
        return self.labels != label

    def state(self, rows):
        return rows, row_sums(rows), self.scores(rows)

    def moves(self, state, removed):
        test, test_sums, scores = state
        out = np.empty((self.n_classes, len(scores), len(removed)))
        for part in _parts(np.arange(len(removed)), self.rows):
            rows = self.rows[removed[part]]
            sums = row_sums(rows)
            for c in range(self.n_classes):
                others = self.labels[removed[part]] != c
                weight = np.where(others, self.removed_weight[removed[part]], 0.0)
                ratios = feature_ratios(rows, weight, self.count[c], self.alpha)
                total = log_ratio(weight * sums, self.total[c], self.total_alpha)
                move = safe_sparse_dot(test, ratios.T, dense_output=True)
                move -= test_sums[:, None] * total
                if self.estimator.norm:
                    growth = row_sums(ratios) - rows.shape[1] * total
                    move -= scores[:, [c]] * growth
                    move /= self.norm[c] + growth
                    out[c][:, part] = move
                else:
                    out[c][:, part] = -move
        return np.moveaxis(out, 0, -1)


def _parts(indices, rows):
    """Cut indices of rows so that a dense block of them stays small."""
    size = len(indices) if sp.issparse(rows) else PARAMETERS // rows.shape[1]
    size = max(1, size)
    return [indices[i : i + size] for i in range(0, len(indices), size)]


def _any_low(model, rows, weight, count):
    """Tell which rows leave too little of a feature's smoothed count."""
    if not sp.issparse(rows):
        taken = weight[:, None] * rows
        return model.too_low(taken, count + model.alpha).any(axis=1)
    smoothed = (count + model.alpha)[rows.indices]
    low = model.too_low(np.repeat(weight, np.diff(rows.indptr)) * rows.data, smoothed)
    row = np.repeat(np.arange(len(weight)), np.diff(rows.indptr))
    return np.bincount(row, low, len(weight)) > 0


@removal_model.register
def _(estimator: MultinomialNB, X, y, sample_weight=None):
    return MultinomialNaiveBayes(estimator, X, y, sample_weight)


@removal_model.register
def _(estimator: ComplementNB, X, y, sample_weight=None):
    return ComplementNaiveBayes(estimator, X, y, sample_weight)
