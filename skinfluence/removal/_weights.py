"""Sample weights and class weights as the objectives see them."""

import numpy as np
from sklearn.utils import compute_sample_weight

from skinfluence.removal._classes import loses_class
from skinfluence.removal._objective import Objective, has_objective, objective


def row_weights(sample_weight, n):
    """Return float weights of shape (n,): ones for None, a scalar repeated."""
    if sample_weight is None:
        return np.ones(n)
    return np.broadcast_to(np.asarray(sample_weight, dtype=np.float64), n).copy()


class ClassWeights:
    """Sample weights times class weights, and how ``"balanced"`` ones follow removals.

    Parameters
    ----------
    estimator : fitted classifier
        Has ``classes_``; without a ``class_weight`` all are one.
    y : array-like of shape (n,)
        Labels, as given to fit.
    sample_weight : array-like of shape (n,), default=None
        Sample weights.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        Class indices.
    weight : ndarray of shape (n,)
        Sample weights.
    balanced : bool
        Whether class weights are ``n / (n_classes * n_c)``.
    weighed : bool
        Whether n and n_c are sums of sample weights, see `Objective.weighs_classes`.
    row_sizes : ndarray of shape (n,)
        Contribution of each row to n_c.
    sizes : ndarray of shape (n_classes,)
        n_c.
    """

    def __init__(self, estimator, y, sample_weight=None):
        goal = objective(estimator) if has_objective(estimator) else Objective(0.0)
        self.estimator, self.y = estimator, y
        self.labels = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
        self.weight = row_weights(sample_weight, len(self.labels))
        self.class_weight = getattr(estimator, "class_weight", None)
        self.balanced = isinstance(self.class_weight, str)
        self.weighed, self.own_class = goal.weighs_classes, goal.own_class
        self.row_sizes = self.weight if self.weighed else np.ones(len(self.labels))
        self.sizes = np.bincount(self.labels, self.row_sizes)

    def of_rows(self, sizes=None):
        """Weights of the rows, shape (n,), for other sizes of balanced classes."""
        if self.class_weight is None:
            return self.weight
        if not self.balanced:
            return self.weight * compute_sample_weight(self.class_weight, self.y)
        sizes = self.sizes if sizes is None else sizes
        return self.weight * (sizes.sum() / (len(sizes) * sizes))[self.labels]

    def own_output(self, n_outputs):
        """Tell whether a class weight has a part in one of the outputs alone."""
        return self.own_class and n_outputs > 1

    def of_outputs(self, weight, n_outputs):
        """Spread weights of rows over outputs, shape (n, 1) or (n, n_outputs)."""
        if not self.own_output(n_outputs):
            return weight[:, None]
        own = self.labels[:, None] == np.arange(n_outputs)
        return np.where(own, weight[:, None], self.weight[:, None])

    def member(self):
        """Contribution of each row to each class, shape (n, n_classes)."""
        return np.eye(len(self.sizes))[self.labels] * self.row_sizes[:, None]

    def emptied(self, masks=None):
        """Tell which removals leave a class without size, see `loses_class`."""
        return loses_class(self.labels, masks, self.row_sizes > 0)
