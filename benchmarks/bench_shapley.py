"""Shapley values against the loops they replace, both sides in this one run.

1. Logistic regression on breast_cancer, 100 rows: pyDVL's ShapleyValuation with its
   permutation sampler, as many permutations as ours. It scores accuracy, which is
   cheaper than our log loss of every single test row.
2. Models that add rows without retraining, against clone + fit + predict for every
   prefix, as median over some permutations.
3. Any other estimator: the overhead of ShapleyInfluence over the bare loop of clone,
   fit, predict and loss for the same number of subsets. The estimators are seeded on
   both sides, as drawing a seed per fit costs scikit-learn 0.2 ms.

pyDVL needs an older numpy and therefore its own environment; without it the first part
is skipped.

    python -m venv peers && peers/bin/pip install . pyDVL==0.10.0
    peers/bin/python benchmarks/bench_shapley.py [--permutations 200]
"""

import argparse
import warnings

from timing import cpu, median, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402  (after the environment is set)
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits  # noqa: E402
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge  # noqa: E402
from sklearn.metrics import log_loss  # noqa: E402
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

from skinfluence import ShapleyInfluence  # noqa: E402


def breast_cancer(n, n_test=100):
    """Rows of breast_cancer, standardised."""
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = scale(X)[order], y[order]
    return X[:n], y[:n], X[n : n + n_test], y[n : n + n_test]


def gaussian(n, d, kind, n_test=100):
    """Gaussian rows with a linear signal."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + n_test, d))
    y = X @ rng.standard_normal(d) + rng.standard_normal(n + n_test)
    if kind == "classes":
        y = (y > 0).astype(int)
    elif kind == "counts":
        X, y = rng.poisson(np.exp(0.3 * X)), (y > 0).astype(int)
    return X[:n], y[:n], X[n:], y[n:]


def digits(n, n_test=100):
    """Rows of digits, ten classes."""
    X, y = load_digits(return_X_y=True)
    return X[:n], y[:n], X[n : n + n_test], y[n : n + n_test]


def ours(estimator, data, permutations, **options):
    """Values and standard errors for all test rows."""
    X, y, X_test, y_test = data
    shapley = ShapleyInfluence(
        estimator, max_retrainings=permutations * len(X), random_state=0, **options
    )
    return shapley.fit(X, y, X_test, y_test)


def pydvl(estimator, data, permutations):
    """Run pyDVL, the same number of permutations."""
    from pydvl.valuation import (
        Dataset,
        MinUpdates,
        ModelUtility,
        PermutationSampler,
        ShapleyValuation,
        SupervisedScorer,
    )

    X, y, X_test, y_test = data
    scorer = SupervisedScorer("accuracy", Dataset(X_test, y_test), default=0.0)
    utility = ModelUtility(estimator, scorer, show_warnings=False)
    valuation = ShapleyValuation(
        utility, PermutationSampler(seed=0), MinUpdates(permutations), progress=False
    )
    return valuation.fit(Dataset(X, y), continue_from=None)


def against_pydvl(permutations, run):
    """Time both sides; pyDVL on fewer permutations, its time multiplied."""
    data = breast_cancer(100)
    estimator = LogisticRegression()
    seconds, shapley = cpu(ours, estimator, data, permutations)
    row = {"case": f"LogisticRegression, 100 rows, {permutations} permutations"}
    row["skinfluence"] = f"{seconds:.2f} s"
    assert shapley.solver_ == "incremental"
    try:
        theirs, _ = cpu(pydvl, estimator, data, run)
    except ImportError:
        return row | {"pyDVL": "not installed, skipped"}
    theirs *= permutations / run
    return row | {
        "pyDVL": f"{theirs:.1f} s (run: {run} permutations)",
        "ratio": f"{theirs / seconds:.0f}x",
    }


def losses(model, X_test, y_test):
    """Predict and evaluate one model, as a user's loop would."""
    if hasattr(model, "predict_proba"):
        probability = model.predict_proba(X_test)
        if probability.shape[1] == 1:
            return np.zeros(len(y_test))
        column = np.minimum(
            np.searchsorted(model.classes_, y_test), probability.shape[1] - 1
        )
        truth = probability[np.arange(len(y_test)), column]
        return -np.log(np.maximum(truth, np.finfo(float).eps))
    return (y_test - model.predict(X_test)) ** 2


