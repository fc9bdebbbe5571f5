"""Computations of a pass over the table in each block: pure functions of arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.blas import dtrmm

from skinfluence.out_of_core import _softmax_passes as softmax_passes
from skinfluence.out_of_core._row_ladders import centred, corrected, ladder_of
from skinfluence.removal.linear._moved_coefficients import (
    LinearRemovals,
    RankOneRemovals,
)
from skinfluence.removal.smooth import _remainders as sums
from skinfluence.removal.smooth._corrections import tensor
from skinfluence.removal.smooth._newton import row_chunks

_BATCH = 256  # removed rows that share a product with the rows of a block


@dataclass(frozen=True)
class Base:
    """The start of the removals of all rows.

    Attributes
    ----------
    problem : Problem
    mean : ndarray of shape (n_features,)
        Means by which columns are centred.
    theta : ndarray of shape (k, p)
        Coefficients of centred columns with all rows, the intercept last.
    lift : ndarray of shape (p, p)
        Inverse Hessian.
    first_order : bool
        Whether losses change to first order.
    drift : ndarray of shape (k, p) or None
        A move of the coefficients that is common to all removals: to first order per
        unit of weight.
    start : Start, RescaledSteps, SoftmaxStart or None
        The start of rows that need more than one step.
    of_class : int or None
        The class whose rows start from here; None for all rows.
    """

    problem: object
    mean: np.ndarray
    theta: np.ndarray
    lift: np.ndarray
    first_order: bool = False
    drift: np.ndarray | None = None
    start: object = None
    of_class: int | None = None

    def mine(self, block):
        """Return which rows of a block start from here, bool (n,)."""
        if self.of_class is None:
            return np.ones(len(block.X), dtype=bool)
        return self.problem.codes.labels(block.y) == self.of_class


@dataclass(frozen=True)
class Coefficients:
    """Coefficients under the interface of a linear model, for moves of their own."""

    link: str
    theta: np.ndarray
    design: object


class CentredRows:
    """Rows that are centred when they are indexed: the whole block is not copied."""

    def __init__(self, X, mean, intercept):
        self.X, self.mean, self.intercept = X, mean, intercept
        self.shape = len(X), X.shape[1] + intercept

    def __getitem__(self, rows):
        return centred(self.X[rows], self.mean, self.intercept)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)


class View:
    """A block under the interface of a linear model's design and coefficients."""

    def __init__(self, block, base, rows):
        self.link, self.theta = base.problem.link, base.theta
        X = block.X if len(rows) == len(block.X) else block.X[rows]
        self.lazy_rows = CentredRows(X, base.mean, base.problem.intercept)
        self.design = self

    @cached_property
    def rows(self):
        """The centred rows."""
        return self.lazy_rows[:]

    def __call__(self, rows):
        """Return test rows, which are in the coordinates of the design already."""
        return rows


def moments(block, problem):
    """Return sums of weights, weighted columns, weighted targets, sizes of classes.

    The last are (3, n_classes): rows of positive weight, weights, and rows. Then the
    least and the largest values of the columns and, last, of the weights.
    """
    targets = problem.codes(block.y)
    if problem.link == "log":
        least = targets.min(initial=np.inf)
        if least < 0 or (least == 0 and problem.pointwise.fall == -1):
            raise ValueError(
                "y must be positive for GammaRegressor, and not negative for Poisson "
                f"and Tweedie regression. Got {least:.6g}."
            )
    weight = block.weight
    classes, counts = problem.codes.classes, np.zeros((3, 0))
    if classes is not None:
        labels = problem.codes.labels(block.y)
        counts = np.stack(
            [
                np.bincount(labels[weight > 0], minlength=len(classes)),
                np.bincount(labels, weight, minlength=len(classes)),
                np.bincount(labels, minlength=len(classes)),
            ]
        )
    sums = weight.sum(), weight @ block.X, weight @ targets, counts
    least = np.append(block.X.min(axis=0), weight.min())
    most = np.append(block.X.max(axis=0), weight.max())
    return *sums, least, most


def merged_moments(one, other):
    """Merge the `moments` of two blocks."""
    sums = (a + b for a, b in zip(one[:-2], other[:-2], strict=True))
    return *sums, np.minimum(one[-2], other[-2]), np.maximum(one[-1], other[-1])


