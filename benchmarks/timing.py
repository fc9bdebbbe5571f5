"""Timing by CPU seconds on one thread, with both sides interleaved in one process."""

import os
import sys
import time

# By default large temporaries are returned to the system and mapped again, which costs
# more than the arithmetic on many machines. This applies to both sides.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "34359738368",
}


def restart_single_threaded():
    """Run this script again with one thread; these settings are read at start-up."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT}
        )


def cpu(function, *args):
    """Return the CPU seconds of a call and its result."""
    start = time.process_time()
    result = function(*args)
    return time.process_time() - start, result


def median(values):
    """Return the median of a list."""
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def table(rows, columns):
    """Print rows (dicts) as a Markdown table."""
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    width = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [columns, ["-" * w for w in width], *cells]:
        padded = (cell.ljust(w) for cell, w in zip(line, width, strict=True))
        print("| " + " | ".join(padded) + " |", flush=True)
