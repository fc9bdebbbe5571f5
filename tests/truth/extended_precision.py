"""Refits in long double: Newton's method on scikit-learn's objectives, by definition.

Hessians are float64, gradients long double: the iteration ends at minimisers with the
digits of the gradients. Nothing is centred and nothing is shared with the library.
Many refits, each with weights of its own, are done at once.
"""

import numpy as np

WIDE = np.longdouble
CLIP = WIDE(-np.log(WIDE(np.finfo(float).eps)))


class Logistic:
    """``log(1 + exp(eta)) - y eta``, for y of 0 and 1; the loss is clipped."""

    outputs = 1

    def slope(self, eta, y):
        toward = np.where(y > 0, -1, 1)
        return toward / (1 + np.exp(np.clip(-toward * eta, None, 11000)))

    def curvature(self, eta, y):
        e = np.exp(-np.abs(eta))
        return e / (1 + e) ** 2

    def value(self, eta, y):
        against = np.where(y > 0, -eta, eta)
        return np.maximum(against, 0) + np.log1p(np.exp(-np.abs(against)))

    def loss(self, eta, y):
        return np.minimum(self.value(eta, y), CLIP)


class Squared:
    """Half the squared error; the loss is all of it."""

    def slope(self, eta, y):
        return eta - y

    def curvature(self, eta, y):
        return np.ones_like(eta)

    def value(self, eta, y):
        return (eta - y) ** 2 / 2

    def loss(self, eta, y):
        return (eta - y) ** 2


class Tweedie:
    """Half the unit deviance with log link; the loss is all of it."""

    def __init__(self, power):
        self.power = power

    def slope(self, eta, y):
        return np.exp((2 - self.power) * eta) - y * np.exp((1 - self.power) * eta)

    def curvature(self, eta, y):
        q = WIDE(self.power)
        return (2 - q) * np.exp((2 - q) * eta) + (q - 1) * y * np.exp((1 - q) * eta)

    def value(self, eta, y):
        return self.loss(eta, y) / 2

    def loss(self, eta, y):
        q, mu = WIDE(self.power), np.exp(eta)
        if q == 1:
            logs = np.where(y > 0, np.log(np.where(y > 0, y, 1)) - eta, 0)
            return 2 * (y * logs - y + mu)
        if q == 2:
            return 2 * (eta - np.log(y) + y / mu - 1)
        first = np.where(y > 0, y, 0) ** (2 - q) / ((1 - q) * (2 - q))
        return 2 * (first - y * mu ** (1 - q) / (1 - q) + mu ** (2 - q) / (2 - q))


class SquaredHinge:
    """``max(0, 1 - y eta)^2``, for y of -1 and 1."""

    def slope(self, eta, y):
        return -2 * y * np.maximum(1 - y * eta, 0)

    def curvature(self, eta, y):
        return 2.0 * (1 - y * eta > 0)

    def value(self, eta, y):
        return np.maximum(1 - y * eta, 0) ** 2

    loss = value


