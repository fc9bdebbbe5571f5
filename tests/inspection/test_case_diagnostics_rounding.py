"""Diagnostics of a row that is nearly alone, against 50 digits."""

import numpy as np
import pytest
from mpmath import mp
from sklearn.linear_model import Ridge
from truth import fifty_digits

from skinfluence import case_diagnostics

NAMES = {
    "leverage": 1e-14,
    "cooks_distance": 1e-12,
    "dffits": 1e-12,
    "dfbetas": 1e-12,
    "resid_studentized_internal": 1e-8,
    "resid_studentized_external": 1e-8,
}


def table():
    rng = np.random.default_rng(6)
    c = np.r_[np.repeat([0, 1, 2], 8), 3]
    X = np.c_[np.eye(4)[c], rng.normal(size=25)]
    return X, rng.normal(size=25) + c


def diagnostics(X, y, alpha):
    """From their definitions, each row left out in turn."""
    A = fifty_digits.exact_matrix(np.column_stack([X, np.ones(len(X))]))
    y = fifty_digits.exact_matrix(y)
    R = np.diag([mp.mpf(alpha)] * X.shape[1] + [mp.mpf(0)])

    def fit(kept):
        inverse = mp.inverse(mp.matrix(A[kept].T @ A[kept] + R))
        inverse = np.array(inverse.tolist(), dtype=object)
        theta = inverse @ (A[kept].T @ y[kept])
        residual = y[kept] - A[kept] @ theta
        leverage = np.diag(A[kept] @ inverse @ A[kept].T)
        scale = (residual @ residual) / (len(kept) - sum(leverage))
        return theta, inverse, leverage, residual, scale

    everyone = np.arange(len(X))
    theta, inverse, leverage, residual, scale = fit(everyone)
    out = {name: [] for name in NAMES}
    for i in everyone:
        left, _, _, _, without = fit(np.delete(everyone, i))
        moves = A @ (theta - left)
        gap = 1 - leverage[i]
        out["leverage"].append(leverage[i])
        out["cooks_distance"].append((moves @ moves) / (sum(leverage) * scale))
        spread = mp.sqrt(without * (A[i] @ inverse @ A[i]))
        out["dffits"].append(moves[i] / spread)
        errors = np.array([mp.sqrt(without * v) for v in np.diag(inverse)])
        out["dfbetas"].append((theta - left) / errors)
        out["resid_studentized_internal"].append(residual[i] / mp.sqrt(scale * gap))
        out["resid_studentized_external"].append(residual[i] / mp.sqrt(without * gap))
    return {name: np.array(values).astype(float) for name, values in out.items()}


@pytest.mark.parametrize("solver", ["svd", "cholesky"])
@pytest.mark.parametrize("alpha", [1e-12, 1e-8, 1e-4, 1.0])
def test_row_that_is_nearly_alone(alpha, solver):
    X, y = table()
    with mp.workdps(fifty_digits.DIGITS):
        expected = diagnostics(X, y, alpha)
    found = case_diagnostics(Ridge(alpha, solver=solver).fit(X, y), X, y)
    for name, allowed in NAMES.items():
        error = np.abs(found[name] - expected[name]).max()
        assert error <= allowed * np.abs(expected[name]).max(), name


def test_outlier_that_has_all_of_the_variance():
    """The variance without it is not what is left of a sum of squares."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    y[3] = 1e9
    with mp.workdps(fifty_digits.DIGITS):
        expected = diagnostics(X, y, 1.0)["resid_studentized_external"]
    found = case_diagnostics(Ridge(1.0).fit(X, y), X, y)
    assert abs(found.resid_studentized_external[3] / expected[3] - 1) < 1e-6
