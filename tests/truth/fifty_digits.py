"""Ridge regression without rows in 50 digits, and what scikit-learn's solvers reach."""

import numpy as np
from mpmath import lu_solve, mp
from sklearn.base import clone

DIGITS = 50
SOLVERS = {"svd": {}, "cholesky": {}, "lsqr": {"tol": 1e-15}}


def exact_matrix(X):
    """Floats as multi-precision numbers, in an object array."""
    return np.vectorize(mp.mpf, otypes=[object])(np.asarray(X, dtype=float))


def scaled(X, kept):
    """Columns with the variance of the kept rows made one, constant ones left."""
    out = X.copy()
    for j in range(X.shape[1]):
        mean = sum(X[kept, j]) / len(kept)
        variance = sum((X[kept, j] - mean) ** 2) / len(kept)
        out[:, j] = (X[:, j] - mean) / (mp.sqrt(variance) if variance > 0 else 1)
    return out


def solve(X, Y, weight, alpha, intercept=True):
    """Coefficients, the intercept last, of the weighted ridge problem."""
    penalty = [mp.mpf(alpha)] * X.shape[1]
    if intercept:
        X = np.column_stack([X, exact_matrix(np.ones(len(X)))])
        penalty.append(mp.mpf(0))
    hessian = X.T @ (weight[:, None] * X) + np.diag(penalty)
    moment = X.T @ (weight[:, None] * Y)
    return [lu_solve(mp.matrix(hessian), mp.matrix(m)) for m in moment.T]


def losses(X, Y, weight, alpha, X_test, Y_test, kept, intercept, rescale):
    """Squared errors of all test rows, summed over outputs."""
    both = np.concatenate([X, X_test])
    if rescale:
        both = scaled(both, kept)
    theta = solve(both[kept], Y[kept], weight[kept], alpha, intercept)
    out = 0
    for k, t in enumerate(theta):
        t = np.array(list(t), dtype=object)
        raw = both[len(X) :] @ t[: X.shape[1]] + (t[-1] if intercept else 0)
        out = out + (Y_test[:, k] - raw) ** 2
    return out


def influence(
    X, Y, alpha, X_test, Y_test, sets, weight=None, intercept=True, rescale=False
):
    """Summed squared error without minus with each set, rounded once, at the end."""
    n = len(X)
    with mp.workdps(DIGITS):
        weight = exact_matrix(np.ones(n) if weight is None else weight)
        X, Y, X_test, Y_test = map(exact_matrix, (X, Y, X_test, Y_test))
        args = X, Y, weight, alpha, X_test, Y_test
        everyone = np.arange(n)
        whole = losses(*args, everyone, intercept, rescale)
        out = [
            losses(*args, np.setdiff1d(everyone, s), intercept, rescale) - whole
            for s in sets
        ]
        return np.array(out).T.astype(float)


def best_of_scikit_learn(build, fit, predict, X_test, Y_test, truth, sets, n):
    """Smallest error that any solver of scikit-learn makes by refits.

    ``build(solver, **options)`` makes an estimator, ``fit(estimator, kept)`` trains
    it, ``predict(estimator, X_test)`` has the shape of ``Y_test``.
    """
    errors = []
    for solver, options in SOLVERS.items():
        estimator = build(solver, **options)
        everyone, found = np.arange(n), []
        for gone in [[], *sets]:
            model = fit(clone(estimator), np.setdiff1d(everyone, gone))
            found.append(((predict(model, X_test) - Y_test) ** 2).sum(axis=1))
        found = [loss - found[0] for loss in found[1:]]
        errors.append(np.abs(np.array(found).T - truth).max())
    return min(errors)
