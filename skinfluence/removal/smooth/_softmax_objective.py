"""The penalised multinomial log loss: values, derivatives, its minimiser."""

import numpy as np
from scipy.special import logsumexp, softmax

from skinfluence.removal._minimisation import Problems, minimise, newton_steps
from skinfluence.removal.smooth._certificate import psi2

# Rows of one tile when Hessians and kernels are summed over the training set,
# and when the logits of many models at once are.
TILE, CHUNK = 1024, 256


class SoftmaxLosses:
    """The weighted log losses of some rows, and their derivatives.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        Design matrix.
    y_idx : ndarray of shape (n,)
        Class indices.
    n_classes : int
        Number of classes C.
    """

    def __init__(self, rows, y_idx, n_classes):
        self.rows, self.n_classes = rows, n_classes
        self.truth = (y_idx[:, None] == np.arange(n_classes)).astype(np.float64)

    def pull(self, P, weight):
        """Gradient with respect to the logits, ``s (p - e_y)``, (n, C)."""
        # p_y - 1 as minus the other probabilities: no cancellation.
        others = P @ (1 - np.eye(self.n_classes))
        return weight[:, None] * np.where(self.truth > 0, -others, P)

    def hessian(self, P, weight, rows=slice(None)):
        """Return the Hessian of the losses of some rows, (Cp, Cp), no penalty."""
        X, P, weight = self.rows[rows], P[rows], weight[rows]
        C, p = self.n_classes, self.rows.shape[1]
        H = np.zeros((C * p, C * p))
        for a in range(0, len(X), TILE):
            r = slice(a, a + TILE)
            Z = (np.sqrt(weight[r])[:, None] * P[r])[:, :, None] * X[r, None]
            Z = Z.reshape(-1, C * p)
            H -= Z.T @ Z
        # p_c (1 - p_c) again without cancellation
        diagonal = weight[:, None] * P * (P @ (1 - np.eye(C)))
        for c in range(C):
            block = slice(c * p, c * p + p)
            H[block, block] = X.T @ (diagonal[:, c : c + 1] * X)
        return H

    def kernels(self, inverse):
        """Yield slices of rows and ``K = (I x x_j)' inverse (I x x_j)``, (m, C, C)."""
        C, p = self.n_classes, self.rows.shape[1]
        for a in range(0, len(self.rows), TILE):
            X = self.rows[a : a + TILE]
            K = np.empty((len(X), C, C))
            for c in range(C):
                for e in range(c, C):
                    lifted = X @ inverse[c * p : c * p + p, e * p : e * p + p]
                    K[:, c, e] = K[:, e, c] = np.einsum("ij,ij->i", lifted, X)
            yield slice(a, a + TILE), K

    def reach(self, inverse):
        """Largest range of logits, over rows, of a move of length one."""
        return max(largest_range(K) for _, K in self.kernels(inverse))

    def moved_losses(self, moves, theta_state, weight, left_out=None):
        """Changes of gradients and values by moves of theta.

        Of the values, that to first order is left out.

        Parameters
        ----------
        moves : ndarray of shape (m, C, p)
            Moves of theta.
        theta_state : tuple
            The result of `start_state`.
        weight : ndarray of shape (n,)
            Weights; zero for rows that are left out of all m problems.
        left_out : ndarray of shape (m,), default=None
            One more row left out of each problem.

        Returns
        -------
        gradient : ndarray of shape (m, C, p)
        value : ndarray of shape (m,)
        zeta : ndarray of shape (m,)
            Largest range of logits moved, over rows that are left in.
        """
        relative, log_sum, P = theta_state
        m, C, p = moves.shape
        # Class 0 is the reference: C - 1 differences of logits carry everything.
        apart = (moves[:, 1:] - moves[:, :1]).transpose(1, 0, 2).reshape(-1, p)
        total, zeta = np.zeros_like(apart), np.zeros(m)
        value = -np.einsum(
            "cmp,cp->m", apart.reshape(C - 1, m, p), (P * weight) @ self.rows
        )
        for a in range(0, len(self.rows), CHUNK):
            r = slice(a, a + CHUNK)
            X, s = self.rows[r], weight[r]
            flat = apart @ X.T
            V = flat.reshape(C - 1, m, len(X))
            out = None
            if left_out is not None:
                inside = np.flatnonzero((left_out >= a) & (left_out < a + len(X)))
                out = inside, left_out[inside] - a
            width = np.maximum(V.max(axis=0), 0) - np.minimum(V.min(axis=0), 0)
            width *= s > 0
            if out is not None:
                width[out] = 0.0
                row = left_out[inside]
                linear = np.einsum("cm,cm->m", P[:, row], V[:, *out])
                value[inside] += weight[row] * linear
            np.maximum(zeta, width.max(axis=1), out=zeta)
            V += relative[:, None, r]
            shift = np.maximum(V.max(axis=0), 0.0)
            V -= shift
            np.exp(V, out=V)
            Z = V.sum(axis=0)
            Z += np.exp(-shift)
            V /= Z
            V -= P[:, None, r]
            V *= s
            loss = np.log(Z)
            loss += shift
            loss -= log_sum[r]
            if out is not None:
                V[:, *out] = 0.0
                loss[out] = 0.0
            value += loss @ s
            total += flat @ X
        total = total.reshape(C - 1, m, p).transpose(1, 0, 2)
        return np.concatenate([-total.sum(axis=1)[:, None], total], axis=1), value, zeta

    def start_state(self, theta):
        """Return the start of `moved`: logits, log-sums, probabilities."""
        logits = self.rows @ theta.T
        relative = np.ascontiguousarray((logits[:, 1:] - logits[:, :1]).T)
        log_sum = np.logaddexp(logsumexp(relative, axis=0), 0.0)
        return relative, log_sum, np.ascontiguousarray(softmax(logits, axis=1).T[1:])


