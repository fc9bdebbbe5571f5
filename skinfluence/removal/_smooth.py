"""Smooth linear models with one linear predictor: rows leave by a ladder of steps."""

import numpy as np
import scipy.linalg as sla

from skinfluence.removal import _certificate as certificate
from skinfluence.removal._dispatch import UnsupportedEstimator
from skinfluence.removal._linear import LinearModel, RankOneRemovals
from skinfluence.removal._newton import (
    hessians,
    minimise_each,
    pair_products,
    row_chunks,
)
from skinfluence.removal._pointwise import SERIES_ERROR

_BATCH = 256  # removed rows that share a pass over the training rows
_TILE = 512  # training rows of a tile: a _BATCH x _TILE array stays in cache


class Smooth(LinearModel):
    r"""Minimiser of ``F = sum_j s_j l(x_j'theta, y_j) + theta' R theta / 2``.

    Without row i each move climbs a ladder and stops where a proven bound on the
    error of the linear predictor (`_certificate`) is below the tolerance. In
    coordinates whitened by the Hessian, with ``z_j`` the rows, ``d, a, c`` the first
    three weighted derivatives of the loss, ``B_i = I - a_i z_i z_i'``:

    1. one Newton step ``u1 = z_i d_i / (1 - a_i h_i)``, O(p);
    2. the third-order (Halley) correction
       ``u2 = u1 - B_i^{-1} (T[u1, u1] - c_i (z_i'u1)^2 z_i) / 2`` with the tensor
       ``T = sum_j c_j z_j z_j z_j``, O(p^3);
    3. chord steps ``u <- u1 - B_i^{-1} sum_{j != i} r_j(z_j'u) z_j`` with r the
       Taylor remainder of l', O(n p), in batches;
    4. damped Newton for rows whose chord does not contract, O(n p^2), in batches.

    The inverse Hessian is never updated: every step uses one Cholesky factor and a
    rank-one correction. Cost O(n p^2 + n p^3 + m n p) with m the number of chord
    steps, memory O(n p). It fails where the base has no unique optimum (separable
    classes or dependent columns without penalty): refused.

    Parameters
    ----------
    design : Design
        Rows and their handling.
    y : ndarray of shape (n,)
        Targets as the pointwise loss takes them.
    weight : ndarray of shape (n,)
        Sample weights s.
    pointwise : object
        The loss l, see `_pointwise`.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    fitted : ndarray of shape (1, p)
        Coefficients that scikit-learn returned.
    link : str
        How the linear predictor becomes a prediction.
    penalty_on_mean : bool, default=False
        R is proportional to ``sum_j s_j`` (GLMs whose loss is a mean), so that a
        row takes its share of the penalty with it.
    """

    def __init__(
        self,
        design,
        y,
        weight,
        pointwise,
        penalty,
        fitted,
        link,
        penalty_on_mean=False,
    ):
        self.design, self.link = design, link
        self.y, self.weight, self.pointwise = y, weight, pointwise
        self.penalty, self.penalty_on_mean = penalty, penalty_on_mean
        self._set_optimum(self._optimum(penalty, fitted[0])[None], fitted)

    def _optimum(self, penalty, start):
        """Minimise F by Newton steps from ``start``."""
        X = self.design.rows
        u, converged = minimise_each(
            X,
            X @ start,
            self.y,
            self.weight[None],
            self.pointwise,
            np.diag(penalty)[None],
            (penalty * start)[None],
            np.zeros((1, len(start))),
        )
        if not converged[0]:
            raise UnsupportedEstimator(
                "The training objective has no unique finite optimum: the classes "
                "are separable, or columns depend on each other, and no penalty "
                "decides. Add a penalty, or use solver='refit'."
            )
        return start + u[0]

    def _without_one(self):
        """Base, and shares of its penalty that remain, for removals of one row.

        The base of a penalty on a mean is that of an average removal, so that only
        the difference of a row's weight from the average is left to the steps.
        """
        if not self.penalty_on_mean:
            return self.theta[0], self.penalty, np.ones(len(self.y))
        total, average = self.weight.sum(), self.weight.mean()
        penalty = self.penalty * (total - average) / total
        theta = self._optimum(penalty, self.theta[0])
        return theta, penalty, (total - self.weight) / (total - average)

    def _share(self, removed):
        """Share of the penalty that remains when rows of this weight are removed."""
        if self.penalty_on_mean:
            return 1 - removed / self.weight.sum()
        return np.ones(len(removed))

    def _rank_one(self, step, damping):
        if step == "exact" or (step == "newton" and self.penalty_on_mean):
            return None
        X, theta = self.design.rows, self.theta[0]
        first, second, _ = self.pointwise.derivatives(X @ theta, self.y)
        factor, curvature = self.weight * first, self.weight * second
        hessian = hessians(X, curvature[None])[0]
        hessian[np.diag_indices_from(hessian)] += self.penalty + damping
        inverse = sla.cho_solve(sla.cho_factor(hessian), np.eye(len(hessian)))
        drift = None
        if step == "newton":
            for part in row_chunks(len(X), X.shape[1]):
                h = np.einsum("ij,ij->i", X[part] @ inverse, X[part])
                factor[part] /= np.maximum(1 - curvature[part] * h, 1e-15)
        elif self.penalty_on_mean:
            share = self.weight / self.weight.sum()
            drift = share, (inverse @ (self.penalty * theta))[None]
        first_order = step == "infinitesimal"
        none = np.empty(0, dtype=np.intp)
        return RankOneRemovals(self, inverse, factor[:, None], none, first_order, drift)

    def _displacements(self, step, tol, damping):
        if step == "newton":
            base = _Whitened(self, self.theta[0], self.penalty, damping)
            u = base.newton_steps(self._share(self.weight))
            return base.to_theta(u)[:, None], np.empty(0, dtype=np.intp)
        theta, penalty, share = self._without_one()
        base = _Whitened(self, theta, penalty, 0.0)
        u, unresolved = _Ladder(base, share).climb(tol)
        moves = base.to_theta(u)
        if self.penalty_on_mean:
            moves += theta - self.theta[0]
            moves[self.weight == 0] = 0.0
        return moves[:, None], unresolved

    def _group_displacements(self, masks, step, tol, damping):
        if step == "infinitesimal":
            return self._infinitesimal_groups(masks, damping)
        base = _Whitened(self, self.theta[0], self.penalty, damping)
        removed = masks * self.weight
        share = self._share(removed.sum(axis=1))
        u = np.zeros((len(masks), base.Z.shape[1]))
        converged = np.ones(len(masks), dtype=bool)
        for chunk in row_chunks(len(masks), 16 * len(self.y)):
            weights = self.weight - removed[chunk]
            if step == "newton":
                u[chunk] = base.group_newton_step(weights, share[chunk])
                continue
            u[chunk], converged[chunk] = minimise_each(
                base.Z,
                base.eta,
                self.y,
                weights,
                self.pointwise,
                share[chunk][:, None, None] * base.P,
                share[chunk][:, None] * base.pull,
                u[chunk],
            )
        u[~converged] = 0.0
        return base.to_theta(u)[:, None], np.flatnonzero(~converged)

    def _infinitesimal_groups(self, masks, damping):
        """Sum of the first-order moves of each group's rows."""
        rows = self._rank_one("infinitesimal", damping)
        member = masks.astype(np.float64)
        moves = (member * rows.factor.T) @ self.design.rows @ rows.inverse
        if rows.drift is not None:
            moves += np.outer(member @ rows.drift[0], rows.drift[1][0])
        return moves[:, None], np.empty(0, dtype=np.intp)


