"""Exact neighbours' Shapley values against pyDVL's, both sides in this one run.

50,000 training rows of 50 columns. pyDVL's KNNShapleyValuation takes the "hard" game,
of which both must give the same values; its time for 1,000 test rows is that of 20,
times 50. CPU time, one thread, and the peak memory of this process before pyDVL runs.

pyDVL needs an older numpy and therefore its own environment; without it that part is
skipped.

    python -m venv peers && peers/bin/pip install . pyDVL==0.10.0
    peers/bin/python benchmarks/bench_knn_shapley.py [rows]
"""

import resource
import sys

from timing import cpu, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402

from skinfluence import KNNShapley  # noqa: E402

N_TEST, FEW = 1000, 20


def data(n):
    """Training and test rows."""
    X, y = make_classification(n + N_TEST, 50, n_informative=20, random_state=0)
    X = X.astype(np.float32)
    return X[:n], y[:n], X[n:], y[n:]


def peer(X, y, X_test, y_test):
    """Return pyDVL's values."""
    from pydvl.valuation import Dataset, KNNShapleyValuation

    # Its distances are those of the model; brute force is fastest at 50 columns.
    model = KNeighborsClassifier(5, algorithm="brute").fit(X, y)
    valuation = KNNShapleyValuation(model, Dataset(X_test, y_test), progress=False).fit(
        Dataset(X, y)
    )
    values = np.empty(len(X))
    values[valuation.result.indices] = valuation.result.values
    return values


def main(n=50_000):
    """Print one table."""
    X, y, X_test, y_test = data(n)
    knn = KNNShapley(5, utility="hard")
    ours, _ = cpu(lambda: knn.fit(X, y).sample_values(X_test, y_test))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {
        "rows": f"{n:,} x {N_TEST:,}",
        "skinfluence": f"{ours:.2f} s",
        "memory": f"{memory:.2f} GiB",
    }
    try:
        import pydvl  # noqa: F401
    except ImportError:
        print("pyDVL is not installed: pip install pyDVL==0.10.0")
    else:
        few = X_test[:FEW], y_test[:FEW]
        theirs, values = cpu(peer, X, y, *few)
        theirs *= N_TEST / FEW
        row["pyDVL"] = f"{theirs:.0f} s"
        row["ratio"] = f"{theirs / ours:.0f}x"
        row["difference"] = f"{np.abs(values - knn.sample_values(*few)).max():.0e}"
    table([row], list(row))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
