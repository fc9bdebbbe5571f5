"""The two signs of an attack, measured against those of the training rows."""

import numpy as np

from skinfluence.attacks._scale import Scale
from skinfluence.attacks._supporters import (
    largest_gap,
    standardised,
    support,
    supporters_support,
)

# Robust standard deviations of a gap that count as one of the mean support: gaps of
# honest rows have a longer tail.
GAP = 2.5
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
        Returns the iterable of (values, comparable, counted) of all training rows, in
        blocks. It is called twice.
    wrong : ndarray of bool of shape (n_train,)
        Training rows for which the model predicts another label: their own label has
        no support.
    most : int
        Largest number of rows in front of a gap.

    Attributes
    ----------
    training_scores : ndarray of shape (n_train,)
    """

    def __init__(self, blocks, wrong, most):
        self.most = most
        row_support = np.concatenate([support(*block) for block in blocks()])
        self.row_support = np.where(wrong, 0.0, row_support)
        signs = [self._signs(*block[:2]) for block in blocks()]
        signs = [np.concatenate(sign) for sign in zip(*signs, strict=True)]
        self._scales = [Scale(sign) for sign in signs]
        self.training_scores = self._lower(*signs)

    def scores(self, values, comparable):
        """Return the lower of the two signs of each test row."""
        return self._lower(*self._signs(values, comparable))

    def reasons(self, values, comparable):
        """Return how much each comparable training row is suspected."""
        lack = -Scale(self.row_support).distance(self.row_support)
        lack = np.clip(lack, -MOST_DOUBT, MOST_DOUBT)
        return standardised(values, comparable) + DOUBT * lack

    def _signs(self, values, comparable):
        return (
            supporters_support(standardised(values, comparable), self.row_support),
            largest_gap(values, comparable, self.most),
        )

    def _lower(self, mean_support, gap):
        of_support, of_gaps = self._scales
        return np.fmin(of_support.distance(mean_support), -of_gaps.distance(gap) / GAP)
