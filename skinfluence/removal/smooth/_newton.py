r"""Many small convex problems at once: Newton's method on batches.

Each problem is ``sum_j w_j l(eta_j + z_j'u) + penalty(u)``, with its own weights w
(zero for removed rows). Damping needs no line search: where the full step has not
overshot the minimum along its own direction it is taken, else the step
``log(1 + d) / d`` with ``d = M max_j |z_j' step|``, which decreases any function with
``|l'''| <= M l''`` (Sun & Tran-Dinh, Math. Prog. 2019).
"""

import numpy as np

_CHUNK = 2**21  # doubles in a temporary of products of columns


def pair_products(Z):
    """Products z_a z_b, a <= b, of every row, shape (n, p (p + 1) / 2)."""
    n, p = Z.shape
    out = np.empty((n, p * (p + 1) // 2))
    start = 0
    for a in range(p):
        np.multiply(Z[:, a : a + 1], Z[:, a:], out=out[:, start : start + p - a])
        start += p - a
    return out


def row_chunks(n, width):
    """Slices of rows such that a chunk of ``width`` columns stays small."""
    size = max(16, _CHUNK // max(width, 1))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def hessians(Z, A, products=None):
    """``sum_j A[k, j] z_j z_j'`` for every problem k, shape (k, p, p).

    ``products`` are the `pair_products` of Z, where they are kept between calls.
    """
    k, p = A.shape[0], Z.shape[1]
    if k < 8:  # building the products would cost more than it saves
        out = np.zeros((k, p, p))
        for rows in row_chunks(len(Z), p):
            for i, a in enumerate(A[:, rows]):
                # a matrix times its own transpose costs half
                scaled = Z[rows] * np.sqrt(a)[:, None]
                out[i] += scaled.T @ scaled
        return out
    if products is not None:
        pairs = A @ products
    else:
        pairs = np.zeros((k, p * (p + 1) // 2))
        for rows in row_chunks(len(Z), pairs.shape[1]):
            pairs += A[:, rows] @ pair_products(Z[rows])
    upper = np.triu_indices(p)
    out = np.empty((k, p, p))
    out[:, upper[0], upper[1]] = pairs
    out[:, upper[1], upper[0]] = pairs
    return out


def minimise_each(
    Z, eta, y, weights, pointwise, penalty, pull, u, tol=1e-13, max_iter=100
):
    """Minimise k problems by damped Newton steps.

    Parameters
    ----------
    Z : ndarray of shape (n, p)
        Rows.
    eta, y : ndarray of shape (n,)
        Linear predictor at u = 0, targets.
    weights : ndarray of shape (k, n)
        Weights of the rows in each problem.
    pointwise : object
        Loss, see `_pointwise`.
    penalty : ndarray of shape (k, p, p)
        Hessian of each penalty (leading axis 1 if shared).
    pull : ndarray of shape (k, p)
        Gradient of each penalty at u = 0.
    u : ndarray of shape (k, p)
        Starting points.
    tol : float, default=1e-13
        Newton decrement at which a problem is done.
    max_iter : int, default=100
        Steps after which a problem is given up.

    Returns
    -------
    u : ndarray of shape (k, p)
        Minimisers.
    converged : ndarray of bool, shape (k,)
        False where there is no finite minimiser, or none was reached.
    """
    u = u.copy()
    k, p = u.shape
    penalty = np.broadcast_to(penalty, (k, p, p))
    converged = np.zeros(k, dtype=bool)
    active = np.arange(k)
    best = np.full(k, np.inf)
    T = u @ Z.T
    small = k >= 8 and len(Z) * p * (p + 1) // 2 <= _CHUNK
    products = pair_products(Z) if small else None

    def gradient(index, v, moved):
        with np.errstate(over="ignore", invalid="ignore"):
            slope = weights[index] * pointwise.slope(eta + moved, y)
            return slope @ Z + pull[index] + np.einsum("kab,kb->ka", penalty[index], v)

    grad = gradient(active, u, T)
    for _ in range(max_iter):
        with np.errstate(over="ignore", invalid="ignore"):
            A = weights[active] * pointwise.curvature(eta + T, y)
        hessian = hessians(Z, A, products) + penalty[active]
        step, usable = _solve(hessian, grad)
        decrement = np.sqrt(np.maximum(-(step * grad).sum(axis=1), 0.0))
        # Rounding stops the decrement from falling further: that is converged too.
        stalled = (decrement < 1e-9) & (decrement >= best[active] / 2)
        best[active] = np.minimum(best[active], decrement)
        reach = step @ Z.T
        # Towards an infimum at infinity decrements vanish as well, but not steps.
        near = pointwise.M * np.abs(reach).max(axis=1, initial=0.0) < 0.1
        done = usable & near & ((decrement <= tol) | stalled)
        converged[active[done]] = True
        keep = usable & ~done
        active, step, reach = active[keep], step[keep], reach[keep]
        grad, T = grad[keep], T[keep]
        if not len(active):
            break
        base = u[active]
        trial = base + step
        trial_grad = gradient(active, trial, T + reach)
        with np.errstate(invalid="ignore", over="ignore"):
            overshot = ~(
                (trial_grad * step).sum(axis=1) <= -0.1 * (grad * step).sum(axis=1)
            )
        factor = np.ones(len(active))
        if overshot.any():
            d = pointwise.M * np.abs(reach[overshot]).max(axis=1)
            factor[overshot] = np.log1p(d) / np.maximum(d, 1e-300)
            trial[overshot] = base[overshot] + factor[overshot, None] * step[overshot]
        T = T + factor[:, None] * reach
        u[active] = trial
        if overshot.any():
            trial_grad[overshot] = gradient(
                active[overshot], trial[overshot], T[overshot]
            )
        grad = trial_grad
    return u, converged


def _solve(H, grad):
    """Newton steps ``-H^{-1} grad``, and which Hessians were positive definite."""
    usable = np.isfinite(H).all(axis=(1, 2)) & np.isfinite(grad).all(axis=1)
    step = np.zeros_like(grad)
    index = np.flatnonzero(usable)
    try:
        np.linalg.cholesky(H[index])
    except np.linalg.LinAlgError:
        for i in index:
            try:
                np.linalg.cholesky(H[i])
            except np.linalg.LinAlgError:
                usable[i] = False
        index = np.flatnonzero(usable)
    try:
        step[index] = -np.linalg.solve(H[index], grad[index][..., None])[..., 0]
    except np.linalg.LinAlgError:  # underflow, on the way to a minimum at infinity
        for i in index:
            try:
                step[i] = -np.linalg.solve(H[i], grad[i])
            except np.linalg.LinAlgError:
                usable[i] = False
    return step, usable
