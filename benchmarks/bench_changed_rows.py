"""Rows added to a fitted estimator, and removed, against a fit to the changed table.

One percent of the rows. CPU seconds of one thread, both sides interleaved in this one
run, medians of three. "values" is ``sample_values`` for the test rows, which the last
two columns include: what leave-one-out computes for single rows changes with any row,
and is computed in that query. For KNNShapley a fit is one together with the values of
its ``X_val``, and the first change, which sorts the distances once more, is not timed.

    python benchmarks/bench_changed_rows.py [rows] [columns] [test rows]
"""

import sys

from timing import cpu, median, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
from sklearn.linear_model import (  # noqa: E402
    LinearRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.naive_bayes import (  # noqa: E402
    BernoulliNB,
    ComplementNB,
    GaussianNB,
    MultinomialNB,
)

from skinfluence import KNNShapley, LeaveOneOutInfluence  # noqa: E402

REPEATS = 3
COUNTS = MultinomialNB, BernoulliNB, ComplementNB


def data(n, d, n_test, estimator):
    """Rows, targets, and test rows with theirs, for n rows and one percent more."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + n // 100 + n_test, d))
    y = X @ rng.normal(size=d) + rng.normal(size=len(X))
    if isinstance(estimator, COUNTS):
        X = np.floor(np.abs(3 * X))
    if not isinstance(estimator, LinearRegression | Ridge):
        y = (y > 0).astype(int)
    return X[:-n_test], y[:-n_test], (X[-n_test:], y[-n_test:])


def compare(method, X, y, test, few):
    """Return a row of the table."""
    knn = isinstance(method, KNNShapley)
    validation, asked = (test, ()) if knn else ((), test)
    changed = type(method)(**method.get_params(deep=False))
    changed.fit(X[:-few], y[:-few], *validation)
    changed.add_rows(X[-few:], y[-few:])
    changed.sample_values(*asked)
    times = {name: [] for name in ("fit", "values", "add", "remove", "values after")}
    for _ in range(REPEATS):
        times["fit"].append(cpu(lambda: method.fit(X, y, *validation))[0])
        seconds, expected = cpu(method.sample_values, *asked)
        times["values"].append(seconds)
        gone = np.arange(len(y) - few, len(y))
        times["remove"].append(cpu(changed.remove_rows, gone)[0])
        times["add"].append(cpu(changed.add_rows, X[-few:], y[-few:])[0])
        seconds, found = cpu(changed.sample_values, *asked)
        times["values after"].append(seconds)
    seconds = {name: median(values) for name, values in times.items()}
    whole = seconds["fit"] + seconds["values"]
    fit = whole if knn else seconds["fit"]
    again = seconds["add"] + seconds["values after"]
    error = np.abs(found - expected).max() / np.abs(expected).max()
    return {
        "model": type(method if knn else method.estimator).__name__,
        "fit": f"{fit:.3f} s",
        "add 1%": f"{seconds['add'] / fit:.1%}",
        "remove 1%": f"{seconds['remove'] / fit:.1%}",
        "fit + values": f"{whole:.3f} s",
        "add + values": f"{again / whole:.0%}",
        "difference": f"{error:.0e}",
    }


def main(n=50_000, d=100, n_test=200):
    """Print one table."""
    estimators = [LinearRegression(), Ridge(), RidgeClassifier(), GaussianNB()]
    estimators += [kind() for kind in COUNTS]
    methods = [(LeaveOneOutInfluence(e), e) for e in estimators]
    methods.append((KNNShapley(), None))
    rows = []
    for method, estimator in methods:
        X, y, test = data(n, d, n_test, estimator)
        rows.append(compare(method, X, y, test, n // 100))
    print(f"{n:,} rows of {d} columns, {n_test} test rows")
    table(rows, list(rows[0]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
