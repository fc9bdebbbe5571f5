"""SVC and SVR: rows that are no support vectors have no influence."""

import numpy as np
import scipy.sparse as sp
from sklearn.svm import SVC, SVR

from skinfluence._sklearn import n_rows
from skinfluence.removal._dispatch import refuse, removal_model
from skinfluence.removal._model import ClosedFormModel, Removals
from skinfluence.removal._precomputed import refuse_precomputed
from skinfluence.removal._weights import ClassWeights, row_weights

# A dual coefficient this close to its bound may lie on it.
AT_BOUND = 1 - 1e-6


class SupportVectorModel(ClosedFormModel):
    r"""Kernel machine that does not depend on rows whose dual coefficient is zero.

    The decision function is ``sum_j a_j k(x, x_j) + b``. With ``a_i = 0`` the
    constraint of row i is slack at the optimum, so the optimum without row i is the
    same:

    .. math:: a_i = 0 \;\Rightarrow\; f_{-i} = f .

    These rows have influence exactly zero; support vectors are retrained, which is
    one fit each. In a multi-class SVC a row is idle if it supports none of the
    one-against-one problems. A set of idle rows is idle.

    The offset b comes from the support vectors inside the box ``0 < |a_j| < C_j``. A
    problem without any has an interval of solutions, of which LibSVM takes the middle
    of an interval that other rows bound too: then all its rows are retrained.

    **When it fails.** "Exactly" is at the optimum; retraining shows differences of
    the size of ``tol``.
    """

    def __init__(self, estimator, retrained):
        self.estimator, self.retrained = estimator, retrained

    def _without(self, masks):
        if masks is None:
            return IdleRemovals(len(self.retrained), np.flatnonzero(self.retrained))
        touched = masks[:, self.retrained].any(axis=1)
        return IdleRemovals(len(masks), np.flatnonzero(touched))


class IdleRemovals(Removals):
    """Removals that change nothing, except for those that are to be retrained."""

    def __init__(self, n_removals, unresolved):
        self.n_removals, self.unresolved = n_removals, unresolved

    def influence(self, X, y, loss):
        return np.zeros((n_rows(X), self.n_removals))

    def own_influence(self, y, loss):
        return np.zeros(self.n_removals)


def _refuse(estimator):
    """Refuse settings under which every row changes the model."""
    if callable(estimator.kernel):
        refuse(estimator, "kernel", "what a function of all rows depends on is unknown")
    refuse_precomputed(estimator, "kernel")
    # Not positive semi-definite: retraining may end in another local optimum.
    if estimator.kernel == "sigmoid":
        refuse(estimator, "kernel", "with this kernel the problem is not convex")
    if estimator.kernel == "poly" and estimator.coef0 < 0:
        refuse(estimator, "coef0", "below zero the problem is not convex")
    if estimator.kernel != "linear" and estimator.gamma == "scale":
        refuse(estimator, "gamma", "it depends on the variance of all rows")
    if getattr(estimator, "probability", False) not in (False, "deprecated"):
        refuse(estimator, "probability", "Platt's scaling is trained on all rows")
    if estimator.fit_status_ != 0:
        refuse(estimator, "max_iter", "the solver stopped before the optimum")


def _support(estimator, weight):
    """Rows of the support vectors, their mask, and the bounds of their coefficients.

    LibSVM drops rows of weight zero and counts the others.
    """
    support = estimator.support_
    used = np.flatnonzero(weight > 0)
    support = support if len(used) == len(weight) else used[support]
    mask = np.zeros(len(weight), dtype=bool)
    mask[support] = True
    return support, mask, estimator.C * weight[support]


def _inside(coef, bound):
    """Tell which dual coefficients lie strictly inside their box."""
    size = np.abs(coef)
    return (size > 0) & (size < bound * AT_BOUND)


def _dense(coef):
    return coef.toarray() if sp.issparse(coef) else np.asarray(coef)


def pairs_at_bounds(coef, bound, labels):
    """Yield the pairs of classes whose problem has no support vector inside the box.

    Parameters
    ----------
    coef : ndarray or sparse matrix of shape (n_classes - 1, n_support)
        ``dual_coef_``: for each support vector a coefficient against every other
        class, in the order of the classes.
    bound : ndarray of shape (n_support,)
        Largest size of the coefficients.
    labels : ndarray of shape (n_support,)
        Class index of each support vector.
    """
    coef = _dense(coef)
    for a in range(len(coef)):
        for b in range(a + 1, len(coef) + 1):
            inside = _inside(coef[b - 1], bound) & (labels == a)
            inside |= _inside(coef[a], bound) & (labels == b)
            if not inside.any():
                yield a, b


@removal_model.register
def _(estimator: SVC, X, y, sample_weight=None):
    _refuse(estimator)
    classes = ClassWeights(estimator, y, sample_weight)
    if classes.balanced:
        refuse(estimator, "class_weight", "every row's weight changes with the removed")
    weight, labels = classes.of_rows(), classes.labels
    support, retrained, bound = _support(estimator, weight)
    for a, b in pairs_at_bounds(estimator.dual_coef_, bound, labels[support]):
        retrained |= (labels == a) | (labels == b)
    return SupportVectorModel(estimator, retrained & (weight > 0))


@removal_model.register
def _(estimator: SVR, X, y, sample_weight=None):
    _refuse(estimator)
    weight = row_weights(sample_weight, n_rows(y))
    _, retrained, bound = _support(estimator, weight)
    if not _inside(_dense(estimator.dual_coef_).ravel(), bound).any():
        retrained[:] = True
    return SupportVectorModel(estimator, retrained & (weight > 0))
