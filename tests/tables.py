"""Small data sets for tests: parts of those of scikit-learn, and random ones.

The names of scikit-learn's: "breast_cancer", "diabetes", "digits", "iris", "wine".
"""

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import scale


def load(name):
    """X and y as scikit-learn has them."""
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def first(name, n=None, test=None):
    """The first n rows; with ``test``, a slice, test rows as well."""
    X, y = load(name)
    return (X[:n], y[:n]) if test is None else (X[:n], y[:n], X[test], y[test])


def scaled(name, n=None, n_columns=None):
    """The first rows and columns, after all columns were scaled."""
    X, y = load(name)
    return scale(X)[:n, :n_columns], y[:n]


def shuffled(name, n, transform=scale):
    """Some n rows in random order."""
    X, y = load(name)
    rows = np.random.default_rng(0).permutation(len(y))[:n]
    return transform(X)[rows], y[rows]


def standardised(X):
    """Centre and scale the columns."""
    return (X - X.mean(axis=0)) / X.std(axis=0)


def split(X, y, n_train, seed=0):
    """Shuffle and split; returns X, y, X_test, y_test."""
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = order[:n_train], order[n_train:]
    return X[train], y[train], X[test], y[test]


def breast_cancer():
    """Two classes, 426 rows of 30 columns; C=100 makes them nearly separable."""
    X, y = load("breast_cancer")
    return split(standardised(X), y, 426)


def wine():
    """Two of the three classes of wine: separable."""
    X, y = load("wine")
    return split(standardised(X[y != 2]), y[y != 2], 90)


def overlapping():
    """Two classes that no hyperplane separates, whatever row goes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 4))
    y = (X @ [1.0, -1.0, 0.5, 0.0] + 1.5 * rng.normal(size=160) > 0).astype(int)
    return split(X, y, 120)


def diabetes():
    """One continuous target."""
    X, y = load("diabetes")
    return split(standardised(X), y, 330)


def counts(power, n=240, seed=0):
    """Targets of a log-linear model: counts, positive, or positive with zeros."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    mean = np.exp(0.5 + X @ [0.5, -0.3, 0.2, 0.0, 0.1])
    if power == 1:
        y = rng.poisson(mean).astype(float)
    elif power == 2:
        y = rng.gamma(2.0, mean / 2)
    else:
        y = np.where(rng.random(n) < 0.3, 0.0, rng.gamma(2.0, mean))
    return split(X, y, 180)


def uneven_weights(n, seed=0):
    """Weights over three orders of magnitude, with a zero."""
    weight = np.exp(1.5 * np.random.default_rng(seed).normal(size=n))
    weight[3] = 0.0
    return weight
