"""Which score finds wrong targets in tables with categories and interactions?

A table like that of diamonds is generated: the price follows from carat, cut, colour
and clarity, which act together. Its labels are fifths of the price, a share of them
flipped, or its numbers are prices, a share of them exchanged. Average precision and
seconds of CPU time on one thread, means over seeds, for the fixed scorer, the same
without trees, out-of-bag loss of `TreeInfluence`, cleanlab and out-of-bag loss of a
random forest. For numbers cleanlab's place is taken by out-of-fold residuals.

    python benchmarks/bench_noise_in_tables.py [seeds] [table.csv target]

The table adds 1,000 and 4,000 random rows of a data set of two classes, and 1,000 rows
with codes in the place of its categories. Seeds count from 200, which no constant was
chosen on. cleanlab's rows need cleanlab installed.
"""

import sys
from time import process_time
from unittest import mock

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from bench_noise_detection import CleanLearning, flip, log_loss  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import average_precision_score  # noqa: E402
from sklearn.model_selection import KFold, cross_val_predict  # noqa: E402

from skinfluence import TreeInfluence  # noqa: E402
from skinfluence.cleaning.surprise import _scorer  # noqa: E402
from skinfluence.cleaning.surprise._scorer import (  # noqa: E402
    MAX_COLUMNS,
    score_rows,
    scorer_matrix,
)
from skinfluence.cleaning.surprise._tree_columns import tree_columns  # noqa: E402

FIRST_SEED = 200


def diamonds(n, labels):
    """Make tables of stones whose price depends on columns together."""

    def make(seed):
        rng = np.random.default_rng(seed)
        carat = np.exp(rng.normal(-0.4, 0.6, n)).clip(0.2, 4).round(2)
        cut = rng.choice(5, n, p=[0.03, 0.09, 0.22, 0.26, 0.4])
        color, clarity = rng.choice(7, n), rng.choice(8, n)
        log_price = 7.8 + 1.7 * np.log(carat) + 0.04 * cut + rng.normal(0, 0.1, n)
        log_price -= 0.07 * color * (1 + 0.5 * (carat > 1))
        log_price += 0.12 * clarity * (1 - 0.4 * (carat > 1.5))
        log_price += 0.15 * ((color < 3) & (clarity > 5))
        X = pd.DataFrame(
            {
                "carat": carat,
                "cut": np.array(["Fair", "Good", "Very Good", "Premium", "Ideal"])[cut],
                "color": np.array(list("DEFGHIJ"))[color],
                "clarity": np.array("I1 SI2 SI1 VS2 VS1 VVS2 VVS1 IF".split())[clarity],
                "depth": rng.normal(61.7, 1.4, n).round(1),
                "table": rng.normal(57, 2, n).round(),
            }
        )
        if labels:
            fifths = np.quantile(log_price, [0.2, 0.4, 0.6, 0.8])
            return X, np.digitize(log_price, fifths)
        return X, np.exp(log_price)

    return make


def rows_of(path, target, n, codes=False):
    """Make tables of n random rows of a table of two classes."""
    table = pd.read_csv(path)

    def make(seed):
        part = table.sample(n, random_state=seed).reset_index(drop=True)
        X, y = part.drop(columns=target), pd.factorize(part[target], sort=True)[0]
        return (tree_columns(X, MAX_COLUMNS)[0] if codes else X), y

    return make


def exchange(y, share, seed):
    """Exchange a share of the targets."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(y), int(share * len(y)), replace=False)
    noisy = y.copy()
    noisy[rows] = y[rng.permutation(rows)]
    return noisy, np.isin(np.arange(len(y)), rows)


def fixed_scorer(X, y, labels):
    """The fixed scorer."""
    return score_rows(X, y, labels).values


def without_trees(X, y, labels):
    """Its regressions alone."""
    with mock.patch.object(_scorer, "MIN_ROWS_OF_TREES", np.inf):
        return fixed_scorer(X, y, labels)


def tree_influence(X, y, labels):
    """Loss under boosters without the row: `TreeInfluence`."""
    columns, categorical = tree_columns(X, MAX_COLUMNS)
    kind = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
    booster = kind(max_iter=50, early_stopping=False, categorical_features=categorical)
    return TreeInfluence(booster, random_state=0).fit(columns, y).oob_values_


def cleanlab(X, y, labels):
    """cleanlab with HistGradientBoosting; for numbers, out-of-fold residuals."""
    columns, categorical = tree_columns(X, MAX_COLUMNS)
    if labels:
        booster = HistGradientBoostingClassifier(categorical_features=categorical)
        found = CleanLearning(booster, seed=0).find_label_issues(columns, y)
        return found["label_quality"].to_numpy()
    booster = HistGradientBoostingRegressor(categorical_features=categorical)
    folds = KFold(5, shuffle=True, random_state=0)
    return -np.abs(y - cross_val_predict(booster, columns, y, cv=folds))


def forest(X, y, labels):
    """Out-of-bag loss of a random forest of 300 trees."""
    kind = RandomForestClassifier if labels else RandomForestRegressor
    model = kind(300, oob_score=True, random_state=0).fit(scorer_matrix(X), y)
    if labels:
        return -log_loss(np.nan_to_num(model.oob_decision_function_), y)
    return -np.abs(y - model.oob_prediction_)


def main(seeds="5", *table):
    """Print one line per table, share and scorer."""
    tables = {
        "diamonds, fifths": (diamonds(2000, True), True),
        "diamonds, price": (diamonds(2000, False), False),
    }
    if table:
        tables["table, 1,000"] = rows_of(*table, 1000), True
        tables["table, 1,000 codes"] = rows_of(*table, 1000, codes=True), True
        tables["table, 4,000"] = rows_of(*table, 4000), True
    scorers = [fixed_scorer, without_trees, tree_influence, forest]
    scorers += [cleanlab] if CleanLearning else []
    layout = "{:<20} {:>4} {:<16} {:>9} {:>8}"
    print(layout.format("data", "flip", "score", "av.prec.", "seconds"))
    for name, (make, labels) in tables.items():
        for share in (0.1, 0.2):
            runs = {scorer.__name__: [] for scorer in scorers}
            for seed in range(FIRST_SEED, FIRST_SEED + int(seeds)):
                X, clean = make(seed)
                y, wrong = (flip if labels else exchange)(clean, share, seed)
                for scorer in scorers:
                    start = process_time()
                    values = scorer(X, y, labels)
                    seconds = process_time() - start
                    precision = average_precision_score(wrong, -values)
                    runs[scorer.__name__].append((precision, seconds))
            for scorer, found in runs.items():
                precision, seconds = np.mean(found, axis=0)
                shown = f"{precision:.3f}", f"{seconds:.2f}"
                print(layout.format(name, f"{share:.0%}", scorer, *shown), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
