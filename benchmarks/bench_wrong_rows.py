"""Estimated and true shares of wrong rows, on tables with and without mistakes.

The wrong rows of the tables are known: labels drawn at random or from a logistic model,
all of them right; data sets with labels flipped, to any other class or only those of
every second class to the next one; numbers with and without exchanged targets. Means
over seeds of: the share of right rows among the lowest 10% by estimate, at least, at
most (the range, see `WrongRows.fine_share`) and in truth; the largest error of the
estimate; the share of wrong rows, by estimate, by the ceiling and in truth; precision,
recall and share of rows more likely wrong than right; how often the range contains the
truth, up to 0.02. Then the share of wrong rows among those with a given probability,
and for numbers the number of tables in which mistakes were detected.

    python benchmarks/bench_wrong_rows.py [seeds] [table.csv target]

The table adds a data set of two classes, of which 5,000 random rows are used. Seeds
start at 200, as no constant was chosen on these.
"""

import sys

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
from scipy.special import expit  # noqa: E402
from sklearn.datasets import (  # noqa: E402
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)

from skinfluence.cleaning.surprise._scorer import score_rows  # noqa: E402
from skinfluence.cleaning.surprise._wrong_rows import wrong_rows  # noqa: E402

FIRST_SEED = 200
SHARES = {
    "balanced": [0.5, 0.5],
    "30%": [0.7, 0.3],
    "10%": [0.9, 0.1],
    "3 classes": [1 / 3] * 3,
}
REAL = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "iris": load_iris,
}
EDGES = [0.05, 0.25, 0.5, 0.75, 0.95]
LAYOUT = (
    "{:<26} {:>5} {:>5} {:>5} {:>5} {:>5}  {:>5} {:>5} {:>5}  {:>5} {:>5} {:>5}  {:>7}"
)


def chance(n, shares):
    """Make tables whose labels have nothing to do with the columns."""
    return lambda rng: (rng.normal(size=(n, 4)), rng.choice(len(shares), n, p=shares))


def logistic(n, slope, shift=0.0):
    """Make tables whose labels are drawn from a logistic model of one column."""

    def make(rng):
        X = rng.normal(size=(n, 4))
        return X, (rng.random(n) < expit(slope * X[:, 0] - shift)).astype(int)

    return make


def flipped(load, share, every_second=False):
    """Make tables with a share of the labels (of every second class) wrong."""

    def make(rng):
        X, y = load(rng)
        k = y.max() + 1
        if every_second:
            wrong = (y % 2 == 1) & (rng.random(len(y)) < share)
            return X, np.where(wrong, (y + 1) % k, y), wrong
        wrong = np.zeros(len(y), dtype=bool)
        wrong[rng.choice(len(y), int(share * len(y)), replace=False)] = True
        return X, np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong

    return make


def table_rows(path, target):
    """Make 5,000 random rows of a table of two classes."""
    import pandas

    table = pandas.read_csv(path)
    y = np.unique(table[target].astype(str), return_inverse=True)[1]
    X = table.drop(columns=target)

    def load(rng):
        rows = rng.choice(len(y), min(5000, len(y)), replace=False)
        return X.iloc[rows].reset_index(drop=True), y[rows]

    return load


def label_cases(table):
    """Return makers of tables of labels by name."""
    cases = {}
    for n in (60, 500, 5000):
        for name, shares in SHARES.items():
            cases[f"chance, {n} rows, {name}"] = chance(n, shares)
    for slope in (0.3, 1):
        for n in (60, 500, 5000):
            cases[f"slope {slope}, {n} rows"] = logistic(n, slope)
    cases["rare class"] = logistic(1000, 1, 3.8)
    sets = {name: lambda rng, f=load: f(return_X_y=True) for name, load in REAL.items()}
    if table:
        sets["table"] = table_rows(*table)
    for name, load in sets.items():
        for share in (0, 0.1, 0.2):
            cases[f"{name}, {share:.0%} flipped"] = flipped(load, share)
        for share in (0.1, 0.2):
            cases[f"{name}, {share:.0%} of classes"] = flipped(load, share, True)
    return cases


def exchanged(y, share, rng):
    """Exchange a share of the targets."""
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    y = y.copy()
    y[rows] = y[rng.permutation(rows)]
    return y


