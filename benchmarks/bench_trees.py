"""Tree ensembles: speed, prediction of retraining, removal curves, wrong labels.

    python benchmarks/bench_trees.py [speed] [subsets] [large] [removal] [noise]
        [--csv FILE]

``--csv`` adds a table, its last column the target with two values: text columns
become numbers, 1,000 rows train. Without names all parts are run.

- speed: seconds of CPU time on one thread at generated tables.
- subsets: linear datamodeling score of 100 test rows, the rank correlation of summed
  influences with the losses of boosters trained on 100 random halves that the methods
  do not use.
- large: the same for LightGBM with 100 trees at 5,000 rows of the csv.
- removal: log loss or squared error on held-out rows after the rows with the highest
  values are dropped, minus that of all rows: higher means a better ranking.
- noise: average precision of flipped labels, means over five seeds (of wine with 10%
  flipped, 18 rows, too few to tell detectors apart).
"""

import sys
from time import process_time

from timing import restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.datasets import (  # noqa: E402
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_friedman1,
)
from sklearn.ensemble import (  # noqa: E402
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.metrics import average_precision_score  # noqa: E402

from skinfluence import (  # noqa: E402
    DownsamplingInfluence,
    InfluenceFunctions,
    OutOfBagInfluence,
    TreeInfluence,
)
from skinfluence.metrics import linear_datamodeling_score  # noqa: E402
from skinfluence.trees import tree_structure  # noqa: E402
from skinfluence.trees._adjoint import adjoint_of_weights  # noqa: E402
from skinfluence.trees._forward import leaf_changes  # noqa: E402
from skinfluence.trees._replay import replay  # noqa: E402

try:
    from lightgbm import LGBMClassifier, LGBMRegressor
except ImportError:
    LGBMClassifier = LGBMRegressor = None
try:
    from cleanlab.classification import CleanLearning
except ImportError:
    CleanLearning = None

LGB = {"n_estimators": 50, "verbose": -1, "n_jobs": 1, "random_state": 0}


def generated(n, n_columns=20, seed=0):
    """Two classes and numbers that follow from products and waves of columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_columns))
    y = 2 * X[:, 0] + X[:, 1] * X[:, 2] + np.sin(2 * X[:, 3]) + rng.normal(size=n)
    return X, y


def read_csv(path):
    """Numbers, codes of texts, and the last column as two classes."""
    import pandas as pd

    frame = pd.read_csv(path)
    columns = [
        column.astype("category").cat.codes
        if column.dtype.kind not in "iuf"
        else column
        for _, column in frame.items()
    ]
    values = np.column_stack(columns).astype(np.float64)
    values = values[np.random.default_rng(0).permutation(len(values))]
    return values[:, :-1], values[:, -1].astype(int)


def speed(csv):
    """Time the steps, 31 leaves a tree."""
    rows = []
    for n, n_trees, n_test in [
        (10_000, 100, 500),
        (20_000, 500, 100),
        (100_000, 100, 500),
    ]:
        X, y = generated(n)
        X_test, y_test = generated(n_test, seed=1)
        model = HistGradientBoostingClassifier(max_iter=n_trees, early_stopping=False)
        influence = InfluenceFunctions(model)
        start = process_time()
        model.fit(X, y > 0)
        fitted = process_time()
        influence.fit(X, y > 0)
        prepared = process_time()
        influence.influence(X_test, y_test > 0)
        asked = process_time()
        influence.sample_values(X_test, y_test > 0)
        rows.append(
            {
                "rows": n,
                "trees": n_trees,
                "test rows": n_test,
                "fit": f"{fitted - start:.2f}",
                "prepare": f"{prepared - fitted - (fitted - start):.2f}",
                "influence": f"{asked - prepared:.2f}",
                "sample_values": f"{process_time() - asked:.2f}",
            }
        )
    table(rows, list(rows[0]))
    X, y = generated(10_000)
    model = HistGradientBoostingRegressor(max_iter=100, early_stopping=False).fit(X, y)
    trees = tree_structure(model, X, y)
    run = replay(trees)
    start = process_time()
    leaf_changes(trees, run)
    leaf_space = process_time() - start
    start = process_time()
    for i in range(5):
        replay(trees, np.where(np.arange(len(y)) == i, 0.0, 1.0))
    brute = (process_time() - start) / 5 * len(y)
    print(
        f"exact removal of each of 10,000 rows, squared loss: {leaf_space:.1f} s; "
        f"replays {brute:.0f} s (extrapolated), {brute / leaf_space:.0f}x"
    )


def problems(csv):
    """Name, model, training rows, test rows and others, targets."""
    out = []
    if csv is not None:
        X, y = read_csv(csv)
        parts = slice(1000), slice(1000, 1100), slice(1100, 3100)
        data = [part for rows in parts for part in (X[rows], y[rows])]
        if LGBMClassifier:
            out.append(("csv, LightGBM", LGBMClassifier(**LGB), *data))
        histogram = HistGradientBoostingClassifier(max_iter=50, random_state=0)
        out.append(("csv, HistGB", histogram, *data))
    for name, load, n_train, model in [
        ("breast_cancer", load_breast_cancer, 300, LGBMClassifier),
        ("wine", load_wine, 100, LGBMClassifier),
        (
            "friedman1",
            lambda **_: make_friedman1(3000, random_state=1),
            1000,
            LGBMRegressor,
        ),
        ("diabetes", load_diabetes, 300, GradientBoostingRegressor),
    ]:
        if model is None:
            continue
        X, y = load(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(y))
        X, y = X[order], y[order]
        model = (
            model(n_estimators=50, max_depth=3, random_state=0)
            if model is GradientBoostingRegressor
            else model(**LGB)
        )
        test, rest = slice(n_train, n_train + 100), slice(n_train, n_train + 2000)
        out.append(
            (name, model, X[:n_train], y[:n_train], X[test], y[test], X[rest], y[rest])
        )
    return out


def boostin(model, X, y, X_test, y_test):
    """BoostIn (Brophy et al. 2023): rows do not move each other."""
    trees = tree_structure(model, X, y)
    run = replay(trees)
    effects = adjoint_of_weights(trees, run).effects
    leaves = trees.leaves_of(X_test)
    targets = y_test[:, None].astype(float)
    if trees.n_outputs > 1:
        targets = 1.0 * (y_test[:, None] == model.classes_)
    raw = np.tile(run.base, (len(X_test), 1))
    influence = np.zeros((len(X_test), len(X)))
    for t in range(trees.n_trees):
        gradient, _ = trees.objective.derivatives(targets, raw)
        columns = leaves[:, trees.iteration(t)]
        seed = np.zeros((len(X_test), trees.n_leaves))
        seed[np.arange(len(seed))[:, None], columns] = gradient
        influence += (effects @ seed.T).T
        raw = raw + run.values[columns]
    return influence


def row_losses(model, X, y):
    """Log loss or squared error of every row."""
    if not is_classifier(model):
        return (model.predict(X) - y) ** 2
    probability = np.zeros((len(X), int(y.max()) + 1))
    probability[:, model.classes_] = model.predict_proba(X)
    return -np.log(np.clip(probability[np.arange(len(y)), y], 1e-15, 1))


def methods(model):
    """Name and what returns the matrix of influences, by the methods compared."""
    fixed = InfluenceFunctions(model)
    many = TreeInfluence(model, random_state=1)

    def ask(influence):
        return lambda X, y, X_test, y_test: influence.fit(X, y).influence(
            X_test, y_test
        )

    out = {
        "fitted structure": ask(fixed),
        "TreeInfluence": ask(many),
        "BoostIn": lambda X, y, *test: boostin(clone(model).fit(X, y), X, y, *test),
    }
    for n in (150, 450):
        sampled = DownsamplingInfluence(
            model, n_retrainings=n, random_state=1, control_variate=False
        )
        out[f"downsampling {n}"] = ask(sampled)
    return out


def score_methods(name, model, X, y, X_test, y_test):
    """Print the scores of all methods for one table."""
    rng = np.random.default_rng(5)
    masks = np.stack([rng.permutation(len(y)) < len(y) // 2 for _ in range(100)])
    losses = np.stack(
        [row_losses(clone(model).fit(X[m], y[m]), X_test, y_test) for m in masks]
    )
    row = {"data": name}
    for method, ask in methods(model).items():
        start = process_time()
        matrix = ask(X, y, X_test, y_test)
        seconds = process_time() - start
        score = linear_datamodeling_score(matrix, masks, losses)
        row[method] = f"{score:.3f} ({seconds:.1f} s)"
    table([row], list(row))


def large(csv):
    """Score methods at 5,000 rows."""
    if csv is None or LGBMClassifier is None:
        print("needs --csv and LightGBM")
        return
    X, y = read_csv(csv)
    model = LGBMClassifier(**LGB | {"n_estimators": 100})
    parts = X[:5000], y[:5000], X[5000:5100], y[5000:5100]
    score_methods("csv, 5,000 rows, LightGBM", model, *parts)


def subsets(csv):
    """Score methods by models trained on random halves."""
    for name, model, *data, _, _ in problems(csv):
        score_methods(name, model, *data)
    if csv is not None:
        X, y = read_csv(csv)
        X, X_test, y, y_test = X[:1000], X[1000:1100], y[:1000], y[1000:1100]
        model = RandomForestClassifier(500, random_state=0)
        rng = np.random.default_rng(5)
        masks = np.stack([rng.permutation(1000) < 500 for _ in range(80)])
        truth = []
        for m in masks:
            said = clone(model).fit(X[m], y[m]).predict_proba(X_test)[:, 1]
            truth.append((said - y_test) ** 2)
        for influence in (TreeInfluence(model), OutOfBagInfluence(model)):
            start = process_time()
            matrix = influence.fit(X, y).influence(X_test, y_test)
            seconds = process_time() - start
            score = linear_datamodeling_score(matrix, masks, np.stack(truth))
            name = type(influence).__name__
            print(f"csv, forest of 500: {name} {score:.3f} ({seconds:.1f} s)")


def removal(csv):
    """Drop the most helpful rows and look at other rows."""
    rows = []
    for name, model, X, y, X_test, y_test, X_rest, y_rest in problems(csv):
        whole = row_losses(clone(model).fit(X, y), X_rest, y_rest).mean()
        orders = {
            method: ask(X, y, X_test, y_test).mean(axis=0).argsort()[::-1]
            for method, ask in methods(model).items()
            if method in ("TreeInfluence", "BoostIn", "fitted structure")
        }
        orders["random"] = np.random.default_rng(0).permutation(len(y))
        row = {"data": name}
        for method, order in orders.items():
            gains = []
            for share in (0.05, 0.1, 0.2, 0.4):
                kept = order[int(share * len(y)) :]
                kept = clone(model).fit(X[kept], y[kept])
                gains.append(row_losses(kept, X_rest, y_rest).mean() - whole)
            row[method] = " ".join(f"{gain:+.3g}" for gain in gains)
        rows.append(row)
        table([row], list(row))


def noise(csv):
    """Rank flipped labels."""
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    tables = {
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "digits": tuple(part[:600] for part in load_digits(return_X_y=True)),
    }
    if csv is not None:
        tables["csv"] = tuple(part[:1000] for part in read_csv(csv))
    rows = []
    for name, (X, y_clean) in tables.items():
        for share in (0.1, 0.2):
            found = {"TreeInfluence": [], "cleanlab": [], "training loss": []}
            for seed in range(5):
                rng = np.random.default_rng(100 + seed)
                flipped = np.zeros(len(y_clean), dtype=bool)
                n_flipped = int(share * len(y_clean))
                flipped[rng.choice(len(y_clean), n_flipped, replace=False)] = True
                k = y_clean.max() + 1
                other = (y_clean + rng.integers(1, k, len(y_clean))) % k
                y = np.where(flipped, other, y_clean)
                trees = TreeInfluence(model, random_state=seed).fit(X, y)
                fitted = clone(model).fit(X, y).predict_proba(X)
                values = {
                    "TreeInfluence": trees.oob_values_,
                    "training loss": np.log(fitted[np.arange(len(y)), y] + 1e-15),
                }
                if CleanLearning:
                    issues = CleanLearning(clone(model), seed=0).find_label_issues(X, y)
                    values["cleanlab"] = issues["label_quality"].to_numpy()
                for method, value in values.items():
                    found[method].append(average_precision_score(flipped, -value))
            rows.append(
                {"data": name, "flipped": f"{share:.0%}"}
                | {m: f"{np.mean(v):.3f}" for m, v in found.items() if v}
            )
            table(rows[-1:], list(rows[-1]))


PARTS = {
    "speed": speed,
    "subsets": subsets,
    "large": large,
    "removal": removal,
    "noise": noise,
}


def main(*args):
    """Run the parts that are named, or all."""
    args = list(args)
    csv = None
    if "--csv" in args:
        at = args.index("--csv")
        csv = args[at + 1]
        del args[at : at + 2]
    for name in args or PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}\n")
        PARTS[name](csv)


if __name__ == "__main__":
    main(*sys.argv[1:])