class SoftmaxObjective(SoftmaxLosses):
    r"""``sum_j s_j CE(theta x_j, y_j) + 1/2 sum_c theta_c' R theta_c + gauge``.

    A shift of theta that is common to all classes changes no probability. Where
    R is zero nothing determines it, so ``1/2 |sum_c theta_c|^2`` is added there,
    times the scale of the Hessian: its minimum is zero, and the rest of the
    minimiser stays what it was. Directions of theta that no row and no penalty
    determines (collinear columns) get a ridge for the same reason.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        Design matrix.
    y_idx : ndarray of shape (n,)
        Class indices.
    weight : ndarray of shape (n,)
        Sample weights.
    penalty : ndarray of shape (p,)
        Diagonal of R.
    n_classes : int
        Number of classes C.
    """

    def __init__(self, rows, y_idx, weight, penalty, n_classes):
        super().__init__(rows, y_idx, n_classes)
        gram = rows.T @ (weight[:, None] * rows) / n_classes**2 + np.diag(penalty)
        scale = np.diag(gram).copy()
        scale[scale == 0] = 1.0
        root = np.sqrt(scale)
        values, vectors = np.linalg.eigh(gram / root[:, None] / root)
        free = vectors[:, values < len(scale) * 1e-14] / root[:, None]
        free, _ = np.linalg.qr(free)
        self.ridge = np.diag(penalty) + scale.mean() * free @ free.T
        self.gauge = np.diag(np.where(penalty == 0, scale, 0.0))

    def penalise(self, theta):
        """Gradient of the penalty at theta (..., C, p)."""
        return theta @ self.ridge + (theta.sum(axis=-2) @ self.gauge)[..., None, :]

    def state(self, theta, weight):
        """Return gradient (C, p) and probabilities (n, C) at theta."""
        P = softmax(self.rows @ theta.T, axis=1)
        return self.pull(P, weight).T @ self.rows + self.penalise(theta), P

    def penalty_hessian(self):
        """Return the Hessian of the penalty, (Cp, Cp)."""
        C = self.n_classes
        return np.kron(np.eye(C), self.ridge) + np.tile(self.gauge, (C, C))

    def minimise(self, theta, weight):
        """Minimise from theta (C, p).

        None where no minimiser is within reach: separable classes, no penalty.
        """
        problems = SoftmaxProblems(self, weight)
        end, left = minimise(problems, theta.reshape(1, -1), max_iter=200)
        return end.reshape(theta.shape) if left[0] < np.inf else None

    def moved(self, moves, theta_state, first, weight, left_out=None):
        """Gradients and values after moves of theta, relative to the start.

        Parameters as of `moved_losses`, and ``first``: gradients before the moves,
        (m, C, p).

        Returns
        -------
        gradient : ndarray of shape (m, C, p)
        value : ndarray of shape (m,)
        zeta : ndarray of shape (m,)
            Largest range of logits moved, over rows that are left in.
        """
        change, value, zeta = self.moved_losses(moves, theta_state, weight, left_out)
        gradient = self.penalise(moves)
        value += 0.5 * np.einsum("mcp,mcp->m", gradient, moves)
        value += np.einsum("mcp,mcp->m", first, moves)
        return gradient + change + first, value, zeta


class SoftmaxProblems(Problems):
    """The problem of a `SoftmaxObjective` with some weights."""

    def __init__(self, objective, weight):
        self.objective, self.weight = objective, weight
        self.penalty = objective.penalty_hessian()

    def _theta(self, x):
        return x.reshape(self.objective.n_classes, -1)

    def evaluate(self, which, x):
        gradient, P = self.objective.state(self._theta(x), self.weight)
        return gradient.reshape(1, -1), P[None]

    def step(self, which, x, state):
        gradient, P = state
        hessian = self.objective.hessian(P[0], self.weight) + self.penalty
        return newton_steps(hessian[None], gradient)

    def left(self, which, x, state, step, decrement):
        # On separable data decrements fall as well, but steps are long.
        zeta = np.ptp(self.objective.rows @ self._theta(step).T, axis=1).max()
        return psi2(zeta) * decrement if zeta < 0.1 else np.full(1, np.inf)


def ranges(K):
    """Largest ``|x (e_c - e_d)|`` of each row in the norm of the kernels K."""
    diagonal = np.einsum("mcc->mc", K)
    squared = diagonal[:, :, None] + diagonal[:, None, :] - 2 * K
    return np.sqrt(np.maximum(squared.max(axis=(1, 2), initial=0.0), 0.0))


def largest_range(K):
    """Largest of the `ranges`."""
    return float(ranges(K).max(initial=0.0))
