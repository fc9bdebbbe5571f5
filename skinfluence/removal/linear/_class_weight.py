"""Class weights, and ``"balanced"`` ones that change whenever a row goes."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skinfluence._memory import check_memory
from skinfluence.removal._dispatch import refuse
from skinfluence.removal._weights import classifier_weights, row_weights
from skinfluence.removal.linear._linear import LinearModel


def with_class_weight(estimator, y, y_index, sample_weight, build):
    """Return ``build(weight)`` for the weights that ``class_weight`` makes.

    Parameters
    ----------
    estimator : fitted classifier
        Has a ``class_weight``.
    y : array-like of shape (n,)
        Labels, as given to fit.
    y_index : ndarray of shape (n,)
        Class indices.
    sample_weight : array-like of shape (n,) or None
        Sample weights.
    build : callable
        Makes the family's model from weights of shape (n,); called once more for
        every class under ``class_weight="balanced"``.
    """
    if isinstance(estimator.class_weight, str):
        weight = row_weights(sample_weight, len(y_index))
        if np.ptp(weight) > 0:
            refuse(
                estimator,
                "class_weight",
                "with sample weights every removal has class weights of its own",
            )
        model = Balanced(build, y_index, weight[0])
    else:
        model = build(classifier_weights(estimator, y, sample_weight))
    model.labels = y_index
    return model


class Balanced(LinearModel):
    """A classifier whose class weights are ``n / (n_classes * n_c)``.

    What remains without a row of class c has weights that depend on c alone: one
    base for each class, with the weights after such a removal, and the row's
    removal from it. Cost: n_classes times that of fixed weights.

    Single steps (influence functions) hold the weights fixed: they are no function
    of a row's own sample weight.
    """

    def __init__(self, build, labels, weight):
        self.build, self.labels, self.weight = build, labels, weight
        self.counts = np.bincount(labels)
        self.scales = None
        self.full = build(self._weights(self.counts))
        self.design, self.link = self.full.design, self.full.link
        self.theta = self.full.theta
        self.optimum_distance = self.full.optimum_distance

    @property
    def penalises_columns(self):
        """Implement `LinearModel.penalises_columns`."""
        return self.full.penalises_columns

    def follow_scales(self, scales):
        """Implement `LinearModel.follow_scales`."""
        if not self.full.follow_scales(scales):
            return False
        self.scales = scales
        return True

    def without_rows(self, step="exact", tol=1e-8, damping=0.0):
        """Implement `RemovalModel.without_rows`."""
        model = super() if step == "exact" else self.full
        return model.without_rows(step, tol, damping)

    def without_groups(self, masks, step="exact", tol=1e-8, damping=0.0):
        """Implement `RemovalModel.without_groups`."""
        model = super() if step == "exact" else self.full
        return model.without_groups(masks, step, tol, damping)

    def _weights(self, counts):
        by_class = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return self.weight * by_class[self.labels]

    def _base(self, counts):
        """Model of all rows with the class weights of other counts."""
        with warnings.catch_warnings():
            # The fitted coefficients are not meant to be at this optimum.
            warnings.simplefilter("ignore", ConvergenceWarning)
            base = self.build(self._weights(counts))
        if self.scales is not None:
            base.follow_scales(self.scales)
        return base

    def _displacements(self, step, tol, damping):
        check_memory(
            16 * len(self.labels) * self.theta.size,
            f"Balanced class weights without each of {len(self.labels)} rows",
            "Give class_weight as a dict, or use InfluenceFunctions.",
        )
        moves = np.zeros((len(self.labels), *self.theta.shape))
        unresolved = []
        for c in range(len(self.counts)):
            rows = np.flatnonzero(self.labels == c)
            if len(rows) == 1:  # the class goes with its row
                continue
            counts = self.counts.copy()
            counts[c] -= 1
            base = self._base(counts)
            removals = base.without_rows("exact", tol)
            moves[rows] = removals.displacements(rows) + (base.theta - self.theta)
            unresolved.append(np.intersect1d(removals.unresolved, rows))
        return moves, np.concatenate([*unresolved, np.empty(0, dtype=np.intp)])

    def _group_displacements(self, masks, step, tol, damping):
        moves = np.zeros((len(masks), *self.theta.shape))
        unresolved = []
        for g, mask in enumerate(masks):
            counts = np.bincount(self.labels[~mask], minlength=len(self.counts))
            if not counts.all():
                continue
            base = self._base(counts)
            removals = base.without_groups(mask[None], "exact", tol)
            moves[g] = removals.displacement[0] + (base.theta - self.theta)
            unresolved += [g] * len(removals.unresolved)
        return moves, np.asarray(unresolved, dtype=np.intp)
