"""Categorical naive Bayes: counts of categories without a row."""

import numpy as np
import scipy.sparse as sp
from sklearn.naive_bayes import CategoricalNB
from sklearn.utils.validation import check_non_negative, validate_data

from skinfluence.removal._dispatch import removal_model
from skinfluence.removal.counting._class_scores import (
    PARAMETERS,
    OneClassRemovals,
    OneClassScores,
)
from skinfluence.removal.counting._counts import CountScores, log_ratio


class CategoricalNaiveBayes(CountScores, OneClassScores):
    r"""Categorical naive Bayes: a table of categories for each feature and class.

    With N_jk the weight of category k of feature j in the row's class and K_j the
    number of categories, the score of that class moves by

    .. math:: \sum_j [x_{tj} = x_{ij}] \log\frac{N_{jk} - s_i + \alpha}
        {N_{jk} + \alpha}
        - \log\frac{W_c - s_i + K_j \alpha}{W_c + K_j \alpha}
        + \log\frac{W_c - s_i}{W_c}

    and no other, unless the row alone has the highest category of a feature: then
    K_j falls (to ``min_categories``, if given) for all classes. A test row of a
    category that only the removed row had keeps the old K_j: there the remaining
    model of scikit-learn raises an IndexError, and the answer here is that of
    ``min_categories=n_categories_``.

    **Cost.** O(d) for each test row and removal. **When it fails.** As
    `MultinomialNaiveBayes`.

    Parameters
    ----------
    all_sizes : ndarray of int, shape (n_features,), default=None
        For a model without a group of rows, the number of categories with them: test
        rows may have these.
    """

    def __init__(self, estimator, X, y, sample_weight=None, all_sizes=None):
        super().__init__(estimator, X, y, sample_weight)
        self.all_sizes = all_sizes
        self.sizes = np.asarray(estimator.n_categories_)
        self._count()
        self.first = np.concatenate([[0], np.cumsum(self.sizes)])
        self.count = np.concatenate(estimator.category_count_, axis=1)
        self.refuse_zeros(self.count + self.alpha)
        total = self.totals[:, None] + self.alpha * self.sizes
        self.log_prob = np.log(self.count + self.alpha)
        self.offsets = self.offsets - np.log(total).sum(axis=1)

    def check(self, X):
        rows = validate_data(self.estimator, X, reset=False, dtype="int")
        check_non_negative(rows, "CategoricalNB (input X)")
        unknown = np.argwhere(rows >= self.sizes)
        if len(unknown):
            i, j = unknown[0]
            raise ValueError(
                f"X must hold the categories seen during fit. Got {rows[i, j]} in "
                f"column {j}, where n_categories_ is {self.sizes[j]}: set "
                "min_categories of CategoricalNB, or leave the row out."
            )
        return rows

    def _one_hot(self, rows):
        n, d = rows.shape
        columns = (rows + self.first[:-1]).ravel()
        pointers = np.arange(n + 1) * d
        shape = n, self.first[-1]
        return sp.csr_array((np.ones(n * d), columns, pointers), shape=shape)

    def scores(self, rows):
        unseen = rows >= self.sizes
        if not unseen.any():
            return self._one_hot(rows) @ self.log_prob.T + self.offsets
        # Only without a group: its categories keep their place in the table
        out = self.scores(np.where(unseen, 0, rows))
        for t, j in np.argwhere(unseen):
            total = self.totals + self.alpha * np.array(
                [[self.sizes[j]], [self.all_sizes[j]]]
            )
            out[t] += np.log(self.alpha * total[0] / total[1])
            out[t] -= self.log_prob[:, self.first[j]]
        return out

    def refitted(self, kept):
        return super().refitted(kept, all_sizes=self.sizes)

    def state(self, rows):
        return rows, self._one_hot(rows)

    def lost(self):
        columns = self.rows + self.first[:-1]
        smoothed = self.count[self.labels[:, None], columns] + self.alpha
        return self.too_low(self.weight[:, None], smoothed).any(axis=1)

    def unresolved(self):
        """Also find the rows that alone have the last category of a feature."""
        least = self.estimator.min_categories
        self.shrunk = []
        for j, column in enumerate(self.rows.T):
            top = column.max()
            holder = np.flatnonzero(column == top)
            if len(holder) > 1 or len(column) == 1:
                continue
            size = column[column < top].max() + 1
            if least is not None:
                size = max(size, np.broadcast_to(least, len(self.sizes))[j])
            if size < self.sizes[j]:
                self.shrunk.append((holder[0], j, size))
        return super().unresolved()

    def class_moves(self, state, removed, label):
        test = state[1]
        out = np.empty((test.shape[0], len(removed)))
        size = max(1, PARAMETERS // self.first[-1])
        for start in range(0, len(removed), size):
            part = removed[start : start + size]
            columns = self.rows[part] + self.first[:-1]
            weight = self.removed_weight[part, None]
            ratios = np.zeros((self.first[-1], len(part)))
            ratios[columns, np.arange(len(part))[:, None]] = log_ratio(
                weight, self.count[label][columns], self.alpha
            )
            total = log_ratio(weight, self.totals[label], self.alpha * self.sizes)
            block = test @ ratios
            block += self.prior_moves(part) - total.sum(axis=1)
            out[:, start : start + size] = block
        return out

    def moves(self, state, removed):
        out = super().moves(state, removed)
        for i, j, size in self.shrunk:
            for m in np.flatnonzero(removed == i):
                total = self.totals.copy()
                total[self.labels[i]] -= self.removed_weight[i]
                move = np.log(total + self.alpha * self.sizes[j])
                move -= np.log(total + self.alpha * size)
                out[state[0][:, j] < size, m] += move
        return out

    def _without(self, masks):
        return CategoricalRemovals(self) if masks is None else super()._without(masks)


class CategoricalRemovals(OneClassRemovals):
    """Single rows removed: some of them shrink a table, which moves all classes."""

    def _influence(self, rows, y, loss):
        out = super()._influence(rows, y, loss)
        raw, state = self.prepare(rows)
        for i in {i for i, _, _ in self.model.shrunk}:
            moves = self.model.moves(state, np.array([i]))
            out[:, [i]] = loss.change(y, raw, moves, self.link)
        return out


@removal_model.register
def _(estimator: CategoricalNB, X, y, sample_weight=None):
    return CategoricalNaiveBayes(estimator, X, y, sample_weight)
