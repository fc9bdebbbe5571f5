"""Detection of flipped labels by several scores, one of them the cleaner's default.

A share of the labels of a data set is replaced by another class, chosen at random;
every scorer ranks all rows from the noisy labels alone. Average precision of the
ranking, precision among as many suspects as labels were flipped, and seconds of CPU
time on one thread; means over five seeds. By chance both precisions are the share of
flipped labels. Then accuracy of logistic regression on clean test rows (30%) after as
many suspects as labels were flipped are dropped; "oracle" drops the flipped ones.

    python benchmarks/bench_noise_detection.py [seeds] [quick]

``quick`` leaves out the slowest methods. cleanlab's rows need cleanlab installed.
"""

import sys
from time import process_time

from timing import restart_single_threaded

restart_single_threaded()

import numpy as np  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits, load_wine  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import average_precision_score  # noqa: E402
from sklearn.model_selection import (  # noqa: E402
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from skinfluence import (  # noqa: E402
    InfluenceCleaner,
    InfluenceFunctions,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
)
from skinfluence.cleaning.surprise._scorer import score_rows  # noqa: E402

try:
    from cleanlab.classification import CleanLearning
except ImportError:
    CleanLearning = None

DATA = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
}
LINEAR = make_pipeline(
    StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8)
)


def log_loss(probability, y):
    """Log loss of every row."""
    return -np.log(np.clip(probability[np.arange(len(y)), y], 1e-3, 1))


def default(X, y):
    """The fixed scorer: leave-one-out loss of stacked ridge regressions."""
    return score_rows(X, y, classification=True).values


def out_of_fold(X, y):
    """The baseline: log loss of logistic regression, C = 1, in five held-out folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probability = cross_val_predict(LINEAR, X, y, cv=folds, method="predict_proba")
    return -log_loss(probability, y)


def penalty_one(X, y):
    """Exact leave-one-out loss of logistic regression, C = 1."""
    loo = LeaveOneOutInfluence(LINEAR, solver="exact").fit(X, y)
    return -log_loss(loo.predict_proba(X), y) - loo.self_influence()


def influence_functions(X, y):
    """Mean influence on held-out folds, first order, C = 0.01."""
    model = clone(LINEAR).set_params(logisticregression__C=0.01)
    influence = InfluenceFunctions(model)
    return (
        InfluenceCleaner(LINEAR, influence=influence, random_state=0)
        .fit(X, y)
        .sample_values_
    )


def cleanlab_logistic(X, y):
    """cleanlab's label quality, cross-validated logistic regression, C = 1."""
    return cleanlab(LINEAR, X, y)


def cleanlab_forest(X, y):
    """cleanlab's label quality, cross-validated random forest of 100 trees."""
    return cleanlab(RandomForestClassifier(random_state=0), X, y)


def cleanlab(model, X, y):
    """Label quality of every row, as CleanLearning finds it."""
    found = CleanLearning(model, seed=0).find_label_issues(X, y)
    return found["label_quality"].to_numpy()


def forest(X, y):
    """Out-of-bag log loss of a random forest of 300 trees."""
    model = RandomForestClassifier(300, oob_score=True, random_state=0).fit(X, y)
    return -log_loss(np.nan_to_num(model.oob_decision_function_), y)


def data_oob(X, y):
    """Data-OOB: how often the trees that have not seen a row are right, 300 trees."""
    model = RandomForestClassifier(300, random_state=0)
    return OutOfBagInfluence(model).fit(X, y).oob_values_


def knn_shapley(X, y):
    """Shapley value for 5 neighbours, mean over held-out folds."""
    scaled = StandardScaler().fit_transform(X)
    cleaner = InfluenceCleaner(LINEAR, influence=KNNShapley(), random_state=0)
    return cleaner.fit(scaled, y).sample_values_


def self_influence(X, y):
    """Exact leave-one-out influence of a row on itself, C = 1: memorization."""
    return -LeaveOneOutInfluence(LINEAR, solver="exact").fit(X, y).self_influence()


