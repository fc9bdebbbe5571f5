"""The rows that the cleaner drops by default, and their effect on a model.

Tables with and without mistakes, none of which was used to choose the rule. Columns:
precision and recall of the rows dropped, and the score on clean test rows (40% of the
rows; balanced accuracy, or R2) without cleaning, by the default rule, and without the
lowest tenth. Means over seeds, and over the tables of each kind.

    python benchmarks/bench_flagged_rows.py [seeds]
"""

import sys

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
import statsmodels.api as sm  # noqa: E402
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.datasets import (  # noqa: E402
    load_iris,
    make_classification,
    make_friedman1,
    make_moons,
)
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.metrics import balanced_accuracy_score  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

from skinfluence import InfluenceCleaner  # noqa: E402

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
RIDGE = make_pipeline(StandardScaler(), Ridge())
TREE = DecisionTreeClassifier(min_samples_leaf=3, random_state=0)


def iris(seed):
    """150 flowers."""
    return load_iris(return_X_y=True)


def moons(seed):
    """Two half circles."""
    return make_moons(800, noise=0.25, random_state=seed)


def clusters(seed):
    """Two classes of several clusters."""
    return make_classification(
        800,
        10,
        n_informative=5,
        n_redundant=2,
        class_sep=1.5,
        flip_y=0,
        random_state=seed,
    )


def three(seed):
    """Three classes."""
    return make_classification(
        900,
        12,
        n_informative=6,
        n_classes=3,
        class_sep=2,
        n_clusters_per_class=1,
        flip_y=0,
        random_state=seed,
    )


def votes(seed):
    """Who voted for whom in 1996."""
    frame = sm.datasets.anes96.load_pandas().data
    names = "popul TVnews selfLR ClinLR DoleLR PID age educ income".split()
    return frame[names].to_numpy(float), frame["vote"].to_numpy(int)


def affairs(seed):
    """Who had an affair: mostly a matter of chance."""
    frame = sm.datasets.fair.load_pandas().data.sample(1500, random_state=seed)
    return frame.drop(columns="affairs").to_numpy(), (frame["affairs"] > 0).to_numpy(
        int
    )


def rare(seed, n=1600):
    """A class of 3%, drawn by chance."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, (rng.random(n) < 1 / (1 + np.exp(3.8 - X[:, 0]))).astype(int)


def friedman(seed):
    """Numbers."""
    return make_friedman1(700, noise=1, random_state=seed)


def uneven(seed, n=600):
    """Numbers whose spread depends on a column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X[:, 0] + rng.normal(size=n) * np.exp(X[:, 1])


MISTAKEN = {
    "iris 10%": (iris, LOGISTIC, 0.1),
    "moons 15%, tree": (moons, TREE, 0.15),
    "clusters 10%": (clusters, LOGISTIC, 0.1),
    "clusters 10%, tree": (clusters, TREE, 0.1),
    "three, one class 20%": (three, LOGISTIC, "one class"),
    "votes 15%": (votes, LOGISTIC, 0.15),
    "friedman1 10%": (friedman, RIDGE, 0.1),
}
CLEAN = {
    "clusters": (clusters, LOGISTIC, 0),
    "votes": (votes, LOGISTIC, 0),
    "affairs": (affairs, LOGISTIC, 0),
    "rare": (rare, LOGISTIC, 0),
    "rare, tree": (rare, TREE, 0),
    "friedman1": (friedman, RIDGE, 0),
    "uneven": (uneven, RIDGE, 0),
}


def spoil(y, share, classification, rng):
    """Make a share of the targets wrong; return them and which they are."""
    if share == "one class":
        wrong = (rng.random(len(y)) < 0.2) & (y == 1)
        return np.where(wrong, 2, y), wrong
    wrong = rng.random(len(y)) < share
    if not classification:
        return np.where(wrong, y[rng.integers(0, len(y), len(y))], y), wrong
    k = y.max() + 1
    return np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong


def measure(load, model, share, seed):
    """Dropped, precision, recall and score: all rows, the rule, the lowest tenth."""
    X, y = load(seed)
    classification = is_classifier(model)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.4, stratify=y if classification else None, random_state=seed
    )
    noisy, wrong = spoil(y, share, classification, np.random.default_rng(seed + 900))
    rows = []
    for drop_fraction in (0, "auto", 0.1):
        cleaner = InfluenceCleaner(clone(model), drop_fraction=drop_fraction)
        cleaner.fit(X, noisy)
        dropped = ~cleaner.sample_mask_
        score = cleaner.score(X_test, y_test)
        if classification:
            score = balanced_accuracy_score(y_test, cleaner.predict(X_test))
        found = wrong[dropped].sum()
        rows.append(
            [
                dropped.mean(),
                found / dropped.sum() if dropped.any() else np.nan,
                found / wrong.sum() if wrong.any() else np.nan,
                score,
            ]
        )
    return rows


def main(seeds=5):
    """Print one line per table and way of cleaning, and their means."""
    for kind, tables in ("with mistakes", MISTAKEN), ("without", CLEAN):
        print(f"tables {kind}: dropped, precision, recall, score")
        means = []
        for name, (load, model, share) in tables.items():
            found = [measure(load, model, share, seed) for seed in range(seeds)]
            means.append(_mean(found))
            _show(name, means[-1])
        _show("mean", _mean(means))


def _mean(found):
    found = np.array(found)
    known = ~np.isnan(found)
    total = np.where(known, found, 0).sum(axis=0)
    return total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def _show(name, ways):
    for way, numbers in zip(("all rows", "default", "lowest 10%"), ways, strict=True):
        text = "  ".join(f"{number:.3f}" for number in numbers)
        print(f"{name:<22} {way:<11} {text}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
