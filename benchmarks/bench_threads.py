"""Exact answers in one thread and in two: wall-clock and CPU seconds.

Both sides alternate in this one run, and the shorter of two times is printed, since
other work on the machine lengthens wall-clock times only. "possible" is the speed-up
that the CPU seconds outside of threads allow (Amdahl): those of two threads that have
both cores to themselves, and that never wait for the interpreter's lock. Linear algebra
has one thread in both.

    python benchmarks/bench_threads.py
"""

import time

from timing import restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402

from skinfluence import InfluenceCleaner, KNNShapley, LeaveOneOutInfluence  # noqa: E402

REPEATS, N_TEST = 2, 1000
CASES = [
    (LeaveOneOutInfluence(LogisticRegression()), 20_000, 100, 2),
    (LeaveOneOutInfluence(LogisticRegression()), 6_000, 50, 4),
    (LeaveOneOutInfluence(GaussianNB()), 20_000, 100, 10),
    (KNNShapley(), 50_000, 50, 2),
    (None, 20_000, 20, 2),  # the fixed scorer of the cleaner
]


def data(n, d, n_classes):
    """Rows, labels, and test rows with theirs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + N_TEST, d))
    score = X @ rng.normal(size=d) / np.sqrt(d) + np.sign(X[:, 0] * X[:, 1])
    score += rng.normal(size=len(X)) / 2
    y = np.searchsorted(
        np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]), score
    )
    return X[:n], y[:n], X[n:], y[n:]


def seconds(method, n_jobs, X, y, *test):
    """Return wall-clock, CPU and this thread's CPU seconds of a fit and its values."""
    clocks = time.perf_counter, time.process_time, time.thread_time
    start = [clock() for clock in clocks]
    if method is None:
        InfluenceCleaner(GaussianNB(), n_jobs=n_jobs).fit(X, y)
    else:
        method.set_params(n_jobs=n_jobs).fit(X, y).sample_values(*test)
    return [clock() - s for clock, s in zip(clocks, start, strict=True)]


def compare(method, n, d, n_classes):
    """Return a row of the table."""
    args = data(n, d, n_classes)
    times = [[seconds(method, k, *args) for k in (1, 2)] for _ in range(REPEATS)]
    one, two = np.min(times, axis=0)
    name = "InfluenceCleaner" if method is None else type(method).__name__
    if isinstance(method, LeaveOneOutInfluence):
        name = f"{type(method.estimator).__name__} of {n_classes} classes"
    outside = two[2]
    possible = one[1] / (outside + (two[1] - outside) / 2)
    return {
        "model": f"{name} {n:,} x {d}",
        "wall 1": f"{one[0]:.2f} s",
        "wall 2": f"{two[0]:.2f} s",
        "CPU 1": f"{one[1]:.2f} s",
        "CPU 2": f"{two[1]:.2f} s",
        "speed-up": f"{one[0] / two[0]:.2f}",
        "possible": f"{possible:.2f}",
    }


def main():
    """Print one table."""
    rows = [compare(*case) for case in CASES]
    print(f"{N_TEST:,} test rows")
    table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