def held_out(X, y, C=1.0):
    """Mean exact leave-one-out influence on held-out folds, C = 1."""
    model = clone(LINEAR).set_params(logisticregression__C=C)
    influence = LeaveOneOutInfluence(model, solver="exact", tol=1e-4)
    cleaner = InfluenceCleaner(LINEAR, influence=influence, random_state=0)
    return cleaner.fit(X, y).sample_values_


def held_out_strong(X, y):
    """Mean exact leave-one-out influence on held-out folds, C = 0.01."""
    return held_out(X, y, C=0.01)


SCORERS = [
    default,
    out_of_fold,
    penalty_one,
    forest,
    data_oob,
    knn_shapley,
    self_influence,
    influence_functions,
    held_out_strong,
    held_out,
    cleanlab_logistic,
    cleanlab_forest,
]
SLOW = [penalty_one, self_influence, influence_functions, held_out_strong, held_out]
CLEANED = [default, out_of_fold, cleanlab_logistic, cleanlab_forest]


def flip(y, share, seed):
    """Replace a share of the labels by another class."""
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(y), dtype=bool)
    flipped[rng.choice(len(y), int(share * len(y)), replace=False)] = True
    classes = y.max() + 1
    return np.where(
        flipped, (y + rng.integers(1, classes, len(y))) % classes, y
    ), flipped


def rank(X, y_clean, share, scorer, seeds):
    """Average precision, precision at k and seconds, means over seeds."""
    runs = []
    for seed in range(seeds):
        y, flipped = flip(y_clean, share, seed)
        start = process_time()
        values = scorer(X, y)
        seconds = process_time() - start
        top = values.argsort(kind="stable")[: flipped.sum()]
        precision = average_precision_score(flipped, -values)
        runs.append((precision, flipped[top].mean(), seconds))
    return np.mean(runs, axis=0)


def accuracies(X, y_clean, share, scorers, seed):
    """Accuracy on clean rows, trained on all rows, right rows and those kept."""
    X, X_test, y_clean, y_test = train_test_split(
        X, y_clean, test_size=0.3, stratify=y_clean, random_state=seed
    )
    y, flipped = flip(y_clean, share, seed)
    everything = np.ones(len(y), dtype=bool)
    kept = {"none": everything, "oracle": ~flipped}
    for scorer in scorers:
        mask = everything.copy()
        mask[scorer(X, y).argsort(kind="stable")[: flipped.sum()]] = False
        kept[scorer.__name__] = mask
    return {
        name: clone(LINEAR).fit(X[mask], y[mask]).score(X_test, y_test)
        for name, mask in kept.items()
    }


def main(seeds="5", quick=None):
    """Print one line per data set, share and scorer, and the means over data sets."""
    seeds = int(seeds)
    scorers = [
        scorer
        for scorer in SCORERS
        if not (quick and scorer in SLOW)
        and (CleanLearning or not scorer.__name__.startswith("cleanlab"))
    ]
    results = {scorer: [] for scorer in scorers}
    accuracy = []
    layout = "{:<14} {:>4} {:<19} {:>9} {:>9} {:>8}"
    print(layout.format("data", "flip", "score", "av.prec.", "prec. k", "seconds"))
    for name, load in DATA.items():
        X, y_clean = load(return_X_y=True)
        for share in (0.1, 0.2):
            for scorer in scorers:
                row = rank(X, y_clean, share, scorer, seeds)
                results[scorer].append(row)
                shown = [f"{v:.3f}" for v in row[:2]] + [f"{row[2]:.2f}"]
                name_, share_ = scorer.__name__, f"{share:.0%}"
                print(layout.format(name, share_, name_, *shown), flush=True)
            cleaned = [scorer for scorer in CLEANED if scorer in scorers]
            accuracy += [
                accuracies(X, y_clean, share, cleaned, seed) for seed in range(seeds)
            ]
    print("\nmeans over data sets and shares")
    for scorer, rows in results.items():
        row = np.mean(rows, axis=0)
        print(
            f"{row[0]:.3f} {row[1]:.3f} {row[2]:7.2f} s  "
            f"{scorer.__name__}: {scorer.__doc__}"
        )
    print("\naccuracy after cleaning, mean over data sets, shares and seeds")
    for name in accuracy[0]:
        print(f"{np.mean([row[name] for row in accuracy]):.4f}  {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
