"""Influence on training sets of extreme shapes: CPU time and peak memory.

Each case runs in a separate process, so that its peak memory can be measured. Columns:
seconds of scikit-learn's fit alone, of the fit of the influence estimator (scikit-
learn's within), of ``sample_values`` on the test rows, and the largest resident set,
training data included.

    python benchmarks/bench_shapes.py [--large] [--exact]

``--large`` adds 1,000,000 x 100 and sparse 20,000 x 50,000; ``--exact`` exact
leave-one-out on them (minutes, and 20 on the sparse ones).
"""

import argparse
import json
import resource
import subprocess
import sys

from timing import cpu, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
import scipy.sparse as sp  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence  # noqa: E402

COLUMNS = ["rows", "model", "method", "tests", "sklearn", "fit", "values", "peak"]
SMALL = [
    ("gaussian", 100_000, 50, "logistic", 1000),
    ("gaussian", 300, 5000, "logistic", 100),
    ("gaussian", 300, 5000, "ridge", 100),
    ("text", 2000, 20_000, "logistic", 200),
    ("text", 5000, 20_000, "logistic", 200),
    ("text", 5000, 20_000, "ridge", 200),
]
LARGE = [
    ("gaussian", 1_000_000, 100, "logistic", 1000),
    ("text", 20_000, 50_000, "logistic", 1000),
]
METHODS = ["infinitesimal", "newton", "exact"]


def gaussian(n, d, rng):
    """Dense gaussian rows and a linear signal."""
    X = rng.standard_normal((n, d))
    return X, X @ rng.standard_normal(d) * 2 / np.sqrt(d)


def text(n, d, rng, words=50):
    """TF-IDF of documents with words of Zipf's frequencies, and a linear signal."""
    frequency = 1 / (np.arange(d) + 10.0)
    columns = rng.choice(d, size=(n, words), p=frequency / frequency.sum())
    where = np.repeat(np.arange(n), words), columns.ravel()
    X = sp.csr_array((np.ones(n * words), where), shape=(n, d))
    X.sum_duplicates()
    rarity = 1 + np.log(n / np.maximum(1, np.bincount(X.indices, minlength=d)))
    X.data = (1 + np.log(X.data)) * rarity[X.indices]
    X = sp.csr_array(sp.diags_array(1 / np.sqrt(X.multiply(X).sum(axis=1))) @ X)
    return X, X @ rng.standard_normal(d) * 4


def run(kind, n, d, model, n_test, method):
    """Measure one case in this process."""
    rng = np.random.default_rng(0)
    X, signal = {"gaussian": gaussian, "text": text}[kind](n + n_test, d, rng)
    if model == "logistic":
        estimator = LogisticRegression()
        y = (rng.random(len(signal)) < 1 / (1 + np.exp(-signal))).astype(int)
    else:
        estimator, y = Ridge(), signal + rng.standard_normal(len(signal))
    X, X_test, y, y_test = X[:n], X[n:], y[:n], y[n:]
    alone, _ = cpu(clone(estimator).fit, X, y)
    if method == "exact":
        influence = LeaveOneOutInfluence(estimator, solver="exact")
    else:
        influence = InfluenceFunctions(estimator, step=method)
    fit, _ = cpu(influence.fit, X, y)
    values, _ = cpu(influence.sample_values, X_test, y_test)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {
        "rows": f"{kind} {n:,} x {d:,}",
        "model": model,
        "method": method,
        "tests": n_test,
        "sklearn": f"{alone:.3g} s",
        "fit": f"{fit:.3g} s",
        "values": f"{values:.3g} s",
        "peak": f"{peak:.2f} GiB",
    }
    print(json.dumps(row))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="million rows, wide text")
    parser.add_argument("--exact", action="store_true", help="exact on those as well")
    parser.add_argument("--case", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        kind, n, d, model, n_test, method = arguments.case
        run(kind, int(n), int(d), model, int(n_test), method)
        sys.exit()
    results = []
    cases = [(*case, method) for case in SMALL for method in METHODS]
    if arguments.large or arguments.exact:
        methods = METHODS[: 3 if arguments.exact else 2]
        cases += [(*case, method) for case in LARGE for method in methods]
    for case in cases:
        command = [sys.executable, "-W", "ignore", __file__, "--case"]
        output = subprocess.run(
            command + [str(part) for part in case],
            check=True,
            capture_output=True,
            text=True,
        )
        print(output.stdout.strip(), flush=True)
        results.append(json.loads(output.stdout))
    print()
    table(results, COLUMNS)
