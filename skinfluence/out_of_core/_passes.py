"""What passes over the table compute in each block: pure functions of arrays."""

from dataclasses import dataclass

import numpy as np

from skinfluence.removal.linear._linear import LinearRemovals, RankOneRemovals

_BATCH = 256  # removed rows that share a product with the rows of a block


def centred(X, mean, intercept):
    """Return rows with centred columns, and ones for the intercept last."""
    if not intercept:
        return X
    out = np.empty((len(X), X.shape[1] + 1))
    np.subtract(X, mean, out=out[:, :-1])
    out[:, -1] = 1.0
    return out


@dataclass(frozen=True)
class Base:
    """What the removals of all rows start from.

    Attributes
    ----------
    problem : Problem
    mean : ndarray of shape (n_features,)
        What columns are centred by.
    theta : ndarray of shape (k, p)
        Coefficients of centred columns with all rows, the intercept last.
    lift : ndarray of shape (p, p)
        Inverse Hessian.
    first_order : bool
        Whether losses change to first order.
    drift : ndarray of shape (k, p) or None
        A move of the coefficients that is common to all removals: to first order per
        unit of weight.
    """

    problem: object
    mean: np.ndarray
    theta: np.ndarray
    lift: np.ndarray
    first_order: bool = False
    drift: np.ndarray | None = None


@dataclass(frozen=True)
class Coefficients:
    """Coefficients under the interface of a linear model, for moves of their own."""

    link: str
    theta: np.ndarray
    design: object


class View:
    """A block under the interface of a linear model's design and coefficients."""

    def __init__(self, block, problem, mean, theta, rows=slice(None)):
        self.link, self.theta = problem.link, theta
        self.rows = centred(block.X[rows], mean, problem.intercept)
        self.design = self

    def __call__(self, rows):
        """Return test rows, which are in the coordinates of the design already."""
        return rows


def moments(block, problem):
    """Return sums of weights, weighted columns, weighted targets, rows per class.

    The last are rows of positive weight. Then the least and the largest values of the
    columns and, last, of the weights.
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
    classes, counts = problem.codes.classes, np.zeros(0)
    if classes is not None:
        labels = problem.codes.labels(block.y)[weight > 0]
        counts = np.bincount(labels, minlength=len(classes))
    sums = weight.sum(), weight @ block.X, weight @ targets, counts
    least = np.append(block.X.min(axis=0), weight.min())
    most = np.append(block.X.max(axis=0), weight.max())
    return *sums, least, most


def merged_moments(one, other):
    """Merge the `moments` of two blocks."""
    sums = (a + b for a, b in zip(one[:-2], other[:-2], strict=True))
    return *sums, np.minimum(one[-2], other[-2]), np.maximum(one[-1], other[-1])


def derivatives(block, span, problem, mean, theta, outputs, removed):
    """Return gradients (m, p) and Hessians (m, p, p) of m objectives, no penalties.

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
    Z, targets = centred(block.X, mean, problem.intercept), problem.codes(block.y)
    m, p = theta.shape
    gradient, hessian = np.empty((m, p)), np.empty((m, p, p))
    known = {}
    for i, (output, rows) in enumerate(zip(outputs, removed, strict=True)):
        weight = block.weight
        own = rows[(rows >= span.start) & (rows < span.stop)] - span.start
        if len(own):
            weight = weight.copy()
            weight[own] = 0.0
        eta, y = Z @ theta[i], targets[:, output]
        gradient[i] = (weight * problem.pointwise.slope(eta, y)) @ Z
        # the curvature of squares is the same for all outputs
        key = own.tobytes() if problem.pointwise.M == 0 else None
        if key is None or key not in known:
            scaled = np.sqrt(weight * problem.pointwise.curvature(eta, y))[:, None] * Z
            known = {key: scaled.T @ scaled}
        hessian[i] = known[key]
    return gradient, hessian


def row_moves(block, problem, mean, theta, lift, *, gap):
    """Return factors of ``H^{-1} x_i`` (n, k), ``h_i``, and one minus leverage (n,).

    With ``gap`` the factors are those of a Newton step without the row, else those of
    the first order.
    """
    Z, targets = centred(block.X, mean, problem.intercept), problem.codes(block.y)
    h = np.einsum("ij,ij->i", Z @ lift, Z)
    factor, kappa = np.empty(targets.shape), np.ones(len(Z))
    for c, own in enumerate(theta):
        first, second, _ = problem.pointwise.derivatives(Z @ own, targets[:, c])
        factor[:, c] = block.weight * first
        kappa = 1 - block.weight * second * h
    if gap:
        factor /= np.maximum(kappa, 1e-15)[:, None]
    return factor, h, kappa