def derivatives(block, span, problem, mean, theta, outputs, removed):
    """Return gradients (m, p), Hessians (m, p, p) and squares (m,), no penalties.

    Of m objectives; the squares are the weighted ones of the targets, of squared
    losses only.

    Parameters
    ----------
    block : Block
    span : slice
        Positions of its rows.
    problem : Problem
    mean : ndarray of shape (n_features,)
    theta : ndarray of shape (m, p)
        The point of each objective.
    outputs : sequence of int
        Which of the targets it is about.
    removed : sequence of ndarray of int
        Positions of the rows without which it is.
    """
    m, p = theta.shape
    gradient, hessian, squares = np.zeros((m, p)), np.zeros((m, p, p)), np.zeros(m)
    for part in cached_rows(len(block.X), p):
        few, first = block.rows(part), span.start + part.start
        Z, targets = centred(few.X, mean, problem.intercept), problem.codes(few.y)
        every, known = problem.weights(few), {}
        for i, (output, rows) in enumerate(zip(outputs, removed, strict=True)):
            weight, own = every, rows[(rows >= first) & (rows < first + len(Z))]
            if len(own):
                weight = weight.copy()
                weight[own - first] = 0.0
            eta, y = Z @ theta[i], targets[:, output]
            gradient[i] += (weight * problem.pointwise.slope(eta, y)) @ Z
            key = None
            if problem.pointwise.M == 0:  # the curvature is that of all outputs
                squares[i] += weight @ y**2
                key = own.tobytes()
            if key is None or key not in known:
                root = np.sqrt(weight * problem.pointwise.curvature(eta, y))
                # Centred rows are a copy: the last objective may overwrite it.
                out = Z if i == m - 1 and problem.intercept else None
                scaled = np.multiply(Z, root[:, None], out=out)
                known = {key: scaled.T @ scaled}
            hessian[i] += known[key]
    return gradient, hessian, squares


