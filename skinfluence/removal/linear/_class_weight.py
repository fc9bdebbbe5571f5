"""Balanced class weights, which change with every removal."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skinfluence._memory import check_memory
from skinfluence.removal.linear._balanced_steps import BalancedSteps
from skinfluence.removal.linear._linear import LinearModel


def with_class_weight(classes, build):
    """Return ``build(weight)`` for the weights that ``class_weight`` makes.

    Parameters
    ----------
    classes : ClassWeights
        Of the classifier.
    build : callable
        Makes the family's model from weights of shape (n,); called again for other
        class weights under ``class_weight="balanced"``.
    """
    return Balanced(classes, build) if classes.balanced else build(classes.of_rows())


class Balanced(LinearModel):
    """A classifier whose class weights are ``n / (n_classes * n_c)``.

    What remains without a row of class c that counts s (one, or its sample weight, see
    `Objective`) has weights that depend on c and s alone: one base for each such pair,
    with the weights after such a removal, and the row's removal from it. Cost:
    ``n_bases`` times that of fixed weights.

    Single steps hold the weights of other rows fixed where rows are counted: they are
    no function of a row's own sample weight. Where they are weighed, the first-order
    step follows them (`BalancedSteps`), the Newton step does not.
    """

    def __init__(self, classes, build):
        self.classes, self.build = classes, build
        pairs = np.column_stack([classes.labels, classes.row_sizes])
        self.pairs, self.pair_of_row = np.unique(pairs, axis=0, return_inverse=True)
        self.n_bases = len(self.pairs)
        self.full = build(classes.of_rows())
        super().__init__(self.full.design, self.full.link, classes.labels)
        self.theta = self.full.theta
        self.optimum_distance = self.full.optimum_distance

    @property
    def penalises_columns(self):
        return self.full.penalises_columns

    @property
    def follows_scales(self):
        return self.full.follows_scales

    def _newton_rows(self, damping):
        return self.full.newton(damping)

    def _newton_groups(self, masks, damping):
        return self.full.newton(damping, masks)

    def _first_order_rows(self, damping):
        removals = self.full.first_order(damping)
        return self._following(removals, self.classes.member(), damping)

    def _first_order_groups(self, masks, damping):
        removals = self.full.first_order(damping, masks)
        return self._following(removals, masks @ self.classes.member(), damping)

    def _following(self, removals, member, damping):
        """Let class weights follow removals of sizes ``member``, where weighed."""
        if not self.classes.weighed:
            return removals
        sizes = self.classes.sizes
        masks = self.labels == np.arange(len(sizes))[:, None]
        moves = self.full.first_order(damping, masks).displacement
        if self.classes.own_output(len(self.theta)):
            moves = moves * np.eye(len(moves))[:, :, None]
        return BalancedSteps(removals, self.full, moves, member, sizes)

    def _base(self, sizes):
        """Model of all rows with the class weights of other sizes."""
        with warnings.catch_warnings():
            # The fitted coefficients are not meant to be at this optimum.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self.build(self.classes.of_rows(sizes))

    def parts(self, masks=None):
        """Yield removals that share a base, and that base; None for an emptied class.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_groups, n), default=None
            Sets of rows; None: every single row.
        """
        classes = self.classes
        emptied = classes.emptied(masks)
        if emptied.any():
            yield np.flatnonzero(emptied), None
        if masks is not None:
            left = ~masks @ classes.member()
            for g in np.flatnonzero(~emptied):
                yield np.array([g]), self._base(left[g])
            return
        for pair, (c, size) in enumerate(self.pairs):
            rows = np.flatnonzero((self.pair_of_row == pair) & ~emptied)
            if len(rows):
                sizes = classes.sizes.copy()
                sizes[int(c)] -= size
                yield rows, self._base(sizes)

    def _exact_rows(self, tol):
        n = len(self.labels)
        self._check_moves(n)
        check_memory(
            16 * n * self.theta.size,
            f"Balanced class weights without each of {n} rows",
            "Give class_weight as a dict, or use InfluenceFunctions.",
        )
        moves, unresolved = np.zeros((n, *self.theta.shape)), []
        for rows, base in self.parts():
            if base is None:
                unresolved.append(rows)
            elif len(rows) == 1:
                removals = base.exact(tol, np.arange(n)[None] == rows[0])
                moves[rows] = removals.displacement + (base.theta - self.theta)
                unresolved.append(rows[removals.unresolved])
            else:
                removals = base.exact(tol)
                moves[rows] = removals.displacements(rows) + (base.theta - self.theta)
                unresolved.append(np.intersect1d(removals.unresolved, rows))
        return self._moved(moves, np.concatenate([[], *unresolved]))

    def _exact_groups(self, masks, tol):
        moves, unresolved = np.zeros((len(masks), *self.theta.shape)), []
        for group, base in self.parts(masks):
            if base is None:
                unresolved.append(group)
                continue
            removals = base.exact(tol, masks[group])
            moves[group] = removals.displacement + (base.theta - self.theta)
            unresolved.append(group[removals.unresolved])
        return self._moved(moves, np.concatenate([[], *unresolved]))
