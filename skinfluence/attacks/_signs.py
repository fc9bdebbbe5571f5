"""The two signs of an attack, measured against those of the training rows."""

import numpy as np

from skinfluence.attacks._scale import Scale
from skinfluence.attacks._supporters import (
    largest_gap,
    standardised,
    support,
    support_without,
    supporters,
)

# Robust standard deviations of a gap that count as one of the mean support: gaps of
# honest rows have a longer tail. Results hardly depend on it between 4 and 8.
GAP = 5.0
# Weight of a training row's own lack of support among the reasons to suspect it, and
# the largest lack that counts, in robust standard deviations.
DOUBT, MOST_DOUBT = 0.5, 3.0


class Signs:
    """Mean support of a prediction's supporters, and gap in their influences.

    Influences and masks are as in `_supporters`; for training rows the masks leave out
    the row itself.

    Parameters
    ----------
    blocks : callable
        Returns an iterable of (rows, (values, comparable, counted)), in blocks, of the
        training rows at given positions, or of more rows. It is called three times.
    labels : ndarray of shape (n_train,)
        Labels of the training rows.
    wrong : ndarray of bool of shape (n_train,)
        Training rows for which the model predicts another label: their own label has
        no support.
    most : int
        Largest number of rows in front of a gap.

    Attributes
    ----------
    training_scores : ndarray of shape (n_train,)
    """

    def __init__(self, blocks, labels, wrong, most):
        self.most = most
        self._classes = np.unique(labels, return_inverse=True)[1]
        self._wrong = wrong
        rows = np.arange(len(wrong))
        row_support = np.concatenate([support(*block) for _, block in blocks(rows)])
        self.row_support = np.where(wrong, 0.0, row_support)
        signs = self._signs((block for _, block in blocks(rows)), blocks)
        self._scales = [Scale(sign) for sign in signs]
        self.training_scores = self._sum(*signs)

    def scores(self, tested, blocks):
        """Return the sum of the two signs of each test row.

        Parameters
        ----------
        tested : iterable of (values, comparable, counted)
            Of the test rows, in blocks.
        blocks : callable
            As in the constructor; called once.
        """
        return self._sum(*self._signs(tested, blocks))

    def reasons(self, values, comparable):
        """Return how much each comparable training row is suspected."""
        lack = -Scale(self.row_support).distance(self.row_support)
        lack = np.clip(lack, -MOST_DOUBT, MOST_DOUBT)
        return standardised(values, comparable) + DOUBT * lack

    def _signs(self, tested, blocks):
        weights, gaps = [], []
        for values, comparable, _ in tested:
            weights.append(supporters(standardised(values, comparable)))
            gaps.append(largest_gap(values, comparable, self.most))
        return self._mean_support(weights, blocks), np.concatenate(gaps)

    def _mean_support(self, weights, blocks):
        """Return the mean support of supporters, NaN for rows without any.

        It is the mean of two: by all rows of their class, and by those that are not
        supporters themselves. Planted rows that resemble each other support each other.
        """
        sums = [beyond @ self.row_support for beyond in weights]
        needed = np.zeros(len(self._wrong), dtype=bool)
        for beyond in weights:
            needed[beyond.indices] = True
        needed = np.flatnonzero(needed & ~self._wrong)
        for rows, block in blocks(needed) if needed.size else ():
            of_rows = np.where(self._wrong[rows], -1, self._classes[rows])
            # A prediction and all its supporters are of one class.
            for label in np.unique(of_rows[of_rows >= 0]):
                chosen = of_rows == label
                part = [array[chosen] for array in block]
                for total, beyond in zip(sums, weights, strict=True):
                    _add_support_without(total, beyond, rows[chosen], part)
        total, weight = (
            np.concatenate(sums),
            np.concatenate([w.sum(axis=1) for w in weights]),
        )
        nothing = np.full(len(total), np.nan)
        return np.divide(total, 2 * weight, out=nothing, where=weight > 0)

    def _sum(self, mean_support, gap):
        of_support, of_gaps = self._scales
        support = np.nan_to_num(of_support.distance(mean_support))  # no supporters: 0
        return support - of_gaps.distance(gap) / GAP


def _add_support_without(total, beyond, rows, block):
    """Add the weighted support of some rows by rows that are no supporters, in place.

    ``block`` holds the influences and masks of these rows.
    """
    weight = beyond[:, rows]
    sets = np.flatnonzero(np.diff(weight.indptr))
    if len(sets):
        alone = support_without(*block, beyond[sets].astype(bool).astype(float))
        total[sets] += (weight[sets] * alone).sum(axis=1)
