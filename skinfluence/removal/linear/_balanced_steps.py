r"""First-order removals where class weights are functions of sample weights.

The weight of row j of class c in the objective is :math:`s_j k_c` with
:math:`k_c = S / (K S_c)`, S the sum of all sample weights, :math:`S_c` that of the
class and K the number of classes. So a row's own weight acts on all others:

.. math:: \frac{\partial k_c}{\partial s_i}
    = k_c \Big(\frac1S - \frac{[c = c(i)]}{S_c}\Big)

With :math:`m_j` the first-order move of coefficients without row j, class weights held,
and :math:`M_c = \sum_{j \in c} m_j`, the move without row i is

.. math:: m_i + s_i \Big(\frac1S \sum_c M_c - \frac{1}{S_{c(i)}} M_{c(i)}\Big)

All of it is linear in the gradients of the losses.
"""

import numpy as np

from skinfluence.removal._model import Removals


class BalancedSteps(Removals):
    """Removals to first order whose class weights follow.

    Parameters
    ----------
    removals : Removals
        Of rows or groups, with class weights held.
    model : LinearModel
        The model with all rows.
    moves : ndarray of shape (n_classes, k, p)
        Of the coefficients without each class, to first order.
    member : ndarray of shape (n_removals, n_classes)
        Sum of the sample weights of the removed rows of each class.
    sizes : ndarray of shape (n_classes,)
        The same of all rows.
    """

    def __init__(self, removals, model, moves, member, sizes):
        self.removals, self.model, self.moves = removals, model, moves
        self.shares = member.sum(axis=1)[:, None] / sizes.sum() - member / sizes
        self.unresolved = removals.unresolved

    def _of_classes(self, rows, y, loss):
        """Influence of whole classes on design rows, shape (n_rows, n_classes)."""
        slope = loss.slope(y, rows @ self.model.theta.T, self.model.link)
        out = np.empty((len(slope), len(self.moves)))
        for c, move in enumerate(self.moves):
            out[:, c] = ((rows @ move.T) * slope).sum(axis=1)
        return out

    def influence(self, X, y, loss):
        classes = self._of_classes(self.model.design(X), y, loss)
        return self.removals.influence(X, y, loss) + classes @ self.shares.T

    def mean_influence(self, X, y, loss, weight):
        classes = weight @ self._of_classes(self.model.design(X), y, loss)
        held = self.removals.mean_influence(X, y, loss, weight)
        return held + self.shares @ classes

    def own_influence(self, y, loss):
        classes = self._of_classes(self.model.design.rows, y, loss)
        held = self.removals.own_influence(y, loss)
        return held + (classes * self.shares).sum(axis=1)
