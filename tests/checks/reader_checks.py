"""Tables and raw predictions for the tests of the readers."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from tables import load

from skinfluence.trees import tree_structure
from skinfluence.trees._replay import raw_prediction, replay

TABLES = {
    "numbers": load("diabetes"),
    "two": load("breast_cancer"),
    "three": load("wine"),
}


def raw_of(model, X):
    """Raw predictions by each library's public methods."""
    module = type(model).__module__.partition(".")[0]
    if module == "lightgbm":
        return model.predict(X, raw_score=True)
    if module == "xgboost":
        return model.predict(X, output_margin=True)
    if module == "catboost":
        return model.predict(X, prediction_type="RawFormulaVal")
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    predicted = model.predict(X)
    return predicted if model.loss == "squared_error" else np.log(predicted)


def mixed_table(n=300):
    """A frame with categories, missing values and a target that needs both."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"kind": rng.integers(9, size=n), "size": rng.normal(size=n)})
    y = (X["kind"] % 3 == 0) + X["size"] + 0.3 * rng.normal(size=n)
    X.loc[::7, "size"] = np.nan
    return X.assign(kind=pd.Categorical(X["kind"].astype(str))), y.to_numpy()


def check_reproduces(table, model, weighted):
    """Leaves, targets and settings give the raw predictions of rows not seen."""
    X, y = TABLES[table]
    train, other = np.arange(len(y)) % 3 > 0, np.arange(len(y)) % 3 == 0
    weight = np.random.default_rng(0).uniform(0.5, 2, train.sum()) if weighted else None
    model.fit(X[train], y[train], sample_weight=weight)
    trees = tree_structure(model, X[train], y[train], weight)
    said = raw_prediction(trees, replay(trees), trees.leaves_of(X[other]))
    expected = np.reshape(raw_of(model, X[other]), said.shape)
    tol = 1e-5 if "XGB" in type(model).__name__ else 1e-6
    assert_allclose(said, expected, rtol=0, atol=tol * np.ptp(expected))


def check_mixed(model, task="numbers"):
    """The same for a frame with categories and missing values."""
    X, y = mixed_table()
    if task != "numbers":  # two classes or three, as names
        cuts = [0.4] if task == "two" else [0.0, 0.8]
        y = np.array(["few", "more", "many"])[np.digitize(y, cuts)]
        if "XGB" in type(model).__name__:  # which takes codes only
            y = np.unique(y, return_inverse=True)[1]
    if "CatBoost" in type(model).__name__:
        X = X.assign(kind=X["kind"].astype(str))
    train, other = X[:250], X[250:]
    model.fit(train, y[:250])
    trees = tree_structure(model, train, y[:250])
    said = raw_prediction(trees, replay(trees), trees.leaves_of(other))
    expected = np.reshape(raw_of(model, other), said.shape)
    assert_allclose(said, expected, rtol=0, atol=1e-5 * np.ptp(expected))
