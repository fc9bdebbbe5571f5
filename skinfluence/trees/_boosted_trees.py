r"""A boosted ensemble of trees as a function of the weights of its training rows.

With the splits held, an ensemble is its leaves: tree t of output k puts row i into leaf
:math:`l_{tk}(i)`, and the value of a leaf is a Newton step on the rows in it,

.. math::

    G_l = s \sum_{i \in l} w_i g_i, \quad
    H_l = \kappa \sum_{i \in l} w_i h_i + \lambda_l, \quad
    \theta_l = -\eta\, G_l / H_l, \quad
    F_t(x) = F_{t-1}(x) + \theta_{t, l_t(x)},

where g and h are the gradient and the curvature of the loss at :math:`F_{t-1}`, and
:math:`F_0` is a mean of the targets on the raw scale. The libraries differ in the
learning rate :math:`\eta`, the factors :math:`s` and :math:`\kappa`, and
:math:`\lambda`, which their readers provide.

References
----------
J. H. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
Statistics 29, 2001.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from skinfluence.trees._base_values import ConstantBase, MeanBase
from skinfluence.trees._joint_leaves import by_leaf, flat, newton_step
from skinfluence.trees._objectives import Objective
from skinfluence.trees._replay import raw_prediction, replay
from skinfluence.trees._verify import relative_error


@dataclass
class BoostedTrees:
    """Leaves, targets and settings, which determine all leaf values.

    Parameters
    ----------
    objective : Objective
        The loss that the trees descend.
    y : ndarray of shape (n, K)
        Targets as the objective takes them.
    weight : ndarray of shape (n,)
        Weights of the rows.
    leaf_ids : ndarray of shape (n, T, K)
        The leaf of every training row in every tree, in any numbering. The same for
        all outputs of a tree where the objective is joint.
    apply : callable
        ``X -> (m, T, K)``: the same numbering, of any rows.
    fitted : ndarray of shape (n, K)
        Raw predictions of the fitted ensemble for the training rows.
    base : ConstantBase or MeanBase
        Raw prediction before the first tree.
    learning_rate : float
        The factor eta.
    gradient_scale, curvature_scale : float, default=1
        The factors s and kappa.
    regularization : float or ndarray of shape (n_leaves,), default=0
        The term lambda of each leaf.
    newton_steps : int, default=1
        Number of Newton steps that the leaves of a tree take one after the other. They
        are taken at full length, and the tree is then shrunk by the learning rate. Each
        step is represented as a tree with the same leaves.
    single_precision : bool, default=False
        Whether the library rounds gradients and curvatures to float32. Used only in
        the comparison with the fitted ensemble.
    """

    objective: Objective
    y: np.ndarray
    weight: np.ndarray
    leaf_ids: np.ndarray
    apply: Callable
    fitted: np.ndarray
    base: ConstantBase | MeanBase
    learning_rate: float
    gradient_scale: float = 1.0
    curvature_scale: float = 1.0
    regularization: float | np.ndarray = 0.0
    newton_steps: int = 1
    single_precision: bool = False
    leaves: np.ndarray = field(init=False, repr=False)
    offsets: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        n, n_trees, self.n_outputs = self.leaf_ids.shape
        self.n_trees = n_trees * self.newton_steps
        self._ids, columns, start = [], [], 0
        offsets = [0]
        for ids in self._repeated(self.leaf_ids).T:
            known, column = np.unique(ids, return_inverse=True)
            self._ids.append(known)
            columns.append(column + start)
            start += len(known)
            offsets.append(start)
        # Leaves are numbered consecutively over all pairs (tree, output).
        self.leaves = np.stack(columns, axis=1).astype(np.int32)
        self.offsets = np.array(offsets)
        self.regularization = np.broadcast_to(self.regularization, (self.n_leaves,))

    def with_regularization(self, regularization):
        """Return the same trees with another lambda of each leaf."""
        trees = copy(self)
        trees.__dict__.pop("reproduction_error", None)
        trees.regularization = regularization
        return trees

    @cached_property
    def reproduction_error(self):
        """Largest error of replayed raw predictions, as a share of their range."""
        run = replay(self, single_precision=self.single_precision)
        return relative_error(raw_prediction(self, run, self.leaves), self.fitted)

    @property
    def n_leaves(self):
        """Number of leaves of all trees, and one more, see `leaves_of`."""
        return int(self.offsets[-1]) + 1

    @property
    def curvature_shape(self):
        """Shape of the curvature of one output: a number, or a row of a matrix."""
        return (self.n_outputs,) if self.objective.joint else ()

    def leaves_of(self, X):
        """Return the leaves of any rows, numbered over all trees, shape (m, T * K).

        Leaves that hold no training row, which the symmetric trees of CatBoost can
        have, share the last number. Their value is zero, whatever rows are removed.
        """
        ids = self._repeated(np.asarray(self.apply(X)))
        out = np.empty(ids.shape, dtype=np.int32)
        for column, known in enumerate(self._ids):
            place = np.searchsorted(known, ids[:, column])
            place = np.minimum(place, len(known) - 1)
            found = known[place] == ids[:, column]
            out[:, column] = np.where(
                found, place + self.offsets[column], self.n_leaves - 1
            )
        return out

    def _repeated(self, ids):
        """Leaves of shape (m, T, K), once for each Newton step, as (m, n_columns)."""
        return np.repeat(ids, self.newton_steps, axis=1).reshape(len(ids), -1)

    def block(self, t):
        """First of the Newton steps of the tree that step t belongs to."""
        return t - t % self.newton_steps

    def iteration(self, t):
        """Columns of `leaves` that hold the K trees of iteration t, as a slice."""
        return slice(t * self.n_outputs, (t + 1) * self.n_outputs)

    def span(self, t):
        """First leaf of iteration t, and first leaf after it."""
        return (
            int(self.offsets[t * self.n_outputs]),
            int(self.offsets[(t + 1) * self.n_outputs]),
        )

    def leaf_sums(self, t, numbers):
        """Sum a number of each row, (n, K, ...), over the leaves of iteration t."""
        first, after = self.span(t)
        leaves = (self.leaves[:, self.iteration(t)] - first).ravel()
        columns = numbers.reshape(len(leaves), -1).T
        sums = [np.bincount(leaves, c, minlength=after - first) for c in columns]
        return np.stack(sums, axis=1).reshape(after - first, *numbers.shape[2:])

    def leaf_value(self, gradient_sum, curvature_sum, regularization, whole=None):
        """Value of leaves from their sums; zero for a leaf without remaining rows.

        ``whole`` is the curvature with all rows; a remainder that is negligible
        relative to it is rounding error. Shapes (n_leaves, ...); the curvature of a
        joint objective has shape (n_leaves, K, ...).
        """
        if not self.objective.joint:
            return self.row_value(gradient_sum, curvature_sum, regularization, whole)
        K = self.n_outputs
        whole = None if whole is None else by_leaf(whole, K, 2)
        regularization = by_leaf(regularization, K, 1)[..., 0]
        sums = by_leaf(gradient_sum, K, 1), by_leaf(curvature_sum, K, 2)
        return flat(self._joint_value(*sums, regularization, whole))

    def row_value(self, gradient, curvature, regularization, whole=None):
        """The same for the leaves of rows, shapes (n, K), of joint curvature (n, K, K).

        A rest of the sums of each row's leaves, say.
        """
        if self.objective.joint:
            return self._joint_value(gradient, curvature, regularization[:, 0], whole)
        bottom = self.curvature_scale * curvature + regularization
        least = 0.0
        if whole is not None:
            least = 1e-9 * np.abs(self.curvature_scale * whole + regularization)
        alive = bottom > least
        step = -self.learning_rate * self.gradient_scale * gradient
        return np.where(alive, step / np.where(alive, bottom, 1.0), 0.0)

    def as_gradient(self, curvature, value):
        """Return the change of gradients that is equivalent to a change of curvatures.

        The value of a leaf solves ``kappa H theta = -eta s G``.
        """
        worth = self.curvature_scale / (self.learning_rate * self.gradient_scale)
        if self.objective.joint:
            return worth * np.einsum("ikb...,ib->ik...", curvature, value)
        return worth * (curvature.T * value.T).T

    def _joint_value(self, gradient, curvature, regularization, whole):
        scale = self.curvature_scale
        whole = None if whole is None else scale * whole
        step = newton_step(gradient, scale * curvature, regularization, whole)
        return -self.learning_rate * self.gradient_scale * step
