"""The overhead of the retraining engine, and the gain by a control variate.

First: CPU time of ``DownsamplingInfluence.fit`` and its influence matrix over that of
a bare loop of ``clone(estimator).fit`` and predictions on the same subsets.

Second: error of the influence matrix against one of many retrainings, with and
without the control variate, for equal numbers of retrainings; ``saved`` is the square
of their ratio: the factor by which fewer retrainings give the same error.

    python benchmarks/bench_retraining.py
"""

import warnings

from timing import cpu, median, restart_single_threaded, table

restart_single_threaded()

import numpy as np  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

from skinfluence import DownsamplingInfluence  # noqa: E402


def breast_cancer(n_train=426):
    """Training and test rows of standardised breast_cancer."""
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = scale(X)[order], y[order]
    return X[:n_train], y[:n_train], X[426:], y[426:]


def diabetes(n_train=200):
    """Training and test rows of standardised diabetes."""
    X, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = scale(X)[order], scale(y)[order]
    return X[:n_train], y[:n_train], X[330:], y[330:]


def overhead(name, estimator, data, n_retrainings, repeats=5):
    """Time the engine and a loop over the same subsets, in turn."""
    X, y, X_test, y_test = data
    influence = DownsamplingInfluence(
        estimator, n_retrainings=n_retrainings, control_variate=False, random_state=0
    )
    masks = influence.fit(X, y).masks_

    def engine():
        return influence.fit(X, y).influence(X_test, y_test)

    def loop():
        clone(estimator).fit(X, y)
        return [
            clone(estimator).fit(X[mask], y[mask]).predict_proba(X_test)
            for mask in masks
        ]

    times = [(cpu(engine)[0], cpu(loop)[0]) for _ in range(repeats)]
    ours, bare = (median(list(side)) for side in zip(*times, strict=True))
    return {
        "case": name,
        "engine": f"{ours:.2f} s",
        "loop": f"{bare:.2f} s",
        "overhead": f"{median([a / b for a, b in times]) - 1:.1%}",
    }


def saving(name, estimator, data, n_retrainings, n_truth=6000, seeds=3):
    """Compare errors with and without the control variate."""
    X, y, X_test, y_test = data

    def influence(n, seed, control_variate):
        downsampling = DownsamplingInfluence(
            estimator,
            n_retrainings=n,
            control_variate=control_variate,
            random_state=seed,
        )
        return downsampling.fit(X, y).influence(X_test, y_test)

    truth = influence(n_truth, 1000, True)

    def error(control_variate):
        squares = [
            np.mean((influence(n_retrainings, seed, control_variate) - truth) ** 2)
            for seed in range(seeds)
        ]
        return np.sqrt(np.mean(squares) / np.mean(truth**2))

    plain, controlled = error(False), error(True)
    return {
        "case": name,
        "retrainings": n_retrainings,
        "plain": f"{plain:.3f}",
        "control variate": f"{controlled:.3f}",
        "saved": f"{(plain / controlled) ** 2:.0f}x",
    }


def main():
    """Print both tables."""
    print("\noverhead of the engine, CPU time\n")
    logistic = LogisticRegression(max_iter=1000)
    tree = DecisionTreeClassifier(random_state=0)
    rows = [
        overhead("logistic regression, breast_cancer", logistic, breast_cancer(), 200),
        overhead("decision tree, breast_cancer", tree, breast_cancer(), 200),
    ]
    table(rows, list(rows[0]))
    print("\nrelative root mean square error of the influence matrix\n")
    rows = []
    for n_retrainings in (100, 500):
        for C in (0.01, 0.1, 1.0):
            name = f"logistic regression, breast_cancer (200 rows), C={C:g}"
            model = LogisticRegression(C=C, solver="newton-cholesky")
            rows.append(saving(name, model, breast_cancer(200), n_retrainings))
        name = "ridge, diabetes (200 rows), alpha=10"
        rows.append(saving(name, Ridge(10.0), diabetes(), n_retrainings))
    table(rows, list(rows[0]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # many retrainings are announced
    main()
