"""Linear models with kinks against retraining n times.

As in ``bench_leave_one_out.py``: CPU time of ``LeaveOneOutInfluence.fit`` and the whole
influence matrix; n refits plus predictions, from the median of a sample of them, with
scikit-learn's default and with a tight tolerance; the largest difference of an
influence from the tight refits (that of the refits for Huber: L-BFGS stops early).

    python benchmarks/bench_kinks.py
"""

import warnings

from timing import restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
from bench_leave_one_out import case, gaussian, split  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes  # noqa: E402
from sklearn.linear_model import (  # noqa: E402
    ElasticNet,
    HuberRegressor,
    Lasso,
    LogisticRegression,
)
from sklearn.svm import LinearSVR  # noqa: E402

COLUMNS = ["case", "exact", "sample", "default", "tight", "error"]


def sparse(n, d, used, n_test=1000):
    """Gaussian rows of which few columns matter, noise of three times their size."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_test, d))
    y = X[:, :used] @ rng.standard_normal(used) + 3 * rng.standard_normal(n + n_test)
    return X[:n], X[n:], y[:n], y[n:]


def heavy(n, d):
    """Gaussian rows, targets with outliers."""
    X, X_test, y, y_test = gaussian(n, d, kind="regression")
    noise = np.random.default_rng(1).standard_t(2, n)
    return X, X_test, y + noise, y_test


def cases():
    """Yield the rows of the table, one after the other."""
    diabetes, cancer = split(load_diabetes), split(load_breast_cancer)
    wide = sparse(5000, 200, 50)
    huber, tube = HuberRegressor(), LinearSVR(loss="squared_epsilon_insensitive")
    tube.set_params(epsilon=0.5, dual="auto")
    saga = LogisticRegression(C=0.1, l1_ratio=0.5, solver="saga", random_state=0)
    descent = {"tol": 1e-12, "max_iter": 100_000}
    for name, data, default, tight, sample in (
        ("Lasso diabetes", diabetes, Lasso(), descent, 60),
        ("Lasso 5,000 x 200, 49 used", wide, Lasso(0.1), descent, 12),
        ("Lasso 5,000 x 200, 145 used", wide, Lasso(0.02), descent, 12),
        ("ElasticNet diabetes", diabetes, ElasticNet(), descent, 60),
        (
            "ElasticNet 5,000 x 200, 184 used",
            wide,
            ElasticNet(0.05, l1_ratio=0.1),
            descent,
            12,
        ),
        ("Huber diabetes", diabetes, huber, {"tol": 1e-10, "max_iter": 10_000}, 30),
        (
            "Huber 10,000 x 50",
            heavy(10_000, 50),
            huber,
            {"tol": 1e-10, "max_iter": 10_000},
            6,
        ),
        ("LinearSVR diabetes", diabetes, tube, {"tol": 1e-10, "max_iter": 10**6}, 30),
        (
            "LinearSVR 5,000 x 50",
            gaussian(5000, 50, kind="regression"),
            tube,
            {"tol": 1e-10, "max_iter": 10**6},
            6,
        ),
        (
            "L1 logistic (liblinear) breast_cancer C=0.1",
            cancer,
            LogisticRegression(C=0.1, l1_ratio=1, solver="liblinear", random_state=0),
            {"tol": 1e-10, "max_iter": 10**6},
            30,
        ),
        (
            "L1 logistic (liblinear) breast_cancer C=1",
            cancer,
            LogisticRegression(C=1.0, l1_ratio=1, solver="liblinear", random_state=0),
            {"tol": 1e-10, "max_iter": 10**6},
            30,
        ),
        (
            "elastic net logistic (saga) breast_cancer C=0.1",
            cancer,
            saga,
            {"tol": 1e-7, "max_iter": 100_000},
            6,
        ),
    ):
        tight = clone(default).set_params(**tight)
        yield case(name, data, default, tight, sample=sample)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # defaults do not converge everywhere
    results = []
    for result in cases():
        results.append(result)
        print(result, flush=True)
    print("\nratios: CPU time of n refits over that of the exact whole matrix\n")
    table(results, COLUMNS)
