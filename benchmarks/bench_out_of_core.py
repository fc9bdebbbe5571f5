"""Leave-one-out of a logistic regression on a table that does not fit into memory.

A table of float32 numbers is written to a file, block by block, and read as a dask
array. The first part times one pass, the leverages and steps of all rows, beside the
bare Gram product of the same blocks, in rows per second and core. The second part
fits, and computes the mean influence of all rows on 1,000 test rows, with the bound
1e-6 on every linear predictor.

    python benchmarks/bench_out_of_core.py [n_rows ...]
"""

import resource
import sys
import tempfile
import warnings
from pathlib import Path
from time import perf_counter, process_time

import dask
import dask.array as da
import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from timing import restart_single_threaded, table

from skinfluence import LeaveOneOutInfluence

COLUMNS, BLOCK, N_TEST, TOL = 100, 50_000, 1_000, 1e-6


def write(folder, n):
    """Write rows and labels, and return memory maps of them."""
    shape = (n, COLUMNS)
    X = np.memmap(folder / "X", dtype=np.float32, mode="w+", shape=shape)
    y = np.memmap(folder / "y", dtype=np.int8, mode="w+", shape=(n,))
    coefficients = np.random.default_rng(1).normal(size=COLUMNS) / 10
    for start in range(0, n, BLOCK):
        rng = np.random.default_rng(start + 2)
        part = slice(start, min(start + BLOCK, n))
        size = part.stop - start
        X[part] = rng.normal(size=(size, COLUMNS))
        y[part] = rng.random(size) < expit(X[part] @ coefficients)
    X.flush()
    y.flush()
    return X, y


def gram(block):
    """The bare product, in float64."""
    rows = np.asarray(block, dtype=np.float64)
    return rows.T @ rows


def timed(function, *args):
    """Return wall and CPU seconds and the result."""
    wall, cpu = perf_counter(), process_time()
    result = function(*args)
    return perf_counter() - wall, process_time() - cpu, result


def measure(n, folder):
    """Return a row of the table."""
    X, y = write(folder, n)
    X = da.from_array(X, chunks=(BLOCK, COLUMNS), name=False)
    y = da.from_array(y, chunks=BLOCK, name=False)
    rng = np.random.default_rng(0)
    X_test = rng.normal(size=(N_TEST, COLUMNS)).astype(np.float32)
    y_test = rng.integers(2, size=N_TEST)
    products = [dask.delayed(gram)(block) for block in X.to_delayed().ravel()]
    _, bare, _ = timed(lambda: dask.delayed(sum)(products).compute())
    loo = LeaveOneOutInfluence(LogisticRegression(), tol=TOL)
    wall, fitting, _ = timed(loo.fit, X, y)
    one_pass = timed(loo._model._factorise, loo._model.theta, 0)
    leverages = timed(loo._model._moves, loo._model.theta, one_pass[2][2])
    more, asking, values = timed(loo.sample_values, X_test, y_test)
    assert np.isfinite(values).all()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "rows": f"{n:,}",
        "Gram rows/s": f"{n / bare:,.0f}",
        "Newton pass": f"{one_pass[1] / bare:.2f}",
        "leverage pass": f"{leverages[1] / bare:.2f}",
        "fit, CPU s": f"{fitting:.1f}",
        "values, CPU s": f"{asking:.1f}",
        "wall s": f"{wall + more:.1f}",
        "polished": len(loo.polished_rows_),
        "peak GiB": f"{memory:.2f}",
    }


def main():
    """Print the table."""
    sizes = [int(arg) for arg in sys.argv[1:]] or [100_000, 1_000_000]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            rows.append(measure(n, Path(folder)))
            print(rows[-1], flush=True)
    table(rows, list(rows[0]))


if __name__ == "__main__":
    restart_single_threaded()
    warnings.filterwarnings("ignore")
    main()