def minimisers(X, y, weights, penalties, pointwise, start=None, steps=400, tilt=0.0):
    """Minimise ``sum_j w_j l(x_j'theta, y_j) + theta' R theta / 2 + tilt'theta``, m
    times.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Rows, with a column of ones where there is an intercept.
    weights : ndarray of shape (m, n)
    penalties : ndarray of shape (m, p)
        Diagonals of R.

    Returns
    -------
    theta : ndarray of longdouble, shape (m, p)
    """
    wide, X = X.astype(WIDE), X.astype(float)
    theta = np.zeros((len(weights), X.shape[1]), WIDE)
    if start is not None:
        theta += start
    y, penalties = np.asarray(y, dtype=WIDE), penalties.astype(WIDE)
    active = np.arange(len(weights))
    weights = weights.astype(WIDE)

    def objective(theta, eta, w, R):
        loss = (w * pointwise.value(eta, y)).sum(axis=1)
        return loss + (R * theta**2).sum(axis=1) / 2 + (tilt * theta).sum(axis=1)

    eta = theta @ wide.T
    last = np.full(len(weights), np.inf)
    for _ in range(steps):
        w, R = weights[active], penalties[active]
        here = theta[active]
        gradient = (w * pointwise.slope(eta, y)) @ wide + R * here + tilt
        a = (w * pointwise.curvature(eta, y)).astype(float)
        hessian = np.einsum("mi,ij,ik->mjk", a, X, X, optimize=True)
        hessian[:, np.arange(X.shape[1]), np.arange(X.shape[1])] += R.astype(float)
        step = -np.linalg.solve(hessian, gradient.astype(float)[..., None])[..., 0]
        size = np.abs(step @ X.T).max(axis=1)
        near = np.abs(eta).max(axis=1).astype(float) + 1
        # to the last digits: a step that does not get shorter any more
        done = (size <= 1e-15 * near) & (size >= last[active] / 8)
        done |= size <= 1e-20 * near
        last[active] = np.minimum(last[active], size)
        keep = ~done
        active, here, step, eta = active[keep], here[keep], step[keep], eta[keep]
        if not len(active):
            return theta
        w, R = w[keep], R[keep]
        before = objective(here, eta, w, R)
        slope = (gradient[keep] * step).sum(axis=1)
        length = np.ones(len(active), WIDE)
        careful = size[keep] > 1e-6 * near[keep]
        for _ in range(60):
            trial = here + length[:, None] * step
            new = trial @ wide.T
            worse = careful & ~(
                objective(trial, new, w, R)
                <= before + 1e-4 * length * slope + 1e-17 * np.abs(before)
            )
            if not worse.any():
                break
            length[worse] /= 2
        theta[active], eta = trial, new
    raise AssertionError(f"{len(active)} refits have not converged: {size}")


def influences(pointwise, X, y, weight, penalty, sets, X_test, y_test, mass=None):
    """Loss without each set minus with all rows, in long double, (n_test, n_sets).

    ``mass``: where the penalty is proportional to the sum of these over the rows.
    """
    masks = np.zeros((len(sets) + 1, len(X)), dtype=bool)
    for i, rows in enumerate(sets):
        masks[i, rows] = True
    weights = np.where(masks, 0.0, weight)
    penalties = np.tile(np.asarray(penalty, dtype=WIDE), (len(masks), 1))
    if mass is not None:
        left = np.where(masks, WIDE(0), WIDE(1) * mass).sum(axis=1) / WIDE(np.sum(mass))
        penalties *= left[:, None]
    whole = minimisers(X, y, weights[-1:], penalties[-1:], pointwise)
    out = [whole]
    for start in range(0, len(sets), 128):
        part = slice(start, min(start + 128, len(sets)))
        args = X, y, weights[part], penalties[part], pointwise
        out.append(minimisers(*args, start=whole))
    theta = np.concatenate(out[1:])
    raw = X_test.astype(WIDE) @ theta.T
    before = X_test.astype(WIDE) @ whole[0]
    y_test = np.asarray(y_test, dtype=WIDE)[:, None]
    return pointwise.loss(raw, y_test) - pointwise.loss(before[:, None], y_test)


def solve(hessian, gradient):
    """Solve a positive definite system, in long double by elimination."""
    if hessian.dtype == float:
        return np.linalg.solve(hessian, gradient)
    A = np.column_stack([hessian, gradient])
    for j in range(len(A)):
        A[j] /= A[j, j]
        others = np.arange(len(A)) != j
        A[others] -= np.outer(A[others, j], A[j])
    return A[:, -1]


