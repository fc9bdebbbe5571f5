"""How time and memory of every method grow, beside the method of the textbook.

For each method and each size (training rows n, parameters p, epochs or checkpoints T,
retrainings or permutations K, test rows m) the exponent of a power law, fitted to the
three largest of some sizes that double. Times are CPU seconds with one thread, the
least of several runs: "once" is `fit`, training included, "per row" is `influence`,
divided by m except where m itself varies. Memory is the growth of the resident set from
before `fit` to its peak, training and answers included, in a process of its own
(Linux); in m it is that of `influence` alone.
"agreement" is the mean rank correlation of both sides' influences on a test row.

    python benchmarks/bench_growth.py [--write] [method ...]

`--write` puts tables and figures into the guide (doc/user_guide/complexity.rst).
"""

import csv
import ctypes
import gc
import os
import sys
import time
import warnings
from functools import cache, partial
from pathlib import Path

from timing import cpu, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
import torch  # noqa: E402
from growth_cases import cases, rows_of  # noqa: E402
from growth_figure import draw  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
DOC = Path(__file__).parents[1] / "doc"
UPPER = 3  # sizes of a fit
LEAST, LEAST_MIB = 2e-3, 2.0  # less is the cost of a call, or noise
SIDES = "textbook", "ours"
SLASH = "\u00a0/\u00a0"  # lines do not break at it
M_MMAP_THRESHOLD = -3


def fitted(case, side, problem):
    """CPU seconds of `fit`, and the fitted method."""
    X, y, _, _ = rows_of(case.data, problem)
    return cpu(case.sides[side](problem).fit, X, y)


def asked(case, method, problem):
    """CPU seconds of `influence`, and the influences."""
    seconds, influence = cpu(method.influence, *rows_of(case.data, problem)[2:])
    return seconds, np.asarray(influence)


def least(run):
    """Least result of two to four runs."""
    runs, started = [], time.process_time()
    while len(runs) < 2 or (len(runs) < 4 and time.process_time() - started < 0.1):
        runs.append(run())
    return np.min(runs, axis=0)


def resident(name):
    """MiB of this process, by the name of a line of its status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(name))
    return int(line.split()[1]) / 1024


def peak(run, warm_up):
    """Growth of the resident set in MiB, in a fork that gives large arrays back."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 16)
        warm_up()  # maps the pages of libraries
        gc.collect()
        libc.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
        before = resident("VmRSS")
        run()
        os.write(write, repr(resident("VmHWM") - before).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return float(text)


@cache
def measure(case, side, sizes):
    """Return seconds once, seconds of all test rows, and MiB."""
    problem = dict(sizes)

    def run():
        once, method = fitted(case, side, problem)
        return once, asked(case, method, problem)[0]

    memory = peak(run, partial(smallest, case, side))
    return (*least(run), memory)


def smallest(case, side):
    """Solve the smallest problem, which loads what is loaded at first use."""
    sizes = {size: min(values) for size, values in case.sweeps[side].items()}
    problem = {**case.base[side], **sizes}
    asked(case, fitted(case, side, problem)[1], problem)


def sweep(case, side, size):
    """Yield values of a size, and what the problem costs."""
    base = case.base[side]
    if size == "m":
        method = fitted(case, side, base)[1]
    for value in case.sweeps[side][size]:
        problem = {**base, size: value}
        if size == "m":

            def run(problem=problem):
                return asked(case, method, problem)[0]

            seconds = least(run)
            yield (
                value,
                None,
                seconds,
                peak(run, partial(smallest, case, side)),
                seconds,
            )
        else:
            once, asking, memory = measure(case, side, tuple(problem.items()))
            yield value, once, asking / problem["m"], memory, asking


def exponent(sizes, costs):
    """Slope of a line through the logarithms of the upper sizes, as text."""
    sizes, costs = np.array(sizes)[-UPPER:], np.array(costs)[-UPPER:]
    slope = np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-9)), 1)[0]
    return f"{slope:.1f}".replace("-0.0", "0.0")