def remainders(block, span, problem, mean, theta, root, rows, u):
    """Return ``sum_{j != i} r_j(z_j'u_i) z_j`` (m, p) and the largest moves (m,).

    ``r`` is what the derivative of the loss moves by beyond its tangent, in coordinates
    ``z = root x``; ``rows`` are the positions of the rows i, theta the (p,) of the one
    output.
    """
    Z, targets = centred(block.X, mean, problem.intercept), problem.codes(block.y)
    y, eta = targets[:, 0], Z @ theta
    second = problem.pointwise.curvature(eta, y)
    Z = Z @ root.T
    total, zeta = np.empty_like(u), np.empty(len(u))
    for start in range(0, len(u), _BATCH):
        part = slice(start, start + _BATCH)
        T = u[part] @ Z.T
        own = rows[part] - span.start
        mine = np.flatnonzero((own >= 0) & (own < len(Z)))
        T[mine, own[mine]] = 0.0
        zeta[part] = np.abs(T).max(axis=1, initial=0.0)
        r = block.weight * problem.pointwise.remainder(eta, y, second, T)
        total[part] = r @ Z
    return total, zeta


def rows_at(block, span, problem, mean, positions):
    """Return centred rows (m, p), targets (m, k) and weights (m,), zero elsewhere."""
    own = positions - span.start
    mine = np.flatnonzero((own >= 0) & (own < len(block.X)))
    targets = problem.codes(block.y)
    p = block.X.shape[1] + problem.intercept
    X, y = np.zeros((len(positions), p)), np.zeros((len(positions), targets.shape[1]))
    weight = np.zeros(len(positions))
    X[mine] = centred(block.X[own[mine]], mean, problem.intercept)
    y[mine], weight[mine] = targets[own[mine]], block.weight[own[mine]]
    return X, y, weight


class BlockRemovals:
    """Influence of the rows of a block.

    Parameters
    ----------
    block : Block
    factor : ndarray of shape (n, k)
        Row i moves output c by ``factor[i, c] * lift @ x_i``.
    polished : dict of int to ndarray of shape (k, p)
        Moves of the coefficients by rows for which that is not accurate enough.
    base : Base
    """

    def __init__(self, block, factor, polished, base):
        self.block, self.base = block, base
        view = View(block, base.problem, base.mean, base.theta)
        drift = base.drift
        if drift is not None:
            share = block.weight if base.first_order else np.ones(len(factor))
            drift = share, drift
        none = np.empty(0, dtype=np.intp)
        self.every = RankOneRemovals(
            view, base.lift, factor, none, base.first_order, drift
        )
        self.rows = np.array(sorted(polished), dtype=np.intp)
        if len(self.rows):
            own = View(block, base.problem, base.mean, base.theta, self.rows)
            moves = np.stack([polished[row] for row in self.rows])
            self.own = LinearRemovals(own, moves, none, base.first_order)

    def influence(self, X, y, loss):
        """Return the influence on centred test rows, (n_test, n)."""
        out = self.every.influence(X, y, loss)
        if len(self.rows):
            out[:, self.rows] = self.own.influence(X, y, loss)
        return out

    def mean_influence(self, X, y, loss, weight):
        """Return its weighted sum over the test rows, (n,)."""
        out = self.every.mean_influence(X, y, loss, weight)
        if len(self.rows):
            out[self.rows] = self.own.mean_influence(X, y, loss, weight)
        return out

    def summed(self, member):
        """Return moves of the coefficients by sums of rows, (n_sums, k, p)."""
        return (self.every.summed(member),)

    def own_influence(self, loss):
        """Return the influence of every row on itself, (n,)."""
        y = self.base.problem.codes.labels(self.block.y)
        out = self.every.own_influence(y, loss)
        if len(self.rows):
            out[self.rows] = self.own.own_influence(y[self.rows], loss)
        return out

    def top(self, X, y, loss, n_rows):
        """Return the largest absolute influences and their rows, (n_test, n_rows)."""
        values = self.influence(X, y, loss)
        n = values.shape[1]
        if n > n_rows:
            rows = np.argpartition(np.abs(values), n - n_rows, axis=1)[:, n - n_rows :]
        else:
            rows = np.broadcast_to(np.arange(n), values.shape)
        return np.take_along_axis(values, rows, axis=1), rows
