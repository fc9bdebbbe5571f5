"""Kernel least squares: removal by the inverse of one matrix."""

from abc import abstractmethod

import numpy as np
import scipy.linalg as sla

from skinfluence._memory import check_memory
from skinfluence.removal._dispatch import refuse
from skinfluence.removal._model import ClosedFormModel
from skinfluence.removal._raw import RawRemovals

# Below this the solution, scikit-learn's as well, is mostly rounding errors.
RCOND = 1e-13


class KernelModel(ClosedFormModel):
    r"""Predictions ``k(x)' a`` with ``G a = y``, ``G = K + noise``, without rows.

    With ``M = G^{-1}`` and row i left out, the prediction moves by exactly

    .. math:: f_{-i}(x) - f(x) = -(M k(x))_i \, a_i / M_{ii}

    and without a set S by ``-(M k(x))_S' M_SS^{-1} a_S``. Sample weights s scale
    rows and columns of K, and y, by their roots. If the targets are centred, the mean
    changes with the row as well: with g the prediction from targets that are all
    one, ``f_{-i} = h_{-i} + mean_{-i} - (mean_{-i} - mean) g_{-i}``, where h is the
    prediction from the centred targets.

    Cost O(n^3) once, O(n^2) per test row, O(|S|^3) per set. Memory: n x n floats for
    each distinct penalty, about four times as many while they are computed.

    **When it fails.** As G becomes singular (noise-free smooth kernels) the weights
    a, in scikit-learn too, become rounding errors: a reciprocal condition number
    below 1e-13 is refused. Nothing is divided by a difference: errors are those of a
    refit, eps times the condition of G.

    A family sets ``estimator`` and implements `cross`, then calls `_solve`.

    Attributes
    ----------
    dual : ndarray of shape (n, k)
        The weights a, one column per output; for centred targets one more, of
        targets that are all one.
    inverses : list of ndarray of shape (n, n)
        M for each distinct noise.
    which : ndarray of shape (k,)
        The inverse of each column of ``dual``.
    """

    @abstractmethod
    def cross(self, X):
        """Return the kernel, as G has it, of any rows with the training rows."""

    def _solve(self, X, gram, noise, which, targets, mean=None):
        """Solve for the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        gram : ndarray of shape (n, n)
            G without ``noise``.
        noise : list of float or ndarray of shape (n,)
            Numbers added to the diagonal, one per distinct penalty.
        which : ndarray of shape (n_outputs,)
            The penalty of each output.
        targets : ndarray of shape (n, n_outputs)
            As G has them, centred if ``mean`` is given.
        mean : ndarray of shape (n_outputs,), default=None
            Terms that were subtracted from the targets and depend on the rows.
        """
        n, self.n_outputs = targets.shape
        self.X, self.targets, self.mean = X, targets, mean
        if mean is not None:
            targets = np.column_stack([targets, np.ones(n)])
            which = np.append(which, 0)
        self.which = which
        self.inverses, self.dual = [], np.empty(targets.shape)
        for key, added in enumerate(noise):
            G = gram + np.diag(np.broadcast_to(added, n))
            inverse = self._inverse(G)
            columns = which == key
            solution = inverse @ targets[:, columns]
            solution += inverse @ (targets[:, columns] - G @ solution)
            self.inverses.append(inverse)
            self.dual[:, columns] = solution
        fitted = self.estimator.predict(X).reshape(n, -1)
        gap = self.raw(self.cross(X))[0] - fitted
        self.optimum_distance = float(np.abs(gap).max())

    def _inverse(self, matrix):
        """Invert a positive definite matrix; refuse a singular one."""
        try:
            factor, _ = sla.cho_factor(matrix, lower=True)
            norm = np.abs(matrix).sum(axis=0).max()
            rcond, _ = sla.lapack.dpocon(factor, norm, uplo="L")
        except np.linalg.LinAlgError:
            rcond = 0.0
        if not rcond > RCOND:
            refuse(
                self.estimator,
                "alpha",
                "the kernel matrix plus alpha is singular to working precision "
                f"(reciprocal condition number {rcond:.1g}), a larger alpha helps",
            )
        return sla.cho_solve((factor, True), np.eye(len(matrix)))

    def raw(self, kernel):
        """Predictions, and those from targets that are all one, from `cross`."""
        raw, k = kernel @ self.dual, self.n_outputs
        return (
            (raw, raw[:, k:])
            if self.mean is None
            else (raw[:, :k] + self.mean, raw[:, k:])
        )

    def _without(self, masks):
        return KernelRemovals(self, masks)