def growth(case, points):
    """Return rows of the table of exponents."""
    for size, talk in case.talk.items():
        row = {"method": case.name, "in": size}
        quantities = zip(
            ("time once", "time per test row", "memory"), talk, strict=True
        )
        for k, (name, said) in enumerate(quantities):
            slopes = ["–" if said is None else str(said)]
            for side in SIDES:
                sizes, *costs, asking = zip(*points[side, size], strict=True)
                # Seconds of all test rows, and not of one, must be measurable.
                last = asking[-1] if k == 1 else costs[k][-1]
                known = last is not None and last >= (LEAST_MIB if k == 2 else LEAST)
                slopes.append(exponent(sizes, costs[k]) if known else "–")
            row[name] = SLASH.join(slopes)
        yield row


def side_by_side(case):
    """Return the row of the shared problem."""
    problem = case.shared
    row = {"method": case.name}
    row["problem"] = ", ".join(f"{k} = {v:,}" for k, v in problem.items())
    costs = {side: measure(case, side, tuple(problem.items())) for side in SIDES}
    for k, name in enumerate(("once, s", "per test row, ms", "memory, MiB")):
        per = 1000 / problem["m"] if k == 1 else 1
        row[name] = SLASH.join(significant(costs[side][k] * per) for side in SIDES)
    total = [sum(costs[side][:2]) for side in SIDES]
    row["ratio"] = f"{significant(total[0] / total[1])}x"
    methods = [fitted(case, side, problem)[1] for side in SIDES]
    both = [asked(case, method, problem)[1] for method in methods]
    ranks = [spearmanr(a, b).statistic for a, b in zip(*both, strict=True)]
    row["agreement"] = f"{np.mean(ranks):.2f}"
    return row


def significant(number):
    """Two digits, without an exponent."""
    if number >= 10:
        return f"{number:,.0f}"
    return np.format_float_positional(number, 2, fractional=False, trim="-")


def merge(path, rows, order):
    """Put rows of one method into a table of all, and return the table."""
    others = []
    if path.exists():
        with path.open(encoding="utf-8") as file:
            others = list(csv.DictReader(file))
    method = rows[0]["method"]
    rows = rows + [row for row in others if row["method"] != method]
    rows = sorted(rows, key=lambda row: order.index(row["method"]))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def write(tables, order):
    """Put one method's rows into the guide, and draw the figures again."""
    folder = DOC / "user_guide" / "complexity"
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        merged = merge(folder / f"{name}.csv", rows, order)
    draw(merged, DOC / "_static")


def points_table(case, points):
    """Return rows of the table of all that was measured."""
    return [
        {
            "method": case.name,
            "side": side,
            "in": size,
            "size": value,
            "once": "" if once is None else f"{once:.3g}",
            "asking": f"{asking:.3g}",
            "MiB": f"{memory:.3g}",
        }
        for (side, size), found in points.items()
        for value, once, _, memory, asking in found
    ]


def main(names, into_guide):
    """Print the tables."""
    found = cases()
    order = [case.name for case in found]
    exponents, seconds = [], []
    for case in found:
        if names and case.name not in names:
            continue
        started = time.perf_counter()
        for side in SIDES:
            smallest(case, side)
        points = {
            (side, size): list(sweep(case, side, size))
            for side in SIDES
            for size in case.talk
        }
        tables = {
            "exponents": list(growth(case, points)),
            "seconds": [side_by_side(case)],
            "points": points_table(case, points),
        }
        exponents += tables["exponents"]
        seconds += tables["seconds"]
        if into_guide:
            write(tables, order)
        took = time.perf_counter() - started
        print(f"{case.name}: {took:.0f} s", file=sys.stderr, flush=True)
    table(exponents, list(exponents[0]))
    print()
    table(seconds, list(seconds[0]))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main([a for a in arguments if a != "--write"], "--write" in arguments)
