"""Leave-one-out of a logistic regression on a table that does not fit into memory.

The mean influence of all rows on 1,000 test rows, with the bound 1e-6 on every linear
predictor. CPU seconds, and rows per second and core beside the bare Gram product of the
same blocks; the most memory is that of the process without pages of files, above what
it has before. First a table of float32 numbers in a memory map, then tables that are
generated block by block, of a growing number of rows, and the exponent of their growth.

    python benchmarks/bench_out_of_core.py [rows of the map] [rows of the others ...]
"""

import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import dask
import dask.array as da
import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from timing import table

from skinfluence import LeaveOneOutInfluence

COLUMNS, BLOCK, N_TEST, TOL = 100, 50_000, 1_000, 1e-6
COEFFICIENTS = np.random.default_rng(1).normal(size=COLUMNS) / 10


def generated(start, size):
    """Return rows and labels of one block."""
    rng = np.random.default_rng(start + 2)
    X = rng.standard_normal((size, COLUMNS), dtype=np.float32)
    return X, (rng.random(size) < expit(X @ COEFFICIENTS)).astype(np.int8)


def spans(n):
    """Yield the start and size of each block."""
    for start in range(0, n, BLOCK):
        yield start, min(BLOCK, n - start)


def mapped(n, folder):
    """Write a table, and return it as dask arrays of blocks of memory maps.

    Each block opens its own map: ``dask.array.from_array`` copies what it is given.
    """
    names = folder / "X", folder / "y"
    with names[0].open("wb") as rows, names[1].open("wb") as labels:
        for span in spans(n):
            X, y = generated(*span)
            X.tofile(rows)
            y.tofile(labels)

    def read(start, size):
        X = np.memmap(
            names[0], np.float32, "r", 4 * COLUMNS * start, shape=(size, COLUMNS)
        )
        return X, np.memmap(names[1], np.int8, "r", start, shape=(size,))

    return lazy(n, read)


def lazy(n, read=generated):
    """Return a table as dask arrays of blocks that are made for every pass."""
    make = dask.delayed(read, nout=2, pure=False)
    X, y = [], []
    for start, size in spans(n):
        rows, labels = make(start, size)
        X.append(da.from_delayed(rows, (size, COLUMNS), np.float32))
        y.append(da.from_delayed(labels, (size,), np.int8))
    return da.concatenate(X), da.concatenate(y)


def gram(block):
    """The bare product, in float64."""
    rows = np.asarray(block, dtype=np.float64)
    return rows.T @ rows


def anonymous():
    """Return the resident memory that is no page of a file, in GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon")]
    return int(line.split()[1]) / 2**20


class Peak:
    """The most resident memory within a with statement, looked up 20 times a second."""

    def __enter__(self):
        self.least = self.most = anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._done.wait(0.05):
            self.most = max(self.most, anonymous())

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()


def timed(function, *args):
    """Return wall and CPU seconds and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*args)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def measure(n, X, y):
    """Return a row of the table."""
    rng = np.random.default_rng(0)
    X_test = rng.normal(size=(N_TEST, COLUMNS)).astype(np.float32)
    y_test = rng.integers(2, size=N_TEST)
    products = [dask.delayed(gram)(block) for block in X.to_delayed().ravel()]
    _, bare, _ = timed(lambda: dask.delayed(sum)(products).compute())
    loo = LeaveOneOutInfluence(LogisticRegression(), tol=TOL)
    with Peak() as peak:
        wall, fitting, _ = timed(loo.fit, X, y)
        more, asking, values = timed(loo.sample_values, X_test, y_test)
    assert np.isfinite(values).all()
    model = loo._model
    state = model.problem, model.theta, model.penalty()
    _, newton, found = timed(model.factorise, *state)
    _, leverages, _ = timed(lambda: model.moves(*state[:2], found[1], gap=True))
    return {
        "rows": f"{n:,}",
        "Gram rows/s": f"{n / bare:,.0f}",
        "Newton pass": f"{newton / bare:.2f}",
        "leverage pass": f"{leverages / bare:.2f}",
        "fit, CPU s": round(fitting, 1),
        "values, CPU s": round(asking, 1),
        "wall s": round(wall + more, 1),
        "corrected": int((loo._removals.found.level > 0).sum()),
        "polished": len(loo.polished_rows_),
        "memory GiB": round(peak.most - peak.least, 2),
    }


def main():
    """Print the tables."""
    sizes = [int(arg) for arg in sys.argv[1:]] or [1_000_000, 100_000, 316_228, 10**6]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measure(sizes[0], *mapped(sizes[0], Path(folder))))
        print("memory map:", rows[-1], flush=True)
    for n in sizes[1:]:
        rows.append(measure(n, *lazy(n)))
        print("generated:", rows[-1], flush=True)
    table(rows, list(rows[0]))
    if len(sizes) > 2:
        seconds = [row["fit, CPU s"] + row["values, CPU s"] for row in rows[1:]]
        exponent = np.polyfit(np.log(sizes[1:]), np.log(seconds), 1)[0]
        print(f"CPU seconds grow as n to the power {exponent:.2f}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    # Not the allocator's settings of the other benchmarks, by which memory grows.
    with threadpool_limits(1):
        main()