def naive(estimator, data, order):
    """Clone, fit and predict for every prefix of one order."""
    X, y, X_test, y_test = data
    out = []
    for end in range(1, len(order) + 1):
        kept = order[:end]
        if is_classifier(estimator) and len(np.unique(y[kept])) == 1:
            continue
        try:
            model = clone(estimator).fit(X[kept], y[kept])
            out.append(losses(model, X_test, y_test))
        except ValueError:  # fewer rows than the model needs
            continue
    return out


def without_fits(name, estimator, data, permutations=40, sample=3):
    """Time all permutations of ours, and a few of the loop."""
    mine, theirs = [], []
    rng = np.random.default_rng(1)
    for _ in range(sample):
        seconds, shapley = cpu(ours, estimator, data, permutations)
        assert shapley.solver_ == "incremental"
        mine.append(seconds / permutations)
        theirs.append(cpu(naive, estimator, data, rng.permutation(len(data[0])))[0])
    return {
        "case": f"{name}, {len(data[0])} x {data[0].shape[1]}",
        "per permutation": f"{1e3 * median(mine):.2f} ms",
        "clone + fit + predict": f"{1e3 * median(theirs):.0f} ms",
        "ratio": f"{median(theirs) / median(mine):.0f}x",
    }


def bare(estimator, data, subsets):
    """Clone, fit, predict and evaluate on given subsets of two classes."""
    X, y, X_test, y_test = data
    for kept in subsets:
        if len(np.unique(y[kept])) == 1:
            continue
        losses(clone(estimator).fit(X[kept], y[kept]), X_test, y_test)


def overhead(estimator, data, permutations=4, repeat=5):
    """CPU time of ShapleyInfluence over the bare loop, minus one."""
    n, ratios = len(data[0]), []
    for seed in range(repeat):
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(n) for _ in range(permutations)]
        subsets = [np.sort(order[:end]) for order in orders for end in range(1, n)]
        loop, _ = cpu(bare, estimator, data, subsets)
        mine, _ = cpu(ours, estimator, data, permutations)
        ratios.append(mine / loop)
    return {
        "case": f"{type(estimator).__name__}, {n} x {data[0].shape[1]}",
        "one of them": f"{1e3 * loop / len(subsets):.2f} ms",
        "overhead": f"{100 * (median(ratios) - 1):.0f} %",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--permutations", type=int, default=20, help="of pyDVL, of 200 (default 20)"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    log_loss([0, 1], [0.1, 0.9])  # imports count for neither side
    ours(Ridge(), gaussian(30, 3, "regression"), 4)
    result = against_pydvl(200, arguments.permutations)
    table([result], ["case", "skinfluence", "pyDVL", "ratio"])
    print()
    rows = [
        without_fits("Ridge", Ridge(), gaussian(500, 20, "regression")),
        without_fits("Ridge", Ridge(), gaussian(1000, 20, "regression"), sample=1),
        without_fits(
            "LinearRegression", LinearRegression(), gaussian(500, 20, "regression")
        ),
        without_fits("GaussianNB", GaussianNB(), gaussian(500, 20, "classes")),
        without_fits("GaussianNB, digits", GaussianNB(), digits(500)),
        without_fits("MultinomialNB", MultinomialNB(), gaussian(500, 20, "counts")),
        without_fits("MultinomialNB, digits", MultinomialNB(), digits(500)),
        without_fits("BernoulliNB", BernoulliNB(), gaussian(500, 20, "classes")),
        without_fits(
            "NearestCentroid", NearestCentroid(), gaussian(500, 20, "classes")
        ),
        without_fits(
            "LinearDiscriminantAnalysis",
            LinearDiscriminantAnalysis(),
            gaussian(500, 20, "classes"),
        ),
        without_fits(
            "KNeighborsClassifier", KNeighborsClassifier(), gaussian(500, 20, "classes")
        ),
        without_fits(
            "LogisticRegression",
            LogisticRegression(),
            gaussian(200, 10, "classes"),
            permutations=200,
        ),
    ]
    table(rows, ["case", "per permutation", "clone + fit + predict", "ratio"])
    print()
    rows = [
        overhead(DecisionTreeClassifier(random_state=0), gaussian(100, 10, "classes")),
        overhead(
            LogisticRegression(solver="liblinear", random_state=0),
            gaussian(100, 10, "classes"),
        ),
    ]
    table(rows, ["case", "one of them", "overhead"])
