"""Gaussian naive Bayes: means and variances of classes without a row."""

import numpy as np
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.validation import validate_data

from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal.counting._class_scores import PARAMETERS
from skinfluence.removal.counting._diagonal_scores import DiagonalScores

# A variance that falls to less than this share of itself is computed anew.
COLLAPSE = 1e-4


class GaussianNaiveBayes(DiagonalScores):
    r"""Gaussian naive Bayes: normal densities with a variance per class and feature.

    With ``r = s_i / (W_c - s_i)``, W_c the weight of the row's class, and
    ``u = x_i - m``, the mean moves by exactly ``-r u`` and the variance by
    ``r (v - (1 + r) u^2)``. ``var_smoothing`` adds to the variances of *all* classes
    a share of the largest variance over all rows, which every row changes; it does
    not know weights, so that there a row of weight zero can matter.

    **Cost.** Once O(n n_classes d), then O(n_classes d) for each test row and
    removal, in matrix products. Memory O(n (n_classes + d)).

    **When it fails.** Without smoothing, a row that has all the variance of a
    feature of its class is refitted, and a feature without variance in a class is
    refused. float32 data is computed in float64 here.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise
    algorithm for computing sample variances", 1979.
    """

    def __init__(self, estimator, X, y, sample_weight=None):
        super().__init__(estimator, X, y, sample_weight)
        self.rows = rows = self.check(X)
        self.centers = np.empty((self.n_classes, rows.shape[1]))
        self.variances = np.empty_like(self.centers)
        for c in range(self.n_classes):
            mine = self.labels == c
            weight = self.weight[mine]
            self.centers[c] = np.average(rows[mine], axis=0, weights=weight)
            square = (rows[mine] - self.centers[c]) ** 2
            self.variances[c] = np.average(square, axis=0, weights=weight)
        self.smoothing = estimator.var_smoothing * rows.var(axis=0).max()
        self.scales = self.variances + self.smoothing
        if not self.scales.all():
            reason = "a feature without variance in a class has no density"
            refuse(estimator, "var_smoothing", reason)
        prior = estimator.priors
        if prior is None:
            prior = self.totals / self.totals.sum()
        elif not np.all(prior):
            refuse(estimator, "priors", "a prior of zero has no logarithm")
        log_det = np.log(2 * np.pi * self.scales).sum(axis=1)
        self.offsets = np.log(np.asarray(prior, dtype=np.float64)) - 0.5 * log_det

    def check(self, X):
        return validate_data(self.estimator, X, reset=False, dtype=np.float64)

    def unresolved(self):
        """Also compute what `changes` needs."""
        n = len(self.rows)
        rest, unresolved = self.rest()
        self.ratio = np.where(unresolved, 0, self.weight) / np.where(
            unresolved, 1, rest
        )
        self.remaining = self.estimator.var_smoothing * self._largest_variances()
        entries = []
        for c in range(self.n_classes):
            mine = np.flatnonzero(self.labels == c)
            _, after = self._own_growth(mine)
            member, column = np.nonzero(after < COLLAPSE * self.variances[c])
            center, scale = self._anew(mine, member, column)
            # No more than what rounding makes of a constant feature
            noise = (1e-14 * np.abs(self.rows[:, column]).max(axis=0, initial=0)) ** 2
            unresolved[mine[member[scale <= noise]]] = True
            entries.append((mine[member], column, center, scale))
        self.ratio[unresolved], self.remaining[unresolved] = 0.0, self.smoothing
        row, column, center, scale = map(np.concatenate, zip(*entries, strict=True))
        order = np.argsort(row, kind="stable")
        order = order[~unresolved[row[order]]]
        self.collapsed = row[order], column[order], center[order], scale[order]
        self.constant = np.empty((n, self.n_classes))
        size = max(1, PARAMETERS // self.centers.size)
        for start in range(0, n, size):
            removed = np.arange(start, min(start + size, n))
            self.constant[removed] = self._constant(removed)
        return unresolved

    def _largest_variances(self):
        """Largest variance over the rows without each row, shape (n,)."""
        n = len(self.rows)
        variance = self.rows.var(axis=0)
        square = (self.rows - self.rows.mean(axis=0)) ** 2
        after = (n * variance - (n / (n - 1)) * square) / (n - 1)
        largest = after.max(axis=1)
        # Where the row has nearly all the variance of a feature, digits are lost
        lost = after < COLLAPSE * variance
        lost &= after + 1e-10 * variance >= largest[:, None]
        for i in np.flatnonzero(lost.any(axis=1)):
            largest[i] = np.delete(self.rows, i, axis=0).var(axis=0).max()
        return largest

    def _own_growth(self, removed):
        """Growth of the scales of the rows' own classes, and what they become."""
        label, ratio = self.labels[removed], self.ratio[removed, None]
        square = (self.rows[removed] - self.centers[label]) ** 2
        growth = ratio * (self.variances[label] - (1 + ratio) * square)
        remaining = self.remaining[removed, None]
        after = self.variances[label] + growth + remaining
        return growth + (remaining - self.smoothing), after

    def _anew(self, members, member, column):
        """Mean and scale of features of a class without one of its members."""
        entry = np.arange(len(member))
        weight = np.repeat(self.weight[members, None], len(member), axis=1)
        weight[member, entry] = 0.0
        weight /= np.maximum(weight.sum(axis=0), np.finfo(np.float64).tiny)
        values = self.rows[np.ix_(members, column)]
        center = (weight * values).sum(axis=0)
        variance = (weight * (values - center) ** 2).sum(axis=0)
        return center, variance + self.remaining[members[member]]

    def _collapsed(self, removed):
        """Entries of `collapsed` among consecutive removals."""
        first, last = np.searchsorted(self.collapsed[0], removed[[0, -1]] + [0, 1])
        return [values[first:last] for values in self.collapsed]

    def _growth(self, removed):
        """Growth of all scales but collapsed ones, what they become, moves of means.

        The scales are sums of what remains: their growth may be nearly all of them.
        """
        remaining = self.remaining[removed, None, None]
        growth = np.tile(remaining - self.smoothing, (1, *self.scales.shape))
        after = self.variances + remaining
        own = np.arange(len(removed)), self.labels[removed]
        growth[own], after[own] = self._own_growth(removed)
        shift = self.ratio[removed, None] * (self.rows[removed] - self.centers[own[1]])
        row, column, _, _ = self._collapsed(removed)
        label = self.labels[row]
        growth[row - removed[0], label, column] = 0.0
        after[row - removed[0], label, column] = self.scales[label, column]
        shift[row - removed[0], column] = 0.0
        return growth, after, shift, own

    def _constant(self, removed):
        growth, after, shift, own = self._growth(removed)
        log_ratio = growth / self.scales
        deep = log_ratio < -0.5
        np.log1p(log_ratio, out=log_ratio, where=~deep)
        log_ratio[deep] = np.log((after / self.scales)[deep])
        constant = -0.5 * log_ratio.sum(axis=2)
        constant[own] -= 0.5 * (shift**2 / after[own]).sum(axis=1)
        if self.estimator.priors is None:
            constant[own] -= np.log1p(self.ratio[removed])
        row, column, _, scale = self._collapsed(removed)
        log_ratio = np.log(scale / self.scales[self.labels[row], column])
        np.subtract.at(constant, (row - removed[0], self.labels[row]), 0.5 * log_ratio)
        return constant

    def changes(self, removed):
        """Leave out variances that collapse, which `moves` corrects."""
        growth, after, shift, own = self._growth(removed)
        shift /= after[own]
        growth /= -self.scales * after
        return growth, shift, self.constant[removed]

    def moves(self, state, removed):
        out = super().moves(state, removed)
        centred, square = state
        for i, j, center, scale in zip(*self._collapsed(removed), strict=True):
            c = self.labels[i]
            # From the new centre: the scale may be tiny, and what lies on it exact
            distance = centred[:, c, j] + (self.centers[c, j] - center)
            change = distance**2 / scale - square[:, c, j] / self.scales[c, j]
            out[:, i - removed[0], c] -= 0.5 * change
        return out


@removal_model.register
def _(estimator: GaussianNB, X, y, sample_weight=None):
    return GaussianNaiveBayes(estimator, X, y, sample_weight)
