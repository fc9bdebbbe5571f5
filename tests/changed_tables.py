"""Every changed table there is: the truth about certificates, by refits alone."""

from itertools import combinations, product

import numpy as np
from sklearn.base import clone, is_classifier


def fewest_changes(estimator, X, y, X_test, change, most, threshold=None):
    """Fewest changes that turn each prediction, ``most + 1`` where more are needed."""
    everything = np.arange(len(y))
    before = _side(estimator, X, y, X_test, threshold)
    out = np.full(len(X_test), most + 1)
    for size in range(1, most + 1):
        for rows in map(list, combinations(everything, size)):
            if change == "removal":
                kept = np.delete(everything, rows)
                tables = [(X[kept], y[kept])]
            else:
                tables = [(X, labels) for labels in _relabelled(y, rows)]
            for table in tables:
                turned = _side(estimator, *table, X_test, threshold) != before
                out[turned] = np.minimum(out[turned], size)
    return out


def _relabelled(y, rows):
    values = np.unique(y)
    for new in product(*[values[values != y[i]] for i in rows]):
        labels = y.copy()
        labels[rows] = new
        yield labels


def _side(estimator, X, y, X_test, threshold):
    if is_classifier(estimator) and len(np.unique(y)) == 1:
        return np.full(len(X_test), y[0])
    prediction = clone(estimator).fit(X, y).predict(X_test)
    return prediction if threshold is None else prediction > threshold


def two_clouds(seed, n, d=2, n_classes=2, n_test=5, apart=1.5):
    """Classes around different centres, test rows among them."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    centres = apart * rng.normal(size=(n_classes, d))
    X = centres[y] + rng.normal(size=(n, d))
    X_test = centres[rng.integers(0, n_classes, n_test)]
    return X, y, X_test + 0.5 * rng.normal(size=(n_test, d))
