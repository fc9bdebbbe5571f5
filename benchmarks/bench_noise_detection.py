"""Which score finds flipped labels? The choice behind ``InfluenceCleaner``'s default.

A share of the labels of a data set is replaced by another class, chosen at random;
every scorer ranks all rows from the noisy labels alone. Average precision of the
ranking, precision among as many suspects as labels were flipped, and seconds; means
over five seeds. By chance both precisions are the share of flipped labels.

    python benchmarks/bench_noise_detection.py [seeds]
"""

import sys
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import (
    InfluenceCleaner,
    KNNShapley,
    LeaveOneOutInfluence,
    OutOfBagInfluence,
)
from skinfluence.cleaning._scorer import score_rows

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
    """Exact leave-one-out loss, penalty chosen by it: the fixed scorer."""
    return score_rows(X, y, classification=True).values


def penalty_one(X, y):
    """Exact leave-one-out loss, C = 1."""
    loo = LeaveOneOutInfluence(LINEAR, solver="exact").fit(X, y)
    return -log_loss(loo.predict_proba(X), y) - loo.self_influence()


def kernel(X, y):
    """The fixed scorer on 150 Nystroem features of a Gaussian kernel."""
    Z = StandardScaler().fit_transform(X)
    gamma = 0.5 / X.shape[1]
    features = Nystroem(gamma=gamma, n_components=150, random_state=0).fit_transform(Z)
    return score_rows(features, y, classification=True).values


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
    penalty_one,
    kernel,
    forest,
    data_oob,
    knn_shapley,
    self_influence,
    held_out,
    held_out_strong,
]


def flip(y, share, seed):
    """Replace a share of the labels by another class."""
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(y), dtype=bool)
    flipped[rng.choice(len(y), int(share * len(y)), replace=False)] = True
    classes = y.max() + 1
    return np.where(
        flipped, (y + rng.integers(1, classes, len(y))) % classes, y
    ), flipped


def main(seeds=5):
    """Print one line per data set, share and scorer, and the means over data sets."""
    results = {scorer: [] for scorer in SCORERS}
    layout = "{:<14} {:>4} {:<15} {:>9} {:>9} {:>8}"
    print(layout.format("data", "flip", "score", "av.prec.", "prec. k", "seconds"))
    for name, load in DATA.items():
        X, y_clean = load(return_X_y=True)
        for share in (0.1, 0.2):
            for scorer in SCORERS:
                runs = []
                for seed in range(seeds):
                    y, flipped = flip(y_clean, share, seed)
                    start = perf_counter()
                    values = scorer(X, y)
                    seconds = perf_counter() - start
                    top = values.argsort(kind="stable")[: flipped.sum()]
                    precision = average_precision_score(flipped, -values)
                    runs.append((precision, flipped[top].mean(), seconds))
                row = np.mean(runs, axis=0)
                results[scorer].append(row)
                shown = [f"{v:.3f}" for v in row[:2]] + [f"{row[2]:.2f}"]
                name_, share_ = scorer.__name__, f"{share:.0%}"
                print(layout.format(name, share_, name_, *shown), flush=True)
    print("\nmeans over data sets and shares")
    for scorer, rows in results.items():
        row = np.mean(rows, axis=0)
        print(
            f"{row[0]:.3f} {row[1]:.3f} {row[2]:7.2f} s  "
            f"{scorer.__name__}: {scorer.__doc__}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
