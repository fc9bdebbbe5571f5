"""Logistic regression whose penalty decides all but alone, against 50 digits.

Where classes are separable, or are without one row, and C is large, probabilities are
within 1/C of 0 and 1: one minus a probability must be known to its own digits.
"""

import numpy as np
import pytest
from mpmath import lu_solve, mp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from truth import fifty_digits

from skinfluence.removal import removal_model

ROWS = [0, 3, 8, 15]


def table(separable):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((16, 2))
    y = (X[:, 0] > 0).astype(int)
    if not separable:  # but without this row
        y[X[:, 0].argmax()] = 0
    return X, y


def optimum(A, y, C, start):
    """Coefficients, the intercept last and free, by damped Newton steps."""
    R = np.array([1 / mp.mpf(C)] * (A.shape[1] - 1) + [mp.mpf(0)])
    theta = fifty_digits.exact_matrix(start)
    for _ in range(400):
        p = np.array([1 / (1 + mp.exp(-v)) for v in A @ theta])
        hessian = A.T @ ((p * (1 - p))[:, None] * A) + np.diag(R)
        gradient = A.T @ (p - y) + R * theta
        step = np.array(list(lu_solve(mp.matrix(hessian), mp.matrix(gradient))))
        reach = max(abs(A @ step))
        theta = theta - step * (mp.log(1 + reach) / reach if reach > 0.5 else 1)
        if reach < mp.mpf(10) ** -25:
            return theta
    raise AssertionError("Newton's method did not converge.")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("C", [1e6, 1e10, 1e14])
def test_predictors_are_within_the_tolerance(C, separable):
    X, y = table(separable)
    rows = sorted({*ROWS, int(X[:, 0].argmax())})
    estimator = LogisticRegression(C=C, solver="newton-cholesky", max_iter=10_000)
    model = removal_model(estimator.set_params(tol=1e-10).fit(X, y), X, y)
    single = model.exact()
    sets = model.exact(masks=np.arange(16) == np.array(rows)[:, None])
    assert len(single.unresolved) == len(sets.unresolved) == 0
    raw, state = single.prepare(X)
    moves = single.moves(state, slice(0, 16))[:, rows, 0]
    of_sets = sets.moves(sets.prepare(X)[1], slice(0, len(rows)))[:, :, 0]
    with mp.workdps(fifty_digits.DIGITS):
        A = fifty_digits.exact_matrix(np.column_stack([X, np.ones(16)]))
        target = fifty_digits.exact_matrix(y)
        theta = optimum(A, target, C, np.append(estimator.coef_, estimator.intercept_))
        full, expected = A @ theta, []
        for row in rows:
            kept = np.delete(np.arange(16), row)
            expected.append(A @ optimum(A[kept], target[kept], C, theta) - full)
        expected, full = np.array(expected).T.astype(float), full.astype(float)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(raw[:, 0], full, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(moves, expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(of_sets, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("intercept", [-1000.0, -175.0, -60.0, 20.0, 300.0])
def test_unfinished_fits_far_from_the_optimum(intercept):
    """The optimum does not depend on where stochastic descent has stopped."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = (np.arange(40) == 0).astype(int)
    model = SGDClassifier(loss="log_loss", alpha=1e-2, random_state=0).fit(X, y)
    model.coef_[:], model.intercept_[:] = [-31.0, -10.0, -17.6], intercept
    with pytest.warns(ConvergenceWarning, match="stopped early"):
        theta = removal_model(model, X, y).theta[0]
    # The same objective: C = 1 / (n alpha).
    same = LogisticRegression(C=1 / 0.4, solver="newton-cholesky", tol=1e-12)
    same.fit(X, y)
    # The intercept is that of centred columns.
    np.testing.assert_allclose(theta[:3], same.coef_[0], rtol=1e-6)
