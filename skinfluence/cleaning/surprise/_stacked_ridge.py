r"""Predictions of rows held out by ridge regressions on several kernels, stacked.

Members: ridge regression on the standardised columns, and on features of a Gaussian
kernel :math:`\exp(-g \|x - x'\|^2 / v)`, v the total variance of the columns, for four
widths g. Each has the prediction of every row without that row in closed form,

.. math:: \hat y_{-i} = y_i - \frac{y_i - \hat y_i}{1 - h_i},

and its penalty is the one whose squared error on rows held out is smallest. The stack
is the combination of the members' predictions, with weights that are not negative,
whose error is smallest (Breiman 1996): where one kernel is wrong for the table it gets
no weight, where several are as good their errors average out.

Features of the kernel are those of Nystroem's method on 150 of the rows; they and the
weights do look at the row that is left out, which 150 or 5 numbers hardly fit.

**Cost.** O(n p^2) for p = 150 features; memory O(n p). Nothing is refitted. With folds,
one solve per fold, penalty and member.

References
----------
L. Breiman, "Stacked Regressions", Machine Learning 24, 1996.
"""

from copy import copy

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import rbf_kernel

from skinfluence._threads import in_threads

WIDTHS = (0.125, 0.25, 0.5, 1.0)
MEMBERS = (None, *WIDTHS)  # None: the columns themselves
N_FEATURES = 150
PENALTIES = 10.0 ** np.arange(-3, 3.5, 0.5)


class StackedRidge:
    """The stack, fitted to all rows, and its predictions of rows held out.

    Parameters
    ----------
    Z : ndarray of shape (n, d), or list of them
        Standardised columns. Each of several matrices has its own members.
    T : ndarray of shape (n, k)
        Targets; of k classes their indicators.
    folds : list of (ndarray, ndarray), default=None
        Training and test rows. None leaves out single rows.

    Attributes
    ----------
    predictions : ndarray of shape (n, k)
        Predictions of each row by models without it or its fold; NaN if no fold
        holds the row out.
    penalties : list of float
        One for each member.
    maps : list of FeatureMap
        One for each member.
    coefficients : list of ndarray of shape (p, k)
        Those of each member's centred features, from all rows; None with folds.
    weights : ndarray of shape (n_members,)
        Weights of the members in the stack.
    """

    def __init__(self, Z, T, folds=None):
        (members,) = _members(Z, [T], folds)
        self._stack(Z, T, members)

    @classmethod
    def several(cls, Z, targets, folds=None):
        """Fit one stack to each of several targets; features are computed once.

        Parameters
        ----------
        Z, folds
            As above.
        targets : list of ndarray of shape (n, k)
            Each is a ``T``.

        Returns
        -------
        stacks : list of StackedRidge
        """
        stacks = []
        for T, members in zip(targets, _members(Z, targets, folds), strict=True):
            stacks.append(cls.__new__(cls))
            stacks[-1]._stack(Z, T, members)
        return stacks

    def _stack(self, Z, T, members):
        self.Z, self.T = Z, T
        self.mean = T.mean(axis=0)
        self.maps, fits = zip(*members, strict=True)
        self.penalties, said, self.coefficients = map(list, zip(*fits, strict=True))
        self.weights, self.predictions = stacked(said, T, self.mean)

    def predict(self, Z):
        """Predict other rows by the models of all rows.

        Parameters
        ----------
        Z : list of ndarray of shape (m, d)
            Their standardised columns, as many matrices as in the fit.

        Returns
        -------
        predictions : ndarray of shape (m, k)
        """
        said = np.tile(self.mean, (len(Z[0]), 1))
        views = _views(Z)
        for (view, _), features, weight, coefficients in zip(
            views, self.maps, self.weights, self.coefficients, strict=True
        ):
            if weight > 0:
                said += weight * (features.centred(view) @ coefficients)
        return said

    def without_rows(self, n=0):
        """Return the same with predictions of the first n rows alone."""
        light = copy(self)
        light.Z = light.T = None
        light.predictions = self.predictions[:n]
        return light

    def members(self):
        """Yield weight, orthonormal features and relative penalties of members in use.

        The first feature is the constant, which is not penalised: a member's
        coefficients are ``U.T @ T / (1 + a)``.
        """
        for (view, _), features, penalty, weight in zip(
            _views(self.Z), self.maps, self.penalties, self.weights, strict=True
        ):
            if weight > 0:
                values, _, U = orthonormal(features.of(view))
                yield weight, *with_constant(U, penalty / values)


def _members(Z, targets, folds):
    """Return the features and the fit of every member, for each of the targets."""

    def member(view):
        features = FeatureMap(*view)
        F = features.fit(view[0])
        if folds is None:
            fits = leave_one_out(F, targets)
        else:
            fits = [(*fit, None) for fit in leave_fold_out(F, targets, folds)]
        return [(features, fit) for fit in fits]

    found = in_threads(member, _views(Z))
    return list(zip(*found, strict=True))


def stacked(said, T, mean):
    """Combine predictions of rows held out.

    Parameters
    ----------
    said : list of ndarray of shape (n, k)
        Predictions of each member; NaN in rows that are not judged.
    T : ndarray of shape (n, k)
        Targets.
    mean : ndarray of shape (k,)
        Prediction if no member has a weight.

    Returns
    -------
    weights : ndarray of shape (n_members,)
        The weights of smallest squared error that are not negative.
    predictions : ndarray of shape (n, k)
    """
    moves = np.stack(said) - mean
    judged = ~np.isnan(moves[0, :, 0])
    A = moves[:, judged].reshape(len(moves), -1).T
    weights, _ = nnls(A, (T - mean)[judged].ravel())
    return weights, mean + np.tensordot(weights, moves, axes=1)