def number_cases(n):
    """Yield names and makers of tables of numbers."""
    drawn = {
        "chance, normal": lambda X, rng: rng.normal(size=n),
        "chance, exponential": lambda X, rng: rng.exponential(size=n),
        "weak signal": lambda X, rng: 0.3 * X[:, 0] + rng.normal(size=n),
        "linear": lambda X, rng: 2 * X[:, 0] + X[:, 1] + rng.normal(size=n),
        "t with 3 degrees": lambda X, rng: 2 * X[:, 0] + X[:, 1] + rng.standard_t(3, n),
        "heteroscedastic": lambda X, rng: (
            2 * X[:, 0] + X[:, 1] + np.exp(0.7 * X[:, 0]) * rng.normal(size=n)
        ),
        "log-normal": lambda X, rng: np.exp(X[:, 0] + 0.5 * rng.normal(size=n)),
    }
    for name, draw in drawn.items():
        for share in (0, 0.1):
            if share and name not in ("linear", "t with 3 degrees"):
                continue

            def make(rng, draw=draw, share=share):
                X = rng.normal(size=(n, 4))
                return X, exchanged(draw(X, rng), share, rng)

            yield f"{name}, {n} rows, {share:.0%}", make


def diabetes(share):
    """Make the diabetes data with exchanged targets."""

    def make(rng):
        X, y = load_diabetes(return_X_y=True)
        return X, exchanged(y, share, rng)

    return make


def measure(X, y, is_wrong=None):
    """Return estimate and truth of one table of labels."""
    if is_wrong is None:
        is_wrong = np.zeros(len(y), dtype=bool)
    scores = score_rows(X, y, classification=True)
    wrong = wrong_rows(scores)
    low = scores.values.argsort(kind="stable")[: len(y) // 10]
    smallest, largest = wrong.fine_share(low)
    fine = 1 - wrong.probability[low].mean()
    truth = (~is_wrong[low]).mean()
    flag = wrong.probability > 0.5
    row = {
        "fine": fine,
        "smallest": smallest,
        "largest": largest,
        "truth": truth,
        "error": abs(fine - truth),
        "share": wrong.probability.mean(),
        "ceiling": wrong.share_ceiling,
        "wrong": is_wrong.mean(),
        "precision": is_wrong[flag].mean() if flag.any() else np.nan,
        "recall": flag[is_wrong].mean() if is_wrong.any() else np.nan,
        "flagged": flag.mean(),
        "holds": smallest - 0.02 <= truth <= largest + 0.02,
    }
    return row, wrong.probability, is_wrong


def reliability(probability, is_wrong):
    """Print the share of wrong rows by probability."""
    bins = np.digitize(probability, EDGES)
    for index in np.unique(bins):
        inside = bins == index
        print(
            f"  mean probability {probability[inside].mean():.3f}: "
            f"{is_wrong[inside].mean():.3f} wrong of {inside.sum()} rows"
        )


def main(seeds="10", *table):
    """Print one line per case, reliability curves, and the tables of numbers."""
    seeds = range(FIRST_SEED, FIRST_SEED + int(seeds))
    names = "case fine least most truth worst share most truth prec. rec. flag holds"
    print(LAYOUT.format(*names.split()))
    kept = {}
    for name, make in label_cases(table).items():
        rows = []
        for seed in seeds:
            row, probability, is_wrong = measure(*make(np.random.default_rng(seed)))
            rows.append(row)
            if "flipped" in name and ", 0%" not in name:
                kind = "the table" if name.startswith("table") else "data sets"
                kept.setdefault(kind, []).append((probability, is_wrong))
        columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        worst, held = columns.pop("error").max(), columns.pop("holds").sum()
        means = [
            f"{np.nanmean(column):.2f}" if not np.isnan(column).all() else "-"
            for column in columns.values()
        ]
        means.insert(4, f"{worst:.2f}")
        print(LAYOUT.format(name, *means, f"{held}/{len(rows)}"), flush=True)
    for kind, parts in kept.items():
        print(f"\nreliability on {kind}, 10% and 20% flipped")
        reliability(*map(np.concatenate, zip(*parts, strict=True)))
    print("\ntables of numbers in which exchanged targets were shown")
    cases = [*number_cases(60), *number_cases(500)]
    cases += [(f"diabetes, {s:.0%}", diabetes(s)) for s in (0, 0.1, 0.2)]
    for name, make in cases:
        shown, share = 0, []
        for seed in seeds:
            scores = score_rows(*make(np.random.default_rng(seed)), False)
            wrong = wrong_rows(scores)
            shown += wrong.share > 0
            share.append(wrong.share_ceiling)
        print(f"{name:<32} {shown}/{len(seeds)}, at most {np.mean(share):.2f} wrong")


if __name__ == "__main__":
    main(*sys.argv[1:])
