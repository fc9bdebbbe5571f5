"""Certified influence: how wide the intervals are, and what they cost.

Run ``python benchmarks/bench_certificates.py``. CPU seconds of one thread. A width is
that of the interval of one influence; its size is that of the influence in the middle.
"""

import warnings

import numpy as np
from timing import cpu, restart_single_threaded, table

restart_single_threaded()

from sklearn.datasets import load_breast_cancer, load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence  # noqa: E402

METHODS = {
    "single steps": InfluenceFunctions,
    "leave-one-out": LeaveOneOutInfluence,
}


def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits(a, b):
    X, y = load_digits(return_X_y=True)
    keep = np.isin(y, [a, b])
    return X[keep] / 16, (y[keep] == b).astype(int)


def blobs(n, d):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + 1000, d))
    margin = X @ rng.normal(size=d) / np.sqrt(d)
    return X, (margin + rng.normal(size=len(X)) > 0).astype(int)


def widths(name, X, y, C, test):
    for method, make in METHODS.items():
        fitted = make(LogisticRegression(C=C, max_iter=5000)).fit(X, y)
        seconds, (lower, upper) = cpu(fitted.influence_bounds, X[test], y[test])
        width, size = upper - lower, np.abs(upper + lower) / 2
        yield {
            "data": name,
            "C": C,
            "around": method,
            "width median": f"{np.median(width):.0e}",
            "p99": f"{np.quantile(width, 0.99):.0e}",
            "max": f"{width.max():.0e}",
            "of the size, median": f"{np.median(width / np.maximum(size, 1e-300)):.1e}",
            "sign known": f"{np.mean((lower > 0) | (upper < 0)):.1%}",
            "seconds": f"{seconds:.3f}",
        }


def costs(name, X, y, C, train, test):
    """Seconds of influences and of their bounds, of rows and of random groups."""
    X_test, y_test = X[test], y[test]
    X, y = X[train], y[train]
    n = len(y)
    rng = np.random.default_rng(0)
    groups = {
        "100 random groups of 10": rng.random((100, n)).argsort(axis=1) < 10,
        "100 random groups of 1%": rng.random((100, n)).argsort(axis=1) < n // 100,
        "100 random groups of 10%": rng.random((100, n)).argsort(axis=1) < n // 10,
    }
    loo = LeaveOneOutInfluence(LogisticRegression(C=C, max_iter=5000))
    fit, _ = cpu(loo.fit, X, y)
    influence, _ = cpu(loo.influence, X_test, y_test)
    bounds, (lower, upper) = cpu(loo.influence_bounds, X_test, y_test)
    yield {
        "data": name,
        "what": "each row, fit and influence",
        "influence": f"{fit + influence:.3f} s",
        "bounds": f"{bounds:.3f} s",
        "ratio": f"{bounds / (fit + influence):.2f}",
        "width max": f"{(upper - lower).max():.0e}",
    }
    for what, masks in groups.items():
        influence, _ = cpu(
            lambda m=masks: loo.group_influence(X_test, y_test, groups=m)
        )
        bounds, (lower, upper) = cpu(
            lambda m=masks: loo.group_influence_bounds(X_test, y_test, groups=m)
        )
        yield {
            "data": name,
            "what": what,
            "influence": f"{influence:.3f} s",
            "bounds": f"{bounds:.3f} s",
            "ratio": f"{bounds / influence:.2f}",
            "width max": f"{(upper - lower).max():.0e}",
        }


def main():
    every = slice(0, None, 4)
    rows = []
    for C in (0.01, 1, 100):
        rows += widths("breast_cancer", *breast_cancer(), C, every)
    for pair in ((3, 8), (1, 7), (4, 9)):
        rows += widths(f"digits {pair[0]} v {pair[1]}", *digits(*pair), 1, every)
    table(rows, list(rows[0]))
    print()
    X, y = breast_cancer()
    rows = list(costs("breast_cancer, C=1", X, y, 1, slice(None), every))
    big = blobs(10_000, 50)
    rows += costs("10,000 x 50", *big, 1, slice(0, 10_000), slice(10_000, None))
    table(rows, list(rows[0]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