class FeatureMap:
    """The features of one of `MEMBERS`.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Columns from which they are learnt.
    width : float or None
        Width of the kernel; None: the columns themselves.
    """

    def __init__(self, Z, width):
        variance = Z.var(axis=0).sum() or 1.0
        self.scale, self.kernel = np.sqrt(variance), None
        if width is not None:
            self.kernel = Nystroem(
                gamma=width / variance,
                n_components=min(N_FEATURES, len(Z)),
                random_state=0,
            ).fit(Z)
        self.mean = 0.0

    def fit(self, Z):
        """Learn the mean of the features and return those of all rows."""
        F = self.of(Z)
        self.mean = F.mean(axis=0)
        return F

    def of(self, Z):
        """Return the features of some rows, shape (m, p)."""
        return Z / self.scale if self.kernel is None else self.kernel.transform(Z)

    def centred(self, Z):
        """Return the features of some rows minus the mean of the rows of the fit."""
        return self.of(Z) - self.mean

    def slopes(self, Z, coefficients):
        """Yield the slopes of predictions in every column of some rows.

        Parameters
        ----------
        Z : ndarray of shape (m, d)
        coefficients : ndarray of shape (p, k)
            Of the features.

        Yields
        ------
        slopes : ndarray of shape (m, d), or (1, d) where they are those of all rows
            For each of the k outputs.
        """
        if self.kernel is None:
            yield from coefficients.T[:, None] / self.scale
            return
        centres, gamma = self.kernel.components_, self.kernel.gamma
        near = rbf_kernel(Z, centres, gamma=gamma)
        for of_centre in (self.kernel.normalization_.T @ coefficients).T:
            pull = near * of_centre
            yield 2 * gamma * (pull @ centres - pull.sum(axis=1)[:, None] * Z)


def feature_maps(Z):
    """Yield the features of each member, for one matrix or several."""
    return (FeatureMap(view, width).of(view) for view, width in _views(Z))


def _views(Z):
    """Return the matrix and the width of every member."""
    views = Z if isinstance(Z, list) else [Z]
    return [(view, width) for view in views for width in MEMBERS]


def orthonormal(F):
    """Return squared singular values of centred features, the matrix that makes them
    orthonormal, and the orthonormal features."""
    F = F - F.mean(axis=0)
    values, vectors = np.linalg.eigh(F.T @ F)
    kept = values > values[-1] * 1e-10
    values = values[kept]
    turn = vectors[:, kept] / np.sqrt(values)
    return values, turn, F @ turn


def with_constant(U, a):
    """Add the constant, orthogonal to centred features and without a penalty."""
    n = len(U)
    return np.column_stack([np.full(n, n**-0.5), U]), np.concatenate([[0.0], a])


def leave_one_out(F, targets):
    """Return, for each target, the best penalty, the prediction of each row by a model
    without it, and the coefficients of centred features with all rows."""
    n = len(F)
    values, turn, U = orthonormal(F)
    shrink = values / np.add.outer(PENALTIES, values)
    leverage = 1 / n + U**2 @ shrink.T
    # A row with leverage one cannot be predicted without it.
    gap = np.maximum(1 - leverage, 1e-9)
    return [_best_left_out(turn, U, shrink, gap, T) for T in targets]


def _best_left_out(turn, U, shrink, gap, T):
    centred = T - T.mean(axis=0)
    coefficients = U.T @ centred
    best = np.inf, None, None, None
    for penalty, d, left in zip(PENALTIES, shrink, gap.T, strict=True):
        shrunk = d[:, None] * coefficients
        residual = (centred - U @ shrunk) / left[:, None]
        total = (residual**2).sum()
        if total < best[0]:
            best = total, penalty, residual, shrunk
    return best[1], T - best[2], turn @ best[3]


def leave_fold_out(F, targets, folds):
    """Return the best penalty and the prediction of each row without its fold."""
    values, _, U = orthonormal(F)
    U, _ = with_constant(U, values)
    T = np.hstack(targets)
    said = np.full((len(PENALTIES), *T.shape), np.nan)
    for train, test in folds:
        gram, moment = U[train].T @ U[train], U[train].T @ T[train]
        for k, penalty in enumerate(PENALTIES):
            a = np.concatenate([[0.0], penalty / values])
            # The first test row of several folds is as good as the last.
            said[k, test] = U[test] @ coefficients_of(gram, moment, a)
    error, found, start = (said - T) ** 2, [], 0
    for target in targets:
        of_target = slice(start, start + target.shape[1])
        best = int(np.nansum(error[:, :, of_target], axis=(1, 2)).argmin())
        found.append((PENALTIES[best], said[best][:, of_target]))
        start += target.shape[1]
    return found


def coefficients_of(gram, moment, a):
    """Ridge coefficients of some of the rows, penalties ``a`` on orthonormal features.

    The penalties are those of all rows: in the units of the features a fixed number.
    """
    # Not `solve`, which also estimates a condition number.
    return cho_solve(cho_factor(gram + np.diag(a), check_finite=False), moment)
