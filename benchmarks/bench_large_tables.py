"""Cleaning large mixed tables: models of a sample beside models of all rows.

A table of numbers, categories, a code of 3,000 values, dates, short texts and missing
cells is drawn, with 5% of the targets wrong. CPU seconds and average precision at
finding them, of rows inside and outside the sample; precision and recall of suspects.
Models of all rows are fitted where the table has at most 200,000. The most memory is
that of the process so far, the table in it.

With --blocks the table stays in partitions of 50,000 rows, which dask generates again
in every pass.

    python benchmarks/bench_large_tables.py [rows] [labels | numbers] [--blocks]
"""

import resource
import sys
import time

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score
from timing import restart_single_threaded, table

from skinfluence.cleaning._blockwise import judge_blocks
from skinfluence.cleaning._run import CleaningSettings, judge

WRONG, BLOCK, SAMPLES, MOST = 0.05, 50_000, (20_000, 50_000), 200_000
WORDS = "lamp table oak small large red blue chair old new cheap broken".split()


def drawn(n, seed, labels):
    """Return rows, targets, and which of these are wrong."""
    fixed, rng = np.random.default_rng(7), np.random.default_rng(seed)
    Z = rng.normal(size=(n, 14))
    score = 1.2 * Z[:, 0] - Z[:, 1] + 0.8 * np.abs(Z[:, 2]) + 0.7 * Z[:, 3] * Z[:, 4]
    score += 1.5 * (Z[:, 5] > 0.3) + np.where(Z[:, 6] > 0, np.sign(Z[:, 7]), 0)
    columns = {f"number {j}": z.round(4) for j, z in enumerate(Z.T)}
    columns["number 3"] = np.exp(Z[:, 3]).round(2)
    for j in (8, 9):
        columns[f"number {j}"] = np.where(rng.random(n) < 0.08, np.nan, Z[:, j])
    for j, k in enumerate((3, 12, 30, 3_000)):
        code, effect = rng.integers(k, size=n), fixed.normal(size=k)
        names = np.array([f"{'abcz'[j]}{i:04d}" for i in range(k)], dtype=object)
        columns[f"category {j}"] = names[code]
        score += (0.5 if k < 100 else 0.2) * effect[code]
    day = rng.integers(2_000, size=n)
    columns["date"] = np.datetime64("2018-01-01") + day.astype("timedelta64[D]")
    score += 0.5 * np.sin(day / 300)
    words, effect = rng.integers(len(WORDS), size=(n, 3)), fixed.normal(size=len(WORDS))
    names = np.array(WORDS, dtype=object)
    columns["note"] = names[words[:, 0]] + " " + names[words[:, 1]] + " "
    columns["note"] += names[words[:, 2]] + " " + rng.integers(500, size=n).astype(str)
    score += 0.3 * effect[words].sum(axis=1)
    wrong = rng.random(n) < WRONG
    if labels:
        y = score + rng.logistic(size=n) / 2 > 1.5
        return pd.DataFrame(columns), y ^ wrong, wrong
    y = score + 0.7 * rng.normal(size=n)
    y[wrong] = rng.permutation(y[wrong])
    return pd.DataFrame(columns), y, wrong


def in_blocks(n, labels):
    """Return the same as dask collections, and which targets are wrong."""
    import dask
    import dask.array as da
    import dask.dataframe as dd

    sizes = [min(BLOCK, n - start) for start in range(0, n, BLOCK)]
    rows, y, wrong = [], [], []
    for seed, size in enumerate(sizes):
        _, targets, planted = drawn(size, seed, labels)
        rows.append(dask.delayed(lambda *given: drawn(*given)[0])(size, seed, labels))
        y.append(targets)
        wrong.append(planted)
    with dask.config.set({"dataframe.convert-string": False}):
        lazy = dd.from_delayed(rows, meta=drawn(9, 0, labels)[0])
    y = da.from_array(np.concatenate(y), chunks=(tuple(sizes),))
    return lazy, y, np.concatenate(wrong)


def precision_of(values, wrong, rows):
    return average_precision_score(wrong[rows], -values[rows]) if rows.any() else np.nan


def main():
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    n, blocks = int(given[0]) if given else 50_000, "--blocks" in sys.argv
    labels = "numbers" not in given
    X, y, wrong = in_blocks(n, labels) if blocks else drawn(n, 0, labels)
    samples = [size for size in SAMPLES if size < n]
    if not blocks and n <= MOST:
        samples.append(None)
    lines = []
    for subsample in samples:
        start, settings = time.process_time(), CleaningSettings(subsample=subsample)
        if blocks:
            judged = judge_blocks(X, y, settings, labels)[2]
        else:
            options = {"influence_params": {}, "groups": None}
            judged = judge(X, y, settings, classification=labels, **options)
        seconds = time.process_time() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        values, found = judged.rows.values, ~judged.kept
        sample = judged.rows.scores.sample
        inside = np.isin(np.arange(n), np.arange(n) if sample is None else sample)
        right = (found & wrong).sum()
        lines.append(
            {
                "sample": "all" if subsample is None else f"{subsample:,}",
                "CPU s": f"{seconds:.0f}",
                "GiB": f"{memory:.2f}",
                "AP": f"{precision_of(values, wrong, inside | True):.3f}",
                "inside": f"{precision_of(values, wrong, inside):.3f}",
                "outside": f"{precision_of(values, wrong, ~inside):.3f}",
                "suspects": found.sum(),
                "precision": f"{right / max(found.sum(), 1):.2f}",
                "recall": f"{right / wrong.sum():.3f}",
            }
        )
    print(f"{n:,} rows, {X.shape[1]} columns, {wrong.mean():.1%} wrong")
    table(lines, list(lines[0]))


if __name__ == "__main__":
    restart_single_threaded()
    main()