def cached_rows(n, p):
    """Slice n rows so that the rows of a slice fit into the cache of the processor.

    If rows are wide, a slice has more rows than columns all the same, so that sums over
    slices take little time.
    """
    size = max(2**16 // p, 2 * p)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def row_moves(block, problem, mean, theta, root, *, gap):
    """Return factors of ``H^{-1} x_i`` (n, k), ``h_i``, and one minus leverage (n,).

    With ``gap`` the factors are those of a Newton step without the row, else those of
    the first order. ``root.T @ root`` is the inverse Hessian, ``root`` is lower
    triangular.
    """
    n, k, root = len(block.X), len(theta), np.asfortranarray(root)
    factor, h, kappa = np.empty((n, k)), np.empty(n), np.ones(n)
    for part in cached_rows(n, len(root)):
        few = block.rows(part)
        Z, targets = centred(few.X, mean, problem.intercept), problem.codes(few.y)
        raw, weight = Z @ theta.T, problem.weights(few)
        z = dtrmm(1.0, root, Z.T, lower=1)
        h[part] = np.einsum("ji,ji->i", z, z)
        for c in range(k):
            first, second, _ = problem.pointwise.derivatives(raw[:, c], targets[:, c])
            factor[part, c] = weight * first
            kappa[part] = 1 - weight * second * h[part]
    if gap:
        factor /= np.maximum(kappa, 1e-15)[:, None]
    return factor, h, kappa


def uneven_moves(block, problem, mean, start):
    """Return sizes of Newton steps where rows change the penalty, each (n,).

    ``h_i``, one minus leverage, lengths of the steps, the same in the norm of B_i, and
    the `Ladder`'s ``uneven`` and ``floor``.
    """
    ladder = ladder_of(block, problem, mean, start)
    base, u = ladder.base, ladder.newton_step()
    length, slope = np.linalg.norm(u, axis=1), ladder.norm(slice(None), u)
    return base.h, base.gap, length, slope, ladder.uneven, ladder.floor


def tensors(block, problem, mean, start, order):
    """Return the sum of products of rows that corrections need, see `tensor`."""
    ladder = ladder_of(block, problem, mean, start)
    return (tensor(ladder.base.Z, ladder.series[order], order),)


def certified(block, rows, problem, mean, start, tol):
    """Return which of some rows of a block miss ``tol``, and would not with the cube.

    After the corrections by the tensors of ``start``; two bool (len(rows),).
    """
    if not len(rows):
        return np.zeros((2, 0), dtype=bool)
    ladder = ladder_of(block, problem, mean, start, rows)
    return np.stack(corrected(ladder, start, tol)[1:])


def remainders(block, span, problem, mean, start, rows, u, reach):
    """Return the sums over the rows of a block for a chord step of each of some rows.

    As `removal.smooth._remainders`, for rows of these positions in the table.
    """
    ladder = ladder_of(block, problem, mean, start)
    total, zeta, short = np.empty_like(u), np.empty(len(u)), False
    for first in range(0, len(u), _BATCH):
        part = slice(first, first + _BATCH)
        removed = rows[part] - span.start
        total[part], zeta[part], used = sums.remainders(
            ladder.base, ladder.series, u[part], removed, reach
        )
        short |= used
    return total, zeta, short


def merged_remainders(one, other):
    """Merge the `remainders` of two blocks."""
    return one[0] + other[0], np.maximum(one[1], other[1]), one[2] or other[2]


def rows_at(block, span, positions):
    """Return which of some rows of the table a block has, and their X, y and weight."""
    own = positions - span.start
    mine = np.flatnonzero((own >= 0) & (own < len(block.X)))
    return mine, block.X[own[mine]], block.y[own[mine]], block.weight[own[mine]]


class BlockRemovals:
    """Influence of the rows of a block.

    Parameters
    ----------
    block : Block
    found : Found
        Results for its rows.
    bases : list of Base
        Their start.
    """

    def __init__(self, block, found, bases):
        self.block, self.found, self.bases = block, found, bases
        self.problem = bases[0].problem

    def _parts(self):
        """Yield rows and their `Removals`, whose moves are no more than a chunk."""
        found, none = self.found, np.empty(0, dtype=np.intp)
        own = np.zeros(len(self.block.X), dtype=bool)
        own[found.rows] = True
        for base in self.bases:
            mine = base.mine(self.block) & ~own
            for level in np.unique(found.level[mine]):
                rows = np.flatnonzero(mine & (found.level == level))
                if not level and base.problem.link != "softmax":
                    yield rows, self._one_step(base, rows)
                    continue
                for part in row_chunks(len(rows), base.theta.size):
                    view = View(self.block, base, rows[part])
                    moves = self._moves(base, rows[part], view, level)
                    args = view, moves, none, base.first_order
                    yield rows[part], LinearRemovals(*args)
        for part in row_chunks(len(found.rows), self.bases[0].theta.size):
            view = View(self.block, self.bases[0], found.rows[part])
            yield found.rows[part], LinearRemovals(view, found.moves[part], none, False)

    def _one_step(self, base, rows):
        factor, drift = self.found.factor[rows], base.drift
        if drift is not None:
            share = self.block.weight[rows] if base.first_order else 1.0
            drift = np.broadcast_to(share, len(rows)), drift
        view, none = View(self.block, base, rows), np.empty(0, dtype=np.intp)
        args = view, base.lift, factor, none, base.first_order, drift
        return RankOneRemovals(*args, rows=view.lazy_rows)

    def _moves(self, base, rows, view, level):
        """Return moves of the coefficients by rows that need more than a factor."""
        factor = self.found.factor[rows]
        if base.problem.link == "softmax":
            if level:
                own = self.block.rows(rows)
                moves = softmax_passes.corrected(own, base, factor, level)
            else:
                moves = softmax_passes.lifted(view.rows, factor, base.lift)
        else:
            own = self.block.rows(rows)
            moves = base.start.moves(own, base.problem, base.mean, level)
        return moves if base.drift is None else moves + base.drift

    def _each(self, ask, shape=()):
        """Put the answers of the parts together, rows last."""
        n = len(self.block.X)
        out = np.empty((*shape, n))
        for rows, removals in self._parts():
            if len(rows) == n:
                return ask(rows, removals)
            out[..., rows] = ask(rows, removals)
        return out

    def influence(self, X, y, loss):
        """Return the influence on centred test rows, (n_test, n)."""
        return self._each(lambda _, part: part.influence(X, y, loss), (len(X),))

    def mean_influence(self, X, y, loss, weight):
        """Return its weighted sum over the test rows, (n,)."""
        return self._each(lambda _, part: part.mean_influence(X, y, loss, weight))

    def displacements(self):
        """Return moves of the coefficients without each row, (n, k, p)."""
        out = np.empty((len(self.block.X), *self.bases[0].theta.shape))
        for rows, part in self._parts():
            out[rows] = part.displacements(np.arange(len(rows)))
        return out

    def summed(self, member):
        """Return moves of the coefficients by sums of rows, (n_sums, k, p)."""
        return (sum(part.summed(member[:, rows]) for rows, part in self._parts()),)

    def own_influence(self, loss):
        """Return the influence of every row on itself, (n,)."""
        y = self.problem.codes.labels(self.block.y)
        return self._each(lambda rows, part: part.own_influence(y[rows], loss))

    def top(self, X, y, loss, n_rows):
        """Return the largest absolute influences and their rows, (n_test, n_rows)."""
        values = self.influence(X, y, loss)
        n = values.shape[1]
        if n > n_rows:
            rows = np.argpartition(np.abs(values), n - n_rows, axis=1)[:, n - n_rows :]
        else:
            rows = np.broadcast_to(np.arange(n), values.shape)
        return np.take_along_axis(values, rows, axis=1), rows


def weights_of(block):
    """Return the sample weights of a block, (n,)."""
    return block.weight


def sizes_of(block, masks, problem, row_size):
    """Return the sizes of the classes in sets of rows, (n_sets, n_classes)."""
    labels = problem.codes.labels(block.y)
    member = labels[:, None] == np.arange(len(problem.codes.classes))
    return masks @ (row_size * member)


def rows_of(block, base):
    """Return which rows of a block start from a base, bool (n,)."""
    return base.mine(block)
