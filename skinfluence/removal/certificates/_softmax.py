r"""Multinomial logistic regression: bounds of ranges of logits.

As `certificates._smooth`, with ranges in the place of sizes: the log loss of several
classes satisfies ``|D^3 l[u, u, v]| <= range(v) D^2 l[u, u]`` (`certified_radius`), and
the length of a row is that of its longest difference of two classes,
``max_{c, d} |x (e_c - e_d)|`` in the metric of the inverse Hessian.
"""

import numpy as np
from scipy.special import softmax

from skinfluence.removal._classes import loses_class
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal.certificates._certificate import Certificate
from skinfluence.removal.certificates._dispatch import certificate
from skinfluence.removal.certificates._points import distances, metric_of
from skinfluence.removal.certificates._problem import excess_penalty
from skinfluence.removal.certificates._removed import Removed
from skinfluence.removal.certificates._rounding import (
    EPS,
    UNITS,
    row_errors,
    wide_gradient,
)
from skinfluence.removal.smooth._certificate import psi2
from skinfluence.removal.smooth._softmax import Softmax
from skinfluence.removal.smooth._softmax_objective import SoftmaxObjective

_BATCH, _TILE = 64, 256
_POLISH = 3


class Ranges:
    """Lengths of rows: the longest difference of two classes, in a `Metric`."""

    def __init__(self, metric, n_classes):
        self.metric, self.C = metric, n_classes
        scaled = metric.inverse / metric.size
        self.whole = scaled.T @ scaled

    def kernels(self, rows, errors):
        """``(I x x)' H^{-1} (I x x)`` of rows, (m, C, C), and its largest error."""
        C, p = self.C, rows.shape[1]
        out = np.empty((len(rows), C, C))
        for c in range(C):
            for e in range(c, C):
                block = self.whole[c * p : c * p + p, e * p : e * p + p]
                out[:, c, e] = out[:, e, c] = np.einsum("ij,ij->i", rows @ block, rows)
        size = self.metric.size.reshape(C, p)
        length = np.sqrt(((rows[:, None] / size) ** 2).sum(axis=2)).max(axis=1)
        relative, absolute = errors
        error = 16 * (C * p + 8) * EPS + 4 * self.metric.turn + 4 * relative
        error = error * length**2 + 4 * length * absolute * np.linalg.norm(1 / size)
        return out, error * self.metric.spread**2

    def row_norms(self, rows, errors):
        """Upper bounds of lengths, of rows with the errors of `row_errors`."""
        K, error = self.kernels(rows, errors)
        diagonal = np.einsum("mcc->mc", K)
        squared = diagonal[:, :, None] + diagonal[:, None, :] - 2 * K
        out = np.sqrt(np.maximum(squared.max(axis=(1, 2)), 0.0) + 4 * error)
        relative, absolute = errors
        size = self.metric.size.reshape(self.C, -1).min(axis=0)
        off = relative * np.linalg.norm(rows / size, axis=1)
        return out + 2 * self.metric.spread * (
            off + absolute * np.linalg.norm(1 / size)
        )


class Point:
    """The objective of some rows at some coefficients, and how far its minimiser is.

    Parameters
    ----------
    model : Softmax
        Its rows and classes.
    theta : ndarray of longdouble, shape (C, p)
        Coefficients.
    weight : ndarray of shape (n,)
        Weights of the rows.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    objective : SoftmaxObjective
        Of this penalty.
    penalty_error : float
        Its relative error.
    """

    def __init__(self, model, theta, weight, penalty, objective, penalty_error):
        C, p = theta.shape
        truth = objective.truth
        gauge = np.diag(objective.gauge)

        def derivatives(part, eta):
            P = softmax(eta, axis=1)
            others, own = P @ (1 - np.eye(C)), truth[part] > 0
            terms = weight[part, None] * np.where(own, others, P)
            # a row of the Hessian of the log loss sums to at most 2 p (1 - p)
            return (
                np.where(own, -terms, terms),
                terms,
                2 * weight[part, None] * P * others,
            )

        args = model.design, theta, derivatives
        gradient, slack, self.raw, off = wide_gradient(*args)
        pull = penalty * theta + gauge * theta.sum(axis=0)
        self.gradient = gradient + pull
        size = np.abs(theta).astype(float)
        slack = slack * np.exp(min(4 * off, 1.0))
        self.slack = slack + penalty_error * penalty * size
        self.slack += UNITS * gauge * size.sum(axis=0)
        probability = softmax(self.raw, axis=1)
        hessian = objective.hessian(probability, weight)
        hessian += objective.penalty_hessian()
        spread = weight * (1 - (probability**2).sum(axis=1))
        self.metric = metric_of(model.design, hessian, spread, 2 * off)
        self.reach = self.distance = np.inf
        if not self.metric.trusted:
            return
        self.ranges = Ranges(self.metric, C)
        used = weight > 0
        errors = row_errors(model.design)
        self.reach = float(self.ranges.row_norms(model.design.rows[used], errors).max())
        nu = self.metric.norms(self.gradient.astype(float).reshape(1, -1))[0]
        nu += self.metric.box(self.slack.ravel())
        kappa = self.metric.kappa
        self.distance = float(distances(nu, 0.0, kappa, self.reach**2, 1.0))