class _Whitened:
    """Derivatives at a base point, in coordinates where the Hessian is the identity."""

    def __init__(self, model, theta, penalty, damping):
        X = model.design.rows
        self.y, self.weight, self.pointwise = model.y, model.weight, model.pointwise
        self.eta = X @ theta
        first, second, third = self.pointwise.derivatives(self.eta, self.y)
        self.d = self.weight * first
        self.a = self.weight * second
        self.c = self.weight * third
        hessian = (X * self.a[:, None]).T @ X
        hessian[np.diag_indices_from(hessian)] += penalty + damping
        self.L = np.linalg.cholesky(hessian)
        self.Z = np.ascontiguousarray(sla.solve_triangular(self.L, X.T, lower=True).T)
        self.h = np.einsum("ij,ij->i", self.Z, self.Z)
        # The penalty's gradient and Hessian.
        self.pull = sla.solve_triangular(self.L, penalty * theta, lower=True)
        scaled = sla.solve_triangular(self.L, np.diag(penalty + damping), lower=True)
        self.P = sla.solve_triangular(self.L, scaled.T, lower=True)
        # What is left of the gradient: rounding, if the base is at its optimum.
        self.slack = self.d @ self.Z + self.pull

    def to_theta(self, u):
        """Turn moves in whitened coordinates into moves of the coefficients."""
        return sla.solve_triangular(self.L, u.T, lower=True, trans="T").T

    def newton_steps(self, share):
        """One Newton step without each row, from the base."""
        u = self.d[:, None] * self.Z
        if (share == 1).all():
            return u / np.maximum(1 - self.a * self.h, 1e-15)[:, None]
        # In the eigenvectors of P, what remains of the Hessian is diagonal.
        values, vectors = np.linalg.eigh(self.P)
        left = 1 + np.multiply.outer(share - 1, values)
        z = self.Z @ vectors
        u = (u - np.multiply.outer(share - 1, self.pull)) @ vectors / left
        own = z / left
        kappa = np.maximum(1 - self.a * np.einsum("ij,ij->i", z, own), 1e-15)
        factor = self.a / kappa * np.einsum("ij,ij->i", z, u)
        return (u + factor[:, None] * own) @ vectors.T

    def group_newton_step(self, weights, share):
        """One Newton step for each row of weights, from the base."""
        first, second, _ = self.pointwise.derivatives(self.eta, self.y)
        out = np.empty((len(weights), self.Z.shape[1]))
        for k, w in enumerate(weights):
            hessian = (self.Z * (w * second)[:, None]).T @ self.Z + share[k] * self.P
            out[k] = -np.linalg.solve(
                hessian, (w * first) @ self.Z + share[k] * self.pull
            )
        return out


