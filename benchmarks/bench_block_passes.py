"""The passes of exact removal over a table in blocks: cost, growth and memory.

First the passes beside the bare Gram product of the same blocks, medians of ratios that
are measured one after the other: a Newton step of the fit, leverages, and the mean
influence of all rows on 1,000 test rows. Then tables of a growing number of rows, each
pass once: the Newton step, and leverages and influences in one pass that keeps no
number per row. Blocks are made from one of 50,000 random rows by adding a number, which
costs little; its time is measured alone and subtracted. CPU seconds of one thread.

    python benchmarks/bench_block_passes.py [numbers of rows ...]
"""

import gc
import sys
import threading
import time
import warnings

import dask
import dask.array as da
import numpy as np
from bench_out_of_core import BLOCK, COLUMNS, N_TEST, generated, gram
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from timing import table

from skinfluence import LeaveOneOutInfluence
from skinfluence.out_of_core import _passes
from skinfluence.out_of_core._blocks import blocks_of
from skinfluence.out_of_core._removals import Found

ROWS, LABELS = generated(0, BLOCK)
REPEATS, NONE = 5, np.empty(0, dtype=np.intp)


def shifted(number):
    """Return the rows and labels of a block."""
    return ROWS + np.float32(number % 7 / 7000), LABELS


def lazy(n):
    """Return a table as dask arrays of n / 50,000 blocks."""
    make = dask.delayed(shifted, nout=2, pure=False)
    pairs = [make(number) for number in range(n // BLOCK)]
    X = [da.from_delayed(rows, (BLOCK, COLUMNS), np.float32) for rows, _ in pairs]
    y = [da.from_delayed(labels, (BLOCK,), np.int8) for _, labels in pairs]
    return da.concatenate(X), da.concatenate(y)


def seconds(function):
    """Return CPU seconds and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def resident():
    """Return the resident memory in GiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**30


class Peak:
    """The most resident memory within a with statement."""

    def __enter__(self):
        gc.collect()
        self.most, self._done = resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._done.wait(0.1):
            self.most = max(self.most, resident())

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()


def answers(block, base, root, test):
    """Return sums of a block's values, and the largest leverage."""
    shared = base.problem, base.mean, base.theta
    factor, h, _ = _passes.row_moves(block, *shared, root, gap=True)
    removals = _passes.BlockRemovals(block, Found.one_step(factor), [base])
    values = removals.mean_influence(*test)
    return np.array([values.sum(), np.abs(values).sum()]), h.max()


def merged(one, other):
    """Merge the answers of two blocks."""
    return one[0] + other[0], max(one[1], other[1])


def once(model, test, n):
    """Return a row of the table of growth."""
    X, y = lazy(n)
    products = [dask.delayed(np.shape)(part) for part in X.to_delayed().ravel()]
    making, _ = seconds(lambda: dask.compute(*products))
    blocks, shared = blocks_of(X, y), {"problem": model.problem, "mean": model.mean}
    with Peak() as peak:
        first, (_, hessian) = seconds(
            lambda: blocks.total(
                _passes.derivatives,
                list(blocks.slices()),
                theta=model.theta,
                outputs=[0],
                removed=[NONE],
                **shared,
            )
        )
        root = np.linalg.inv(np.linalg.cholesky(hessian[0] + np.diag(model.penalty())))
        base = _passes.Base(theta=model.theta, lift=root.T @ root, **shared)
        second, (sums, most) = seconds(
            lambda: blocks.total(
                answers, combine=merged, base=base, root=np.tril(root), test=test
            )
        )
    assert np.isfinite(sums).all()
    assert 0 < most < 1
    return {
        "rows": f"{n:,}",
        "generator, CPU s": round(making, 2),
        "Newton pass, CPU s": round(first - making, 2),
        "rows/s ": f"{n / (first - making):,.0f}",
        "leverages and influences, CPU s": round(second - making, 2),
        "rows/s": f"{n / (second - making):,.0f}",
        "memory GiB": round(peak.most, 2),
    }


def ratios(loo, X, test):
    """Print the passes beside the Gram product."""
    model, parts = loo._model, X.to_delayed().ravel()
    state = model.problem, model.theta, model.penalty()
    root = model.factorise(*state)[1]
    passes = {
        "Newton step": lambda: model.factorise(*state),
        "leverages": lambda: model.moves(*state[:2], root, gap=True),
        f"influences on {N_TEST} test rows": lambda: loo.sample_values(*test),
    }
    products = [dask.delayed(gram)(part) for part in parts]
    found = []
    for name, run in passes.items():
        pairs = [
            (seconds(lambda: dask.delayed(sum)(products).compute())[0], seconds(run)[0])
            for _ in range(REPEATS)
        ]
        bare, own = np.array(pairs).T
        each = np.round(np.percentile(own / bare, [25, 50, 75]), 2)
        rate = f"{len(model.blocks) / np.median(own):,.0f}"
        found.append({"pass": name, "of the Gram product": each[1], "rows/s": rate})
        found[-1]["quartiles"] = f"{each[0]} to {each[2]}"
    table(found, list(found[0]))


def main():
    """Print the tables."""
    sizes = [int(arg) for arg in sys.argv[1:]]
    rng = np.random.default_rng(0)
    test = rng.normal(size=(N_TEST, COLUMNS)), rng.integers(2, size=N_TEST)
    X, y = lazy(1_000_000)
    loo = LeaveOneOutInfluence(LogisticRegression(), tol=1e-3).fit(X, y)
    ratios(loo, X, test)
    model, weight = loo._model, np.full(N_TEST, 1 / N_TEST)
    args = model.design(test[0]), test[1], loo._loss, weight
    rows = []
    for n in sizes or [10**6, 3_150_000, 10**7]:
        rows.append(once(model, args, n))
        print(rows[-1], flush=True)
    table(rows, list(rows[0]))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    with threadpool_limits(1), dask.config.set(scheduler="synchronous"):
        main()