class KernelRemovals(RawRemovals):
    """Dual coefficients of removals: n numbers per output, or |S| for a set S.

    Parameters
    ----------
    model : KernelModel
        The full model.
    masks : ndarray of shape (n_groups, n) or None
        Sets of rows; None for every single row.
    """

    unresolved = np.empty(0, dtype=np.intp)

    def __init__(self, model, masks):
        self.model, self.masks = model, masks
        n = len(model.dual)
        self.n_removals = n if masks is None else len(masks)
        if masks is None:
            self.jump = np.empty_like(model.dual)
            for key, inverse in enumerate(model.inverses):
                columns = model.which == key
                self.jump[:, columns] = (
                    model.dual[:, columns] / np.diag(inverse)[:, None]
                )
        else:
            self.sets = [np.flatnonzero(mask) for mask in masks]
            self.jump = [self._set_jump(rows) for rows in self.sets]
        if model.mean is not None:
            # The targets are centred: their mean without S is -sum_S / (n - |S|).
            gone = model.targets if masks is None else masks * 1.0 @ model.targets
            left = n - (np.ones(n) if masks is None else masks.sum(axis=1))
            self.shift = -gone / np.maximum(left, 1)[:, None]

    def _set_jump(self, rows):
        jump = np.empty((len(rows), self.model.dual.shape[1]))
        for key, inverse in enumerate(self.model.inverses):
            columns = self.model.which == key
            block = inverse[np.ix_(rows, rows)]
            if len(rows):
                jump[:, columns] = sla.solve(
                    block, self.model.dual[np.ix_(rows, columns)], assume_a="pos"
                )
        return jump

    def prepare(self, X):
        kernel = self.model.cross(X)
        raw, ones = self.model.raw(kernel)
        lifted = np.stack([kernel @ inverse for inverse in self.model.inverses], axis=1)
        return raw, (lifted, ones)

    def moves(self, state, removals):
        lifted, ones = state
        if self.masks is None:
            out = -lifted[:, self.model.which, removals].transpose(0, 2, 1)
            out *= self.jump[removals]
        else:
            sets = range(*removals.indices(self.n_removals))
            out = np.empty((len(lifted), len(sets), len(self.model.which)))
            for place, g in enumerate(sets):
                part = lifted[:, :, self.sets[g]]
                for column, key in enumerate(self.model.which):
                    out[:, place, column] = -part[:, key] @ self.jump[g][:, column]
        return self._centred(out, ones[:, None], removals)

    def own_moves(self):
        kernel = self.model.cross(self.model.X)
        raw, ones = self.model.raw(kernel)
        own = [np.einsum("ij,ij->i", kernel, m) for m in self.model.inverses]
        moves = -np.stack(own, axis=1)[:, self.model.which] * self.jump
        return raw, self._centred(moves, ones, slice(None))

    def _centred(self, moves, ones, removals):
        """Let the mean of the targets follow the removal."""
        if self.model.mean is None:
            return moves
        k = self.model.n_outputs
        return moves[..., :k] + self.shift[removals] * (1 - ones - moves[..., k:])


def check_kernel_memory(n, n_matrices):
    """Refuse training sets whose kernel matrices do not fit into memory."""
    check_memory(
        8 * n * n * (n_matrices + 3),
        f"The inverse of the {n} x {n} kernel matrix",
        "Use fewer rows, or a sparse approximation (Nystroem) before Ridge.",
    )