class _Ladder:
    """The steps from a base to its minimisers without each row."""

    def __init__(self, base, share):
        self.base, self.share = base, share
        self.kappa = np.maximum(1 - base.a * base.h, 1e-15)
        self.h_max = base.h.max()
        self.M = base.pointwise.M

    def _solve(self, rows, v):
        """``B_i^{-1} v`` for each of ``rows``: a rank-one correction."""
        z = self.base.Z[rows]
        factor = self.base.a[rows] / self.kappa[rows] * np.einsum("ij,ij->i", z, v)
        return v + factor[:, None] * z

    def _norm(self, rows, v):
        """Norm of ``v`` in the metric of B_i."""
        along = np.einsum("ij,ij->i", self.base.Z[rows], v)
        square = np.einsum("ij,ij->i", v, v) - self.base.a[rows] * along**2
        return np.sqrt(np.maximum(square, 0.0))

    def newton_step(self):
        """Move by one Newton step of the objective without each row."""
        base, rows = self.base, np.arange(len(self.kappa))
        u = (base.d / self.kappa)[:, None] * base.Z
        uneven = np.flatnonzero(self.share != 1)
        if len(uneven):
            pull = np.multiply.outer(self.share[uneven] - 1, base.pull)
            u[uneven] -= self._solve(rows[uneven], pull)
        return u

    def climb(self, tol):
        """Minimise without each row, to a certified radius of ``tol``.

        Returns
        -------
        u : ndarray of shape (n, p)
            Moves in whitened coordinates.
        unresolved : ndarray of int
            Rows without a finite minimiser; their moves are zero.
        """
        base = self.base
        self.first = self.newton_step()
        u = self.first.copy()
        length = np.linalg.norm(u, axis=1)
        even = self.share == 1
        slope = np.abs(base.d) * np.sqrt(base.h / self.kappa)
        slack = np.linalg.norm(base.slack) / np.sqrt(self.kappa)
        nu = certificate.newton_residual(length, slope, self.h_max, self.kappa, self.M)
        bound = self._radius(nu + slack, length * np.sqrt(self.h_max))
        todo = np.flatnonzero(~((bound <= tol) & even))
        todo = todo[base.weight[todo] > 0]
        n, p = base.Z.shape
        if p * p < 2 * n and len(todo) > p:
            todo = self._halley(u, todo, length, slack, even, tol)
        # Rows that move alike share a pass: it can then use the short series.
        todo = todo[np.argsort(np.linalg.norm(u[todo], axis=1), kind="stable")]
        hard = self._chords(u, todo, tol)
        unresolved = self._newton(u, hard, tol)
        u[base.weight == 0] = 0.0
        return u, unresolved

    def _radius(self, nu, zeta, rows=slice(None)):
        return certificate.radius(nu, zeta, self.kappa[rows], self.h_max, self.M)

    def _halley(self, u, todo, length, slack, even, tol):
        """Add the third-order correction in place; return the rows left to do."""
        base = self.base
        n, p = base.Z.shape
        width = p * (p + 1) // 2
        tensor = np.zeros((width, p))
        for rows in row_chunks(n, width):
            Z = base.Z[rows]
            tensor += pair_products(Z).T @ (base.c[rows, None] * Z)
        pairs = np.triu_indices(p)
        tensor[pairs[0] != pairs[1]] *= 2
        left = []
        for chunk in row_chunks(len(todo), width):
            rows = todo[chunk]
            z, first = base.Z[rows], self.first[rows]
            quadratic = pair_products(first) @ tensor
            own = base.c[rows] * np.einsum("ij,ij->i", z, first) ** 2
            shift = self._solve(rows, (quadratic - own[:, None] * z) / 2)
            second = first - shift
            norm = np.linalg.norm(second, axis=1)
            nu = certificate.halley_residual(
                length[rows], norm, np.linalg.norm(shift, axis=1), self.h_max, self.M
            )
            zeta = norm * np.sqrt(self.h_max)
            # A correction longer than half the step it corrects is no correction.
            trust = np.linalg.norm(shift, axis=1) < length[rows] / 2
            u[rows[trust]] = second[trust]
            bound = self._radius(nu + slack[rows], zeta, rows)
            left.append(rows[~((bound <= tol) & trust & even[rows])])
        return np.concatenate(left) if left else todo

    def _chords(self, u, todo, tol, max_passes=8):
        """Take chord steps in place; return the rows that do not contract."""
        hard = []
        series = np.ascontiguousarray(
            self.base.pointwise.series(self.base.eta, self.base.y) * self.base.weight
        )
        # Below this reach the series is a thousand times more exact than tol.
        reach = (1e-3 * tol / SERIES_ERROR) ** 0.2
        for start in range(0, len(todo), _BATCH):
            rows = todo[start : start + _BATCH]
            previous = np.full(len(rows), np.inf)
            for _ in range(max_passes):
                total, zeta, dropped = self._remainders(u[rows], rows, series, reach)
                uneven = self.share[rows] != 1
                if uneven.any():
                    total[uneven] += (self.share[rows[uneven]] - 1)[:, None] * (
                        u[rows[uneven]] @ self.base.P
                    )
                new = self.first[rows] - self._solve(rows, total + self.base.slack)
                nu = self._norm(rows, new - u[rows]) + dropped
                bad = (zeta > 1) | (nu > previous / 2) | ~np.isfinite(nu)
                bad &= nu > 1e-14
                hard.append(rows[bad])
                keep = ~bad
                rows, new, nu, zeta = rows[keep], new[keep], nu[keep], zeta[keep]
                dropped = dropped[keep]
                u[rows] = new
                after, further = certificate.chord_residual(
                    nu, zeta, self.kappa[rows], self.h_max, self.M
                )
                # An uneven share scales B_i: its chord contracts by |share - 1| too.
                after = after + np.abs(self.share[rows] - 1) * nu + dropped
                floor = np.minimum(self.share[rows], 1.0)
                bound = self._radius(after / np.sqrt(floor), further, rows)
                left = bound > tol
                rows, previous = rows[left], nu[left]
                if not len(rows):
                    break
            else:
                hard.append(rows)
        return np.concatenate(hard) if hard else todo[:0]

    def _remainders(self, u, rows, series, reach):
        """``sum_{j != i} r_j(z_j'u_i) z_j`` for a batch, the largest move, and what
        the series drops."""
        base = self.base
        total = np.zeros_like(u)
        zeta = np.zeros(len(u))
        short = False
        buffer = np.empty((len(u), min(_TILE, len(base.Z))))
        remainder = np.empty_like(buffer)
        for start in range(0, len(base.Z), _TILE):
            stop = min(start + _TILE, len(base.Z))
            Z = base.Z[start:stop]
            T = np.matmul(u, Z.T, out=buffer[:, : stop - start])
            own = np.flatnonzero((rows >= start) & (rows < stop))
            T[own, rows[own] - start] = 0.0
            largest = np.maximum(T.max(axis=1), -T.min(axis=1))
            np.maximum(zeta, largest, out=zeta)
            if largest.max() < reach:
                short = True
                c2, c3, c4, c5 = series[:, start:stop]
                r = np.multiply(T, c5, out=remainder[:, : stop - start])
                for c in (c4, c3, c2):
                    r += c
                    r *= T
                r *= T
            else:
                span = slice(start, stop)
                r = base.weight[span] * base.pointwise.remainder(
                    base.eta[span],
                    base.y[span],
                    base.a[span]
                    / np.where(base.weight[span] > 0, base.weight[span], 1),
                    T,
                )
            total += r @ Z
        dropped = np.zeros(len(u))
        if short:
            dropped += SERIES_ERROR * reach**5 * np.linalg.norm(u, axis=1)
        return total, zeta, dropped

    def _newton(self, u, hard, tol):
        """Minimise the hard rows in place; return those without a minimiser."""
        base = self.base
        unresolved = []
        for chunk in row_chunks(len(hard), 16 * len(base.Z)):
            rows = hard[chunk]
            weights = np.repeat(base.weight[None], len(rows), axis=0)
            weights[np.arange(len(rows)), rows] = 0.0
            share = self.share[rows]
            u[rows], converged = minimise_each(
                base.Z,
                base.eta,
                base.y,
                weights,
                base.pointwise,
                share[:, None, None] * base.P,
                share[:, None] * base.pull,
                np.zeros((len(rows), base.Z.shape[1])),
            )
            unresolved.append(rows[~converged])
            u[rows[~converged]] = 0.0
        return np.concatenate(unresolved) if unresolved else hard[:0]
