"""Class weights, and ``"balanced"`` ones that change whenever a row goes."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from skinfluence._memory import check_memory
from skinfluence.removal._weights import classifier_weights, row_weights
from skinfluence.removal.linear._balanced_steps import BalancedSteps
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
        Makes the family's model from weights of shape (n,); called again for other
        class weights under ``class_weight="balanced"``.
    """
    if isinstance(estimator.class_weight, str):
        weight = row_weights(sample_weight, len(y_index))
        model = Balanced(estimator, build, y_index, weight)
    else:
        model = build(classifier_weights(estimator, y, sample_weight))
    model.labels = y_index
    return model


def weighs_rows(estimator):
    """Tell whether balanced classes are as large as the sum of their sample weights.

    In LogisticRegression and LinearSVC. RidgeClassifier and SGDClassifier count rows,
    whatever their weights.
    """
    return isinstance(estimator, LogisticRegression | LinearSVC)


def class_weighted(estimator, y, y_index, sample_weight, n_outputs):
    """Sample times class weights of the objective, shape (n, 1) or (n, n_outputs).

    Parameters as those of `with_class_weight`.
    """
    weight = row_weights(sample_weight, len(y_index))
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is None:
        return weight[:, None]
    if isinstance(class_weight, str):
        sizes = np.bincount(y_index, weight if weighs_rows(estimator) else None)
        full = weight * _balanced(sizes)[y_index]
    else:
        full = classifier_weights(estimator, y, sample_weight)
    return each_output(estimator, full, weight, y_index, n_outputs)


def each_output(estimator, full, weight, y_index, n_outputs):
    """Spread class weighted weights over one-vs-rest problems.

    liblinear gives the class weight to the one class, not to the rest.
    """
    if isinstance(estimator, LinearSVC) and n_outputs > 1:
        own = y_index[:, None] == np.arange(n_outputs)
        return np.where(own, full[:, None], weight[:, None])
    return full[:, None]


def _balanced(sizes):
    return sizes.sum() / (len(sizes) * sizes)


class Balanced(LinearModel):
    """A classifier whose class weights are ``n / (n_classes * n_c)``.

    What remains without a row of class c that counts s (one, or its sample weight, see
    `weighs_rows`) has weights that depend on c and s alone: one base for each such
    pair, with the weights after such a removal, and the row's removal from it. Cost:
    ``n_bases`` times that of fixed weights.

    Single steps hold the weights of other rows fixed where rows are counted: they are
    no function of a row's own sample weight. Where they are weighed, the first-order
    step follows them (`BalancedSteps`), the Newton step does not.
    """

    def __init__(self, estimator, build, labels, weight):
        self.build, self.labels, self.weight = build, labels, weight
        self.weighed = weighs_rows(estimator)
        self.row_sizes = weight if self.weighed else np.ones(len(labels))
        self.sizes = np.bincount(labels, self.row_sizes)
        # liblinear gives the class weight to the one class, not to the rest
        self.own_output = isinstance(estimator, LinearSVC) and len(self.sizes) > 2
        pairs = np.column_stack([labels, self.row_sizes])
        self.pairs, self.pair_of_row = np.unique(pairs, axis=0, return_inverse=True)
        self.n_bases = len(self.pairs)
        self.scales = None
        self.full = build(self._weights(self.sizes))
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

    def _newton_rows(self, damping):
        return self.full.newton(damping)

    def _newton_groups(self, masks, damping):
        return self.full.newton(damping, masks)

    def _first_order_rows(self, damping):
        member = np.eye(len(self.sizes))[self.labels] * self.row_sizes[:, None]
        return self._following(self.full.first_order(damping), member, damping)

    def _first_order_groups(self, masks, damping):
        removals = self.full.first_order(damping, masks)
        return self._following(removals, self._sizes_of(masks), damping)

    def _following(self, removals, member, damping):
        """Let class weights follow removals of sizes ``member``, where weighed."""
        if not self.weighed:
            return removals
        classes = self.labels == np.arange(len(self.sizes))[:, None]
        moves = self.full.first_order(damping, classes).displacement
        if self.own_output:
            moves = moves * np.eye(len(moves))[:, :, None]
        return BalancedSteps(removals, self.full, moves, member, self.sizes)

    def _sizes_of(self, masks):
        """Sum of the sizes of the rows of each class, (n_masks, n_classes)."""
        classes = np.eye(len(self.sizes))[self.labels] * self.row_sizes[:, None]
        return masks @ classes

    def _weights(self, sizes):
        return self.weight * _balanced(sizes)[self.labels]

    def _base(self, sizes):
        """Model of all rows with the class weights of other sizes."""
        with warnings.catch_warnings():
            # The fitted coefficients are not meant to be at this optimum.
            warnings.simplefilter("ignore", ConvergenceWarning)
            base = self.build(self._weights(sizes))
        if self.scales is not None:
            base.follow_scales(self.scales)
        return base

    def _exact_rows(self, tol):
        n = len(self.labels)
        self._check_moves(n)
        check_memory(
            16 * n * self.theta.size,
            f"Balanced class weights without each of {n} rows",
            "Give class_weight as a dict, or use InfluenceFunctions.",
        )
        moves = np.zeros((n, *self.theta.shape))
        unresolved = []
        for pair, (c, size) in enumerate(self.pairs):
            rows = np.flatnonzero(self.pair_of_row == pair)
            sizes = self.sizes.copy()
            sizes[int(c)] -= size
            if sizes[int(c)] <= 1e-12 * size:  # the class goes with its row
                unresolved.append(rows)
                continue
            base = self._base(sizes)
            if len(rows) == 1:
                mask = np.arange(n)[None] == rows[0]
                removals = base.exact(tol, mask)
                moves[rows] = removals.displacement + (base.theta - self.theta)
                unresolved.append(rows[removals.unresolved])
                continue
            removals = base.exact(tol)
            moves[rows] = removals.displacements(rows) + (base.theta - self.theta)
            unresolved.append(np.intersect1d(removals.unresolved, rows))
        return self._moved(moves, np.concatenate([*unresolved, []]))

    def _exact_groups(self, masks, tol):
        moves = np.zeros((len(masks), *self.theta.shape))
        unresolved = []
        left = self._sizes_of(~masks)
        for g, mask in enumerate(masks):
            if not (left[g] > 1e-12 * self.sizes).all():
                unresolved.append(g)
                continue
            base = self._base(left[g])
            removals = base.exact(tol, mask[None])
            moves[g] = removals.displacement[0] + (base.theta - self.theta)
            unresolved += [g] * len(removals.unresolved)
        return self._moved(moves, unresolved)
