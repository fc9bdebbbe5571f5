r"""A decision tree or a forest as a function of the weights of its training rows.

The prediction is the mean over the trees of the weighted mean target of the leaf, class
shares for classifiers:

.. math:: f(x) = \frac1T \sum_t \frac{\sum_{i \in l_t(x)} w_{ti} y_i}
    {\sum_{i \in l_t(x)} w_{ti}},

with :math:`w_{ti}` the weight of row i times the number of times that tree t drew it.
Without a row its leaves have the mean of the remaining rows, or the mean of the parent
if no row remains.
"""

from copy import copy

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_sample_weight

from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees._verify import relative_error

FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
KINDS = (
    *FORESTS,
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
TOLERANCE = 1e-6  # largest error of predictions, as a share of their range


def is_tree_model(model):
    """Tell whether a model is a decision tree or forest that can be read."""
    return isinstance(model, KINDS)


def averaged_trees(model, X, y, sample_weight=None):
    """Read a fitted decision tree or forest of scikit-learn.

    Parameters
    ----------
    model : fitted estimator
        One of `KINDS`.
    X, y, sample_weight : array-like
        The data it was fitted to.

    Returns
    -------
    trees : AveragedTrees
        It reproduces the predictions of the model.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1 and is_classifier(model):
        raise UnsupportedEstimator(
            f"{type(model).__name__} with several outputs cannot be read. Fit one "
            "model per output."
        )
    members = model.estimators_ if isinstance(model, FORESTS) else [_nameless(model)]
    classes = getattr(model, "classes_", None)
    if classes is None:
        targets = y.reshape(len(y), -1).astype(np.float64)
    else:
        targets = 1.0 * (y.reshape(-1, 1) == classes)
    X_numbers, errors = _numbers(X), []
    fitted = model.predict_proba(X) if is_classifier(model) else model.predict(X)
    labels = y.ravel() if classes is not None else y
    for weights in _row_weights(model, labels, sample_weight, len(members)):
        trees = AveragedTrees(members, X_numbers, targets, weights, classes, fitted)
        if trees.reproduction_error <= TOLERANCE:
            return trees
        errors.append(trees.reproduction_error)
    raise UnsupportedEstimator(
        f"The leaves of this {type(model).__name__} are not the means of its training "
        f"rows: predictions differ by {min(errors):.1e} of their range, "
        f"{TOLERANCE:.0e} is allowed. Possible causes: X, y and sample_weight are not "
        "those it was trained on, its criterion does not lead to means "
        "('absolute_error', 'poisson'), or 'monotonic_cst' clips its leaves."
    )


def _nameless(tree):
    """Copy a tree without its column names, as the trees of forests have none."""
    tree = copy(tree)
    if hasattr(tree, "feature_names_in_"):
        del tree.feature_names_in_
    return tree


def _row_weights(model, labels, sample_weight, n_members):
    """Yield candidates for the weight of each row in each tree, shape (n, T)."""
    weight = np.ones(len(labels))
    if sample_weight is not None:
        weight = weight * np.asarray(sample_weight)
    kind = getattr(model, "class_weight", None)
    if kind is not None and kind != "balanced_subsample":
        weight = weight * compute_sample_weight(kind, labels)
    if not getattr(model, "bootstrap", False):
        yield np.repeat(weight[:, None], n_members, axis=1)
        return
    counts = np.empty((len(labels), n_members))
    for t, sample in enumerate(model.estimators_samples_):
        counts[:, t] = np.bincount(sample, minlength=len(labels))
        if kind == "balanced_subsample":
            counts[:, t] *= compute_sample_weight("balanced", labels, indices=sample)
    # Since scikit-learn 1.9 rows are drawn with probabilities proportional to their
    # weights and enter a tree unweighted; before, they were drawn uniformly and
    # weighted in the tree.
    yield counts
    if (weight != 1).any():
        yield counts * weight[:, None]


class AveragedTrees:
    """Leaves and targets of trees whose predictions are averaged.

    Parameters
    ----------
    members : list of fitted trees
        The trees.
    X : ndarray or sparse matrix of shape (n, n_features)
        Training rows.
    targets : ndarray of shape (n, K)
        Numbers, or indicators of classes.
    weights : ndarray of shape (n, T)
        Weight of each row in each tree, zero where the tree did not draw it.
    classes : ndarray or None
        Labels, for classifiers.
    fitted : ndarray of shape (n, K)
        Predictions of the fitted model for the training rows.

    Attributes
    ----------
    reproduction_error : float
        Largest error of replayed predictions, as a share of their range.
    means : ndarray of shape (n_leaves, K)
        Mean target of each leaf divided by T, the leaves of all trees concatenated.
    """

    def __init__(self, members, X, targets, weights, classes, fitted):
        self.members, self.targets, self.weights = members, targets, weights
        self.classes = classes
        sizes = [tree.tree_.node_count for tree in members]
        self.offsets = np.concatenate([[0], np.cumsum(sizes)])
        self.leaves = self._leaves(X)
        self.sums, self.totals = self._leaf_sums(weights)
        self.means = self.sums / np.where(self.totals > 0, self.totals, 1.0)[:, None]
        self.means /= len(members)
        replayed = self.reached_by_training_rows() @ self.means
        self.reproduction_error = relative_error(replayed, fitted)

    def _leaf_sums(self, weights):
        """Weighted sums of targets in each leaf, (n_leaves, K), and of weights."""
        leaves, n_leaves = self.leaves.ravel(), self.offsets[-1]
        sums = [
            np.bincount(leaves, (weights * column[:, None]).ravel(), n_leaves)
            for column in self.targets.T
        ]
        totals = np.bincount(leaves, weights.ravel(), n_leaves)
        return np.stack(sums, axis=1), totals

    def reached(self, X):
        """Indicators of the leaves that rows reach, a sparse array (m, n_leaves)."""
        return self.indicators(self._leaves(_numbers(X)))

    def reached_by_training_rows(self):
        """Return the same indicators for the training rows."""
        return self.indicators(self.leaves)

    def respond(self, loss):
        """Return the function from mean targets to the predictions of a loss."""
        if self.classes is not None and loss.response == "predict":
            return lambda mean: mean.argmax(axis=-1)[..., None]
        return lambda mean: mean

    def changes_without_rows(self, add_unseen=False):
        """Changes of leaf means, in units of the prediction, when a row is removed.

        Parameters
        ----------
        add_unseen : bool, default=False
            Whether a row that a tree did not draw counts as well, with minus the
            change of its leaf when the row is added.

        Returns
        -------
        changes : list of sparse array of shape (n_leaves, n)
            One for each output.
        """
        leaves, weights = self.leaves, self.weights
        seen = weights > 0
        signed = np.where(seen, -weights, 1.0 if add_unseen else 0.0)
        totals = self.totals[leaves] + signed
        changes = []
        for k in range(self.targets.shape[1]):
            sums = self.sums[leaves, k] + signed * self.targets[:, [k]]
            change = np.zeros(sums.shape)
            np.divide(sums, totals, where=totals > 1e-12 * weights, out=change)
            empty = seen & (totals <= 1e-12 * weights)
            if empty.any():
                change[empty] = self._parents_without(empty, k)
            change -= self.means[leaves, k] * len(self.members)
            change[~seen] *= -1
            change[~seen & (signed == 0)] = 0.0
            changes.append(self.indicators(leaves, change / len(self.members)).T)
        return changes

    def changes_without_groups(self, masks):
        """Changes of leaf means when sets of rows are removed."""
        changes = np.empty((len(masks), *self.means.shape))
        for change, mask in zip(changes, masks, strict=True):
            sums, totals = self._leaf_sums(np.where(mask[:, None], 0.0, self.weights))
            change[:] = self._ancestors_means(sums, totals) - self.means
        return [sparse.csc_array(changes[:, :, k].T) for k in range(changes.shape[2])]

    def out_of_bag_losses(self, y, loss):
        """Loss of each row under the trees that did not draw it, NaN if all drew it."""
        unseen = self.weights == 0
        count = unseen.sum(axis=1)
        mean = np.einsum("nt,ntk->nk", 1.0 * unseen, self.means[self.leaves])
        mean *= len(self.members) / np.maximum(count, 1)[:, None]
        losses = loss.value(y, self.respond(loss)(mean))
        return np.where(count > 0, losses, np.nan)

    def _parents_without(self, empty, k):
        """Mean of the other rows of the parent, for rows that are alone in a leaf."""
        rows, trees = np.nonzero(empty)
        out = np.empty(len(rows))
        for t in np.unique(trees):
            tree, here = self.members[t].tree_, trees == t
            parent = _parents(tree)[self.leaves[rows[here], t] - self.offsets[t]]
            total = tree.weighted_n_node_samples[parent]
            output = (0, k) if self.classes is not None else (k, 0)
            value = tree.value[parent, *output] * total
            weight = self.weights[rows[here], t]
            rest = np.maximum(total - weight, np.finfo(np.float64).tiny)
            out[here] = (value - weight * self.targets[rows[here], k]) / rest
        return out

    def _ancestors_means(self, sums, totals):
        """Means of leaves; a leaf without rows has that of its nearest ancestor."""
        means = sums / np.where(totals > 0, totals, 1.0)[:, None]
        for t, member in enumerate(self.members):
            tree, nodes = member.tree_, slice(self.offsets[t], self.offsets[t + 1])
            leaf = tree.feature < 0
            if (totals[nodes][leaf] > 0).all():
                continue
            own, total, parents = (
                sums[nodes].copy(),
                totals[nodes].copy(),
                _parents(tree),
            )
            # scikit-learn numbers a node before its children.
            for node in range(tree.node_count - 1, 0, -1):
                own[parents[node]] += own[node]
                total[parents[node]] += total[node]
            mean = own / np.where(total > 0, total, 1.0)[:, None]
            for node in np.flatnonzero(total <= 0):
                mean[node] = mean[parents[node]]
            means[nodes] = np.where(leaf[:, None], mean, 0.0)
        return means / len(self.members)

    def _leaves(self, X):
        leaves = np.stack([tree.apply(X) for tree in self.members], axis=1)
        return leaves + self.offsets[:-1]

    def indicators(self, leaves, values=None):
        """Values of rows, or ones, in the columns of their leaves, a sparse array."""
        m, n_trees = leaves.shape
        values = np.ones(leaves.shape) if values is None else values
        return sparse.csr_array(
            (values.ravel(), leaves.ravel(), np.arange(0, m * n_trees + 1, n_trees)),
            shape=(m, self.offsets[-1]),
        )


def _parents(tree):
    """Parent of each node; that of the root is the root."""
    parents = np.zeros(tree.node_count, dtype=np.intp)
    inner = np.flatnonzero(tree.children_left >= 0)
    parents[tree.children_left[inner]] = parents[tree.children_right[inner]] = inner
    return parents


def _numbers(X):
    return check_array(
        X, accept_sparse="csr", dtype=np.float32, ensure_all_finite=False
    )