@certificate.register
def _(model: Softmax, source, masks=None):
    return _Softmax(model, source, masks).result


class SoftmaxCertificate(Certificate):
    """Certificate of logits, of which only differences count."""

    def _coordinates(self, rows, theta):
        wide = super()._coordinates(rows, theta)
        return 2 * wide.max(axis=2, keepdims=True)

    def _sizes(self, delta):
        return 2 * np.abs(delta).max(axis=2, keepdims=True)


class _Softmax:
    """Certificate of a `Softmax` model; parameters as of `certificate`."""

    def __init__(self, model, source, masks):
        self.model, self.source = model, source
        objective, penalty = model.objective, model.penalties.diagonal
        if not np.array_equal(objective.ridge, np.diag(penalty)):
            raise UnsupportedEstimator(
                "Columns that depend on each other leave a model without a penalty no "
                "unique minimiser, of which nothing can be proven. Leave columns out, "
                "or take a penalty."
            )
        self.removed = removed = Removed(len(model.weight), masks)
        moves, unresolved = source.moves(model, masks)
        self.moves = moves = np.array(moves)
        theta = model.theta.astype(np.longdouble)
        args = penalty, model.penalties, masks, source.polished
        self.excess, self.penalty_error = excess_penalty(*args)
        args = model.weight, penalty, objective, self.penalty_error
        self.base = base = Point(model, theta, *args)
        if not np.isfinite(base.distance):
            raise UnsupportedEstimator(
                "Nothing can be proven about this model in double precision: its "
                "columns depend on each other, up to rounding, and the penalty is too "
                "weak to decide between its minimisers. Leave columns out, or take a "
                "stronger penalty (a smaller C)."
            )
        broken = ~np.isfinite(moves).all(axis=(1, 2))
        broken[unresolved] = True
        moves[broken] = 0.0
        self.distance, self.own = np.full(len(moves), np.inf), {}
        self._bound_all()
        lost = loses_class(model.labels, masks, model.weight > 0)
        wanted = np.finfo(float).max
        if source.polished:
            wanted = max(source.tol / 2, 8 * base.distance * base.reach)
        hard = ~(self.distance * base.reach <= wanted) | broken
        self._solve_alone(np.flatnonzero(hard & ~lost))
        moves[lost], self.distance[lost] = 0.0, np.inf
        used = (model.weight > 0)[removed.row].astype(float)
        unchanged = removed.sums(used) == 0
        if self.excess is not None:
            unchanged &= (self.excess == 0).all(axis=1)
        self.result = SoftmaxCertificate(
            model,
            moves,
            [base.ranges],
            np.array([base.distance]),
            self.distance[:, None],
            self.own,
            unchanged,
        )

    def _bound_all(self):
        model, base, metric = self.model, self.base, self.base.metric
        X, (C, p) = model.design.rows, model.theta.shape
        P = softmax(base.raw, axis=1)
        flat = self.moves.reshape(len(self.moves), -1)
        # What slopes and curvatures weigh, of both classes' side without cancellation
        small = np.where(P == P.max(axis=1, keepdims=True), P @ (1 - np.eye(C)), P)
        length, zeta, gradient = self._a_priori(P)
        rest = np.zeros(len(flat))
        if self.source.polished:
            gradient, zeta = self._gradients(P)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                rest = psi2(zeta) * length
        gradient = gradient.reshape(flat.shape) + base.gradient.astype(float).ravel()
        kappa = metric.kappa - self._leverages(P)
        left_over = np.zeros(len(flat))
        if self.excess is not None:
            penalty = model.penalties.diagonal
            relative = self.excess / np.where(penalty > 0, penalty, np.inf)
            share = (1 + relative).min(axis=1) * (1 - self.penalty_error)
            kappa = kappa * np.clip(share, 0.0, 1.0)
            pull = self.penalty_error * (np.abs(self.excess) + penalty)[:, None]
            pull = (pull * np.abs(model.theta + self.moves)).reshape(flat.shape)
            left_over = metric.unit * (pull / metric.size).max(axis=1)
        V = (model.weight[:, None] * small).T @ np.abs(X)
        _, absolute = row_errors(model.design)
        V += absolute * (model.weight @ small)[:, None]
        reach = 2 * np.abs(self.moves).max(axis=1) @ np.abs(X).max(axis=0)
        reach += 2 * absolute * np.abs(self.moves).max(axis=1).sum(axis=1)
        units = (8 * (p + C + 16) + 2 * (len(X) + 16)) * EPS + 4 * UNITS
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.exp(np.minimum(2 * zeta, 700.0))
            errors = units * reach * metric.box(V.ravel())
            errors += metric.unit * UNITS * (np.abs(flat) @ metric.size)
            if not self.source.polished:
                errors += metric.unit * metric.units * (np.abs(flat) @ metric.size)
            nu = metric.norms(gradient) + rest + left_over
            nu = nu + growth * (metric.box(base.slack.ravel()) + errors)
            nu = nu * (1 + metric.slack)
            self.distance = distances(nu, zeta, kappa, base.reach**2, 1.0)

    def _leverages(self, P):
        """Upper bounds of the largest eigenvalue of what each set adds to the Hessian.

        Of several rows the sum of theirs.
        """
        X, ranges = self.model.design.rows, self.base.ranges
        out = np.empty(len(X))
        for start in range(0, len(X), 1024):
            part = slice(start, start + 1024)
            K, error = ranges.kernels(X[part], row_errors(self.model.design))
            root = np.sqrt(P[part])
            A = root[:, :, None] * np.eye(P.shape[1])
            A = A - P[part][:, :, None] * root[:, None, :]
            A *= np.sqrt(self.model.weight[part])[:, None, None]
            top = np.linalg.eigvalsh(A.transpose(0, 2, 1) @ K @ A)[:, -1]
            error = error * P.shape[1] * self.model.weight[part]
            relative = 1 + 1e-10 + self.base.metric.units
            out[part] = np.maximum(top, 0.0) * relative + error
        return self.removed.sums(out[self.removed.row])

    def _own_part(self, P):
        """Gradients that the rows of each set took with them, (m, C, p)."""
        pull, X = (
            self.model.objective.pull(P, self.model.weight),
            self.model.design.rows,
        )
        row = self.removed.row
        return self.removed.sums(pull[row][:, :, None] * X[row][:, None])

    def _penalties(self, moves, gradient):
        gradient += self.model.objective.penalise(moves)
        if self.excess is not None:
            gradient += self.excess[:, None] * (self.model.theta + moves)
        return gradient

    def _a_priori(self, P):
        """Lengths of moves, their largest ranges and the gradients' linear parts."""
        model, metric, removed = self.model, self.base.metric, self.removed
        flat = self.moves.reshape(len(self.moves), -1)
        scaled = flat * metric.size
        length = np.linalg.norm(scaled @ metric.lower, axis=1)
        length += 4 * len(metric.size) * EPS * np.abs(scaled).sum(axis=1)
        length *= np.sqrt(1 + metric.slack)
        zeta = length * self.base.reach
        if self.source.polished:
            return length, zeta, None
        hessian = model.objective.hessian(P, model.weight)
        gradient = (flat @ hessian).reshape(self.moves.shape) - self._own_part(P)
        row = removed.row
        X, own = model.design.rows[row], P[row]
        along = np.einsum("ncp,np->nc", self.moves[removed.member], X)
        centred = along - (own * along).sum(axis=1, keepdims=True)
        turned = model.weight[row, None] * own * centred
        gradient -= removed.sums(turned[:, :, None] * X[:, None])
        return length, zeta, self._penalties(self.moves, gradient)

    def _gradients(self, P):
        """Gradients summed over all rows, and largest ranges of moves."""
        model, removed = self.model, self.removed
        X, weight = model.design.rows, model.weight
        m, (C, p) = len(self.moves), model.theta.shape
        top = P.argmax(axis=1)
        gradient, zeta = -self._own_part(P), np.zeros(m)
        for start in range(0, m, _BATCH):
            stop = min(start + _BATCH, m)
            member, row = removed.pairs(start, stop)
            batch = self.moves[start:stop].transpose(1, 0, 2).reshape(-1, p)
            total = np.zeros_like(batch)
            for first in range(0, len(X), _TILE):
                tile = slice(first, min(first + _TILE, len(X)))
                size = tile.stop - first
                t = (batch @ X[tile].T).reshape(C, stop - start, size)
                own = (row >= first) & (row < tile.stop)
                t[:, member[own], row[own] - first] = 0.0
                t[:, :, weight[tile] == 0] = 0.0
                index = np.arange(size)
                t -= t[top[tile], :, index].T
                reach = (t.max(axis=0) - t.min(axis=0)).max(axis=1, initial=0.0)
                np.maximum(zeta[start:stop], reach, out=zeta[start:stop])
                with np.errstate(over="ignore", invalid="ignore"):
                    change = _softmax_change(P[tile].T, top[tile], np.minimum(t, 350.0))
                change *= weight[tile]
                total += change.reshape(-1, size) @ X[tile]
            gradient[start:stop] += total.reshape(C, -1, p).transpose(1, 0, 2)
        return self._penalties(self.moves, gradient), zeta

    def _solve_alone(self, hard):
        """Certify removals at their own minimisers, in their own metrics."""
        model, C = self.model, len(self.model.theta)
        penalty, objective = model.penalties.diagonal, model.objective
        base = self.base.distance * self.base.reach
        wanted = max(self.source.tol / 4, 4 * base)
        for i in hard:
            mask = self.removed.mask(i)
            weight = np.where(mask, 0.0, model.weight)
            own_penalty, own_objective = penalty, objective
            if self.excess is not None:
                own_penalty = np.maximum(penalty + self.excess[i], 0.0)
                own_objective = SoftmaxObjective(
                    model.design.rows, model.labels, weight, own_penalty, C
                )
            kept = move = self.moves[i].copy()
            if not self.source.polished:
                found = own_objective.minimise(model.theta + move, weight)
                if found is None:
                    continue
                kept = move = found[0] - model.theta
            best, theta = np.inf, model.theta.astype(np.longdouble)
            for _ in range(_POLISH):
                args = weight, own_penalty, own_objective, self.penalty_error
                point = Point(model, theta + move, *args)
                if not point.metric.trusted:
                    break
                if np.isfinite(best) and not point.distance < best / 2:
                    break  # rounding is what is left
                if point.distance < best:
                    kept, best = move, point.distance
                    self.own[i, 0] = point.ranges, best
                if best * point.reach <= wanted:
                    break
                inverse = point.metric.inverse / point.metric.size
                step = inverse.T @ (inverse @ point.gradient.astype(float).ravel())
                move = move - step.reshape(move.shape)
            self.moves[i] = kept


def _softmax_change(P, top, t):
    """Changes of probabilities (C, n) by moves of logits (C, m, n), of top class 0.

    Relative to the likeliest class no digits are lost: its own change is minus the
    others'.
    """
    growth = np.expm1(t)
    mean = np.einsum("cn,cmn->mn", P, growth)
    change = P[:, None] * (growth - mean) / (1 + mean)
    n = np.arange(t.shape[2])
    change[top, :, n] = 0.0
    change[top, :, n] = -change.sum(axis=0).T
    return change