def softmax_minimisers(X, labels, weights, penalty, start=None, steps=200):
    """As `minimisers`, of the multinomial log loss; (m, C, p), summing to zero.

    Where R is zero a shift common to all classes is free: it is fixed by a penalty on
    the sum over classes, which is zero at the minimum.
    """
    wide, C = X.astype(WIDE), labels.max() + 1
    truth = np.eye(C, dtype=WIDE)[labels]
    p, m = X.shape[1], len(weights)
    theta = np.zeros((m, C, p), WIDE) + (0 if start is None else start)
    penalty = np.asarray(penalty, dtype=WIDE)
    tie = np.where(penalty == 0, WIDE(len(X)), WIDE(0))
    R = np.kron(np.eye(C), np.diag(penalty.astype(float)))
    R += np.kron(np.ones((C, C)), np.diag(tie.astype(float)))

    def probabilities(logits):
        e = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def objective(theta, logits, w):
        top = logits.max(axis=-1)
        loss = np.log(np.exp(logits - top[..., None]).sum(axis=-1)) + top
        loss -= (logits * truth).sum(axis=-1)
        total = theta.sum(axis=1)
        return (
            (w * loss).sum(axis=1)
            + (penalty * theta**2).sum(axis=(1, 2)) / 2
            + (tie * total**2).sum(axis=1) / 2
        )

    for k in range(m):  # one after the other: Hessians are large
        w, last, precise = weights[k : k + 1].astype(WIDE), np.inf, False
        here = theta[k : k + 1]
        logits = np.einsum("np,mcp->mnc", wide, here)
        for _ in range(steps):
            P = probabilities(logits)
            others = P @ (1 - np.eye(C, dtype=WIDE))  # 1 - p to all digits
            pull = w[..., None] * np.where(truth > 0, -others, P)
            gradient = np.einsum("mnc,np->mcp", pull, wide) + penalty * here
            gradient += (tie * here.sum(axis=1))[:, None]
            kind = WIDE if precise else float
            hessian = R.astype(kind)
            for c in range(C):
                for e in range(C):  # 1 - p as a sum: it may be tiny
                    other = np.delete(P[0], c, axis=1).sum(axis=1)
                    a = w[0] * P[0, :, c] * (other if c == e else -P[0, :, e])
                    block = np.ix_(range(c * p, c * p + p), range(e * p, e * p + p))
                    hessian[block] += X.T @ (a.astype(kind)[:, None] * X)
            step = -solve(hessian, gradient.astype(kind).ravel()).reshape(1, C, p)
            size = np.abs(np.einsum("np,mcp->mnc", X, step)).max()
            near = float(np.abs(logits).max()) + 1
            if size <= 1e-20 * near or (size <= 1e-15 * near and size >= last / 8):
                break
            # double has told what it can of a Hessian
            precise = precise or (size <= 1e-6 * near and size >= last / 8)
            last = min(last, size)
            before = objective(here, logits, w)
            slope, length = (gradient * step).sum(), WIDE(1)
            for _ in range(60):
                trial = here + length * step
                new = np.einsum("np,mcp->mnc", wide, trial)
                limit = before + 1e-4 * length * slope + 1e-17 * np.abs(before)
                if size <= 1e-6 * near or (objective(trial, new, w) <= limit).all():
                    break
                length /= 2
            here, logits = trial, new
        else:
            raise AssertionError(f"a refit has not converged: {size}, {near}")
        theta[k] = here[0]
    return theta


def softmax_losses(X_test, labels_test, theta):
    """Clipped log losses of coefficients (m, C, p), shape (n_test, m)."""
    logits = np.einsum("np,mcp->nmc", X_test.astype(WIDE), theta)
    own = np.take_along_axis(logits, labels_test[:, None, None], axis=2)
    others = labels_test[:, None, None] != np.arange(logits.shape[2])
    apart = np.where(others, logits - own, -np.inf)
    top = np.maximum(apart.max(axis=2), 0)
    rest = np.exp(apart - top[..., None]).sum(axis=2)
    # log(e^0 + sum of the others' e^apart), to all digits where they are small
    loss = np.where(top > 0, top + np.log(np.exp(-top) + rest), np.log1p(rest))
    return np.minimum(loss, CLIP)


def softmax_influences(X, labels, weight, penalty, sets, X_test, labels_test):
    """As `influences`, of the multinomial log loss."""
    masks = np.zeros((len(sets) + 1, len(X)), dtype=bool)
    for i, rows in enumerate(sets):
        masks[i, rows] = True
    weights = np.where(masks, 0.0, weight)
    whole = softmax_minimisers(X, labels, weights[-1:], penalty)
    theta = softmax_minimisers(X, labels, weights[:-1], penalty, whole[0])

    args = X_test, labels_test
    return softmax_losses(*args, theta) - softmax_losses(*args, whole)
