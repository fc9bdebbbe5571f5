"""Which whole group hurts: refits without each group, scored by scikit-learn."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import (
    DownsamplingInfluence,
    InfluenceFunctions,
    LeaveOneOutInfluence,
    group_values,
)

logistic = LogisticRegression(solver="newton-cholesky", tol=1e-12)
# How far scikit-learn's own minimisers are off: their gradients are below 1e-12.
OF_REFITS = 1e-11
names = np.array(["ann", "bob", "eve"])


def task(classify, seed=0, n=120, m=60):
    """Rows of three annotators of unlike size; a third of eve's targets are wrong."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + m, 4)) * [1, 2, 0.5, 1]
    amount = X @ [2.0, -1.0, 1.0, 0.0] + rng.normal(size=n + m)
    who = rng.choice(names, n, p=[0.5, 0.2, 0.3])
    wrong = (who == "eve") & (rng.random(n) < 0.4)
    y = (amount > 0).astype(int) if classify else amount
    given = np.where(wrong, 1 - y[:n] if classify else y[:n] + 8, y[:n])
    return X[:n], given, X[n:], y[n:], who


def refit_differences(estimator, X, y, X_val, y_val, masks):
    """Losses of validation rows without each group, minus those with all rows."""

    def losses(model):
        if not is_classifier(model):
            return (y_val - model.predict(X_val)) ** 2
        p = model.predict_proba(X_val)
        return np.array(
            [
                log_loss([label], [row], labels=model.classes_)
                for label, row in zip(y_val, p, strict=True)
            ]
        )

    base = losses(clone(estimator).fit(X, y))
    return np.column_stack(
        [losses(clone(estimator).fit(X[~out], y[~out])) - base for out in masks]
    )


@pytest.mark.parametrize(
    "estimator",
    [logistic, Ridge(), make_pipeline(StandardScaler(), logistic)],
    ids=["logistic", "ridge", "pipeline"],
)
def test_refits_without_each_group(estimator):
    X, y, X_val, y_val, who = task(is_classifier(estimator))
    loo = LeaveOneOutInfluence(estimator).fit(X, y)
    values = group_values(loo, X_val, y_val, groups=who, bounds=True)
    masks = np.array([who == name for name in names])
    truth = refit_differences(estimator, X, y, X_val, y_val, masks)
    mean = truth.mean(axis=0)
    assert_array_equal(values.groups, names)
    assert_array_equal(values.n_rows, [(who == name).sum() for name in names])
    assert_allclose(values.influence, mean, rtol=0, atol=1e-8)
    deviation = np.sqrt(((truth - mean) ** 2).sum(axis=0) / (len(truth) - 1))
    assert_allclose(values.std_error, deviation / np.sqrt(len(truth)), atol=1e-8)
    assert (values.lower - OF_REFITS <= mean).all()
    assert (mean <= values.upper + OF_REFITS).all()
    assert (values.upper - values.lower < 1e-6).all()
    assert_array_equal(values.influence < -2 * values.std_error, [False, False, True])
    assert values.upper[2] < 0 < values.lower[0]


def test_bounds_contain_refits_around_first_order_values():
    X, y, X_val, y_val, who = task(classify=True)
    first = InfluenceFunctions(logistic).fit(X, y)
    values = group_values(first, X_val, y_val, groups=who, bounds=True)
    masks = np.array([who == name for name in names])
    truth = refit_differences(logistic, X, y, X_val, y_val, masks).mean(axis=0)
    assert (values.lower - OF_REFITS <= truth).all()
    assert (truth <= values.upper + OF_REFITS).all()
    single = first.influence(X_val, y_val).mean(axis=0)
    assert_allclose(values.influence, [single[out].sum() for out in masks])


def test_ends_are_rounded_outwards():
    X, y, X_val, y_val, who = task(classify=True)
    loo = LeaveOneOutInfluence(logistic).fit(X, y)
    values = group_values(loo, X_val, y_val, groups=who, bounds=True)
    lower, upper = loo.group_influence_bounds(X_val, y_val, groups=who)
    for k in range(3):
        exactly = [sum(map(Fraction, ends[:, k])) / 60 for ends in (lower, upper)]
        assert values.lower[k] < exactly[0]
        assert exactly[1] < values.upper[k]
        assert_allclose(values.lower[k], float(exactly[0]), rtol=0, atol=1e-13)
        assert_allclose(values.upper[k], float(exactly[1]), rtol=0, atol=1e-13)


def test_table_has_the_labels_as_index_and_masks_may_overlap():
    X, y, X_val, y_val, who = task(classify=True)
    loo = LeaveOneOutInfluence(logistic).fit(X, y)
    values = group_values(loo, X_val, y_val, groups=pd.Series(who))
    assert values.frame.index.tolist() == names.tolist()
    assert list(values.frame) == ["influence", "std_error", "n_rows"]
    assert values.frame.influence.idxmin() == "eve"
    assert_array_equal(values.frame.n_rows, values.n_rows)
    masks = np.array([who == "eve", who != "bob"])
    both = group_values(loo, X_val, y_val, groups=masks)
    assert both.groups.tolist() == [0, 1]
    assert both.influence[0] == pytest.approx(values.influence[2])
    alone = group_values(loo, X_val[:1], y_val[:1], groups=who)
    assert np.isnan(alone.std_error).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"groups": np.zeros(120, dtype=int)}, ValueError, "at least one training row"),
        ({"groups": np.zeros(3)}, ValueError, "one label per training row"),
        ({"groups": np.r_[np.nan, np.zeros(119)]}, ValueError, "label for every row"),
        (
            {"groups": np.array([None] + ["a"] * 119, dtype=object)},
            ValueError,
            "label for every row",
        ),
        ({"y": None}, ValueError, "true values"),
        ({"influence": logistic}, TypeError, "fitted influence estimator"),
    ],
)
def test_errors_name_what_is_wrong(change, error, message):
    X, y, X_val, y_val, who = task(classify=True)
    loo = LeaveOneOutInfluence(logistic).fit(X, y)
    given = {"influence": loo, "X": X_val, "y": y_val, "groups": who} | change
    with pytest.raises(error, match=message):
        group_values(**given)


def test_bounds_need_a_proof():
    X, y, X_val, y_val, who = task(classify=True)
    sampled = DownsamplingInfluence(logistic, n_retrainings=20, random_state=0).fit(
        X, y
    )
    with pytest.raises(TypeError, match="group_influence_bounds"):
        group_values(sampled, X_val, y_val, groups=who, bounds=True)
    forest = RandomForestClassifier(2, random_state=0)
    trees = LeaveOneOutInfluence(forest, solver="refit").fit(X[:20], y[:20])
    with pytest.raises(TypeError, match="refit"):
        group_values(trees, X_val, y_val, groups=who[:20], bounds=True)
