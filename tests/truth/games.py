"""Games of training rows by definition: every subset trained on by hand."""

import math
from itertools import combinations

import numpy as np
from scipy.special import beta as beta_function
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier
from truth.losses import row_losses

TIGHT = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)


TREE = DecisionTreeClassifier(max_depth=2, random_state=0)


def table(n, classifier, n_test=4, seed=0):
    """A few rows, of which the first two are of different classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_test, 2))
    y = X @ [1.0, -0.5] + 0.5 * rng.normal(size=n + n_test)
    if classifier:
        y = np.array(["no", "yes"])[(y > 0).astype(int)]
        y[:2] = ["no", "yes"]
    return np.abs(X) + 0.1 if classifier else X, y, slice(0, n), slice(n, None)


def fit_subset(estimator, X, y, kept):
    """Fit by hand: no rows predict the prior, rows of one class that class."""
    if not len(kept):
        dummy = DummyClassifier() if is_classifier(estimator) else DummyRegressor()
        return dummy.fit(X, y)
    if is_classifier(estimator) and len(np.unique(y[kept])) == 1:
        return DummyClassifier().fit(X[kept], y[kept])
    return clone(estimator).fit(X[kept], y[kept])


def coalition_losses(estimator, X, y, X_test, y_test, loss="auto", players=None):
    """Losses of all subsets of players, as a dict from tuples."""
    full = clone(estimator).fit(X, y)
    players = np.arange(len(y)) if players is None else players
    n = players.max() + 1
    out = {}
    for size in range(n + 1):
        for subset in combinations(range(n), size):
            kept = np.flatnonzero(np.isin(players, subset))
            model = fit_subset(estimator, X, y, kept)
            out[subset] = row_losses(model, X_test, y_test, loss, full)
    return out


def weight_of(semivalue, n, size, a=16.0, b=1.0):
    """Weight of one subset of a size, by each paper's formula."""
    if semivalue == "shapley":
        return 1 / (n * math.comb(n - 1, size))
    if semivalue == "banzhaf":
        return 1 / 2 ** (n - 1)
    return beta_function(size + b, n - 1 - size + a) / beta_function(a, b)


def by_definition(losses, n, semivalue, **parameters):
    """Values (n_rows, n_players), one marginal contribution after the other."""
    out = np.zeros((len(losses[()]), n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            for subset in combinations(others, size):
                gain = losses[subset] - losses[tuple(sorted((*subset, i)))]
                out[:, i] += weight_of(semivalue, n, size, **parameters) * gain
    return out


BAYES = GaussianNB(var_smoothing=0.1)
