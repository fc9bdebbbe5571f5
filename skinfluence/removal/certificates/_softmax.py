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
from skinfluence.removal.certificates._points import distances
from skinfluence.removal.certificates._problem import penalties_without
from skinfluence.removal.certificates._removed import Removed
from skinfluence.removal.certificates._rounding import EPS, UNITS, row_errors
from skinfluence.removal.certificates._softmax_points import Point
from skinfluence.removal.smooth._certificate import psi2
from skinfluence.removal.smooth._softmax import DowndatedRows, Softmax
from skinfluence.removal.smooth._softmax_objective import SoftmaxObjective

_BATCH, _TILE = 64, 256
_POLISH = 3
# Products of a pass over all rows for all removals up to which single steps get one.
_AFFORDABLE = 1e10


@certificate.register
def _(model: Softmax, source, masks=None):
    return _Softmax(model, source, masks).result


class SoftmaxCertificate(Certificate):
    """Certificate of logits, of which only differences count."""

    def _coordinates(self, rows, theta):
        wide = super()._coordinates(rows, theta)
        return 2 * wide.max(axis=2, keepdims=True)


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
        self.without, self.penalty_error = penalties_without(*args)
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
        if self.without is not None:
            unchanged &= (self.without == penalty).all(axis=1)
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
        """Distances of all removals in the metric of all rows."""
        model, base, metric = self.model, self.base, self.base.metric
        X, C = model.design.rows, len(model.theta)
        P = softmax(base.raw, axis=1)
        # What slopes and curvatures weigh, of both classes' side without cancellation
        small = np.where(P == P.max(axis=1, keepdims=True), P @ (1 - np.eye(C)), P)
        _, absolute = row_errors(model.design)
        V = (model.weight[:, None] * small).T @ np.abs(X)
        V += absolute * (model.weight @ small)[:, None]
        self.curved = metric.box(V.ravel())
        self.kappa = metric.kappa - self._leverages(P)
        if self.without is not None:
            penalty = model.penalties.diagonal
            share = self.without[:, penalty > 0] / penalty[penalty > 0]
            share = share.min(axis=1, initial=1.0) * (1 - self.penalty_error)
            self.kappa = self.kappa * np.clip(share, 0.0, 1.0)
        if self.source.polished:
            gradient, zeta = self._gradients(P)
            self.distance = self._distances(gradient, zeta, np.abs(self.moves))
            return
        length, zeta = self._lengths(self.moves)
        gradient = self._linear(P, self.moves) - self._own_part(P)
        with np.errstate(over="ignore", invalid="ignore"):
            rest = psi2(zeta) * length + self._linear_rounding(self.moves)
        self.distance = self._distances(gradient, zeta, np.abs(self.moves), rest)
        if 4 * len(self.moves) * X.size * C <= _AFFORDABLE:
            self._chord(P)

    def _chord(self, P):
        """One pass over the rows, and the step that its gradients ask for.

        What is left after the step s is ``g - B s``, with B the Hessian at the base
        without the rows, and at most ``expm1(zeta) |s|`` for what the Hessian between
        the two points differs from B: no second pass is needed.
        """
        gradient, zeta = self._gradients(P)
        base = self.base.gradient.astype(float)
        step = self._solve(gradient + base)
        length, further = self._lengths(step)
        left = gradient - self._linear(P, step)
        with np.errstate(over="ignore", invalid="ignore"):
            zeta = zeta + further
            rest = np.expm1(np.minimum(zeta, 700.0)) * length
            rest += self._linear_rounding(step)
        size = np.abs(self.moves) + np.abs(step)
        distance = self._distances(left, zeta, size, rest)
        nearer = distance < self.distance
        self.moves[nearer] -= step[nearer]
        self.distance[nearer] = distance[nearer]

    def _solve(self, gradient):
        """Steps that gradients ask for, by the Hessian without the row."""
        shape, model = gradient.shape, self.model
        base = DowndatedRows(model, 0.0)
        q = gradient.reshape(len(gradient), -1) @ base.inverse
        if self.removed.masks is None:
            base.downdate()
            X = model.design.rows
            inner = np.einsum("mcp,mp->mc", q.reshape(shape), X)
            inner = np.einsum("mcd,md->mc", base.M, inner)
            q = q.reshape(shape) + base.lift(inner)
        return q.reshape(shape)

    def _distances(self, gradient, zeta, size, rest=0.0):
        """Distances where gradients are known.

        Parameters
        ----------
        gradient : ndarray of shape (m, C, p)
            Without what is left of that of all rows at their optimum.
        zeta : ndarray of shape (m,)
            Largest ranges of moves.
        size : ndarray of shape (m, C, p)
            Sizes of what was added up to moves.
        rest : ndarray of shape (m,)
            Lengths of what the gradients leave out.
        """
        base, metric, (C, p) = self.base, self.base.metric, self.model.theta.shape
        X, size = self.model.design.rows, size.reshape(len(size), -1)
        gradient = gradient.reshape(size.shape) + base.gradient.astype(float).ravel()
        largest = size.reshape(-1, C, p).max(axis=1)
        _, absolute = row_errors(self.model.design)
        reach = 2 * largest @ np.abs(X).max(axis=0)
        reach += 2 * absolute * largest.sum(axis=1)
        units = (8 * (p + C + 16) + 2 * (len(X) + 16)) * EPS + 4 * UNITS
        if self.without is not None:
            penalty = self.model.penalties.diagonal
            pull = np.abs(self.without - penalty) + penalty
            pull = self.penalty_error * pull[:, None]
            pull = pull * (np.abs(self.model.theta) + size.reshape(-1, C, p))
            pull = pull.reshape(size.shape)
            rest = rest + metric.unit * (pull / metric.size).max(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.exp(np.minimum(2 * zeta, 700.0))
            errors = units * reach * self.curved
            errors += metric.unit * UNITS * (size @ metric.size)
            nu = metric.norms(gradient) + rest
            nu = nu + growth * (metric.box(base.slack.ravel()) + errors)
            nu = nu * (1 + metric.slack)
            return distances(nu, zeta, self.kappa, base.reach**2, 1.0)

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

    def _lengths(self, moves):
        """Lengths of moves, and bounds of their largest ranges."""
        metric = self.base.metric
        scaled = moves.reshape(len(moves), -1) * metric.size
        length = np.linalg.norm(scaled @ metric.lower, axis=1)
        length += 4 * len(metric.size) * EPS * np.abs(scaled).sum(axis=1)
        length *= np.sqrt(1 + metric.slack)
        return length, length * self.base.reach

    def _linear(self, P, moves):
        """Hessians at the base, without the rows of each set, times moves."""
        model, removed = self.model, self.removed
        flat = moves.reshape(len(moves), -1)
        out = (flat @ model.objective.hessian(P, model.weight)).reshape(moves.shape)
        X, own = model.design.rows[removed.row], P[removed.row]
        along = np.einsum("ncp,np->nc", moves[removed.member], X)
        centred = along - (own * along).sum(axis=1, keepdims=True)
        turned = model.weight[removed.row, None] * own * centred
        out -= removed.sums(turned[:, :, None] * X[:, None])
        return out + model.objective.penalise(moves)

    def _linear_rounding(self, moves):
        """Rounding errors of these products."""
        metric = self.base.metric
        size = np.abs(moves).reshape(len(moves), -1) @ metric.size
        return metric.unit * metric.units * size

    def _with_excess(self, moves, gradient):
        """Gradients with the penalties' own parts."""
        gradient += self.model.objective.penalise(moves)
        if self.without is not None:
            excess = self.without - self.model.penalties.diagonal
            gradient += excess[:, None] * (self.model.theta + moves)
        return gradient

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
        return self._with_excess(self.moves, gradient), zeta

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
            if self.without is not None:
                own_penalty = self.without[i]
                own_objective = SoftmaxObjective(
                    model.design.rows, model.labels, weight, own_penalty, C
                )
            kept = move = self.moves[i].copy()
            if not self.source.polished:
                found = own_objective.minimise(model.theta + move, weight)
                if found is None:
                    continue
                kept = move = found - model.theta
            best, theta = np.inf, model.theta.astype(np.longdouble)
            for _ in range(_POLISH):
                args = weight, own_penalty, own_objective, self.penalty_error
                point = Point(model, theta + move, *args)
                if not point.metric.trusted:
                    break
                if np.isfinite(best) and not point.distance < best / 2:
                    break  # the rest is rounding
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
