"""ShapleyInfluence against its definition: every subset trained on by hand."""

from functools import lru_cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.tree import DecisionTreeRegressor
from truth.games import BAYES, TIGHT, TREE, by_definition, coalition_losses, table

from skinfluence import ShapleyInfluence


@pytest.mark.parametrize("semivalue", ["shapley", "beta", "banzhaf"])
@pytest.mark.parametrize("solver", ["auto", "refit"])
@pytest.mark.parametrize(
    ("estimator", "loss"),
    [
        (GaussianNB(var_smoothing=0.1), "auto"),
        (TIGHT, "brier"),
        (MultinomialNB(), "auto"),
        (Ridge(), "auto"),
        (Ridge(), "absolute_error"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_small_games_are_enumerated(estimator, loss, solver, semivalue):
    n = 5
    X, y, train, test = table(n, is_classifier(estimator))
    losses = coalition_losses(estimator, X[train], y[train], X[test], y[test], loss)
    shapley = ShapleyInfluence(estimator, semivalue=semivalue, loss=loss, solver=solver)
    shapley.fit(X[train], y[train])
    assert shapley.solver_ == ("incremental" if solver == "auto" else "refit")
    assert shapley.sampling_ == "enumeration"
    assert shapley.n_retrainings_ == (0 if solver == "auto" else 2**n - 2)
    truth = by_definition(losses, n, semivalue)
    values, std = shapley.influence(X[test], y[test], return_std=True)
    assert_allclose(values, truth, rtol=0, atol=1e-10)
    assert_array_equal(std, 0.0)
    means = shapley.sample_values(X[test], y[test])
    assert_allclose(means, truth.mean(axis=0), atol=1e-10)
    weight = [1, 0, 2, 3]
    means, std = shapley.sample_values(X[test], y[test], weight, return_std=True)
    assert_allclose(means, np.average(truth, axis=0, weights=weight), atol=1e-10)
    assert_array_equal(std, 0.0)
    at_once = clone(shapley).fit(X[train], y[train], X[test], y[test])
    assert_allclose(at_once.influence(), truth, atol=1e-10)
    assert_allclose(at_once.sample_values(), truth.mean(axis=0), atol=1e-10)


@pytest.mark.parametrize(
    "estimator",
    [TREE, DecisionTreeRegressor(random_state=0), RidgeClassifier()],
    ids=repr,
)
def test_estimators_that_are_retrained_are_enumerated(estimator):
    X, y, train, test = table(7, is_classifier(estimator))
    losses = coalition_losses(estimator, X[train], y[train], X[test], y[test])
    shapley = ShapleyInfluence(estimator).fit(X[train], y[train])
    assert shapley.solver_ == "refit"
    truth = by_definition(losses, 7, "shapley")
    assert_allclose(shapley.influence(X[test], y[test]), truth, atol=1e-10)


@pytest.mark.parametrize(
    "estimator", [Ridge(), pytest.param(TREE, marks=pytest.mark.slow)], ids=repr
)
def test_nine_rows(estimator):
    X, y, train, test = table(9, is_classifier(estimator))
    losses = coalition_losses(estimator, X[train], y[train], X[test], y[test])
    shapley = ShapleyInfluence(estimator, semivalue="beta", alpha=4, beta=1.5)
    values = shapley.fit(X[train], y[train]).influence(X[test], y[test])
    truth = by_definition(losses, 9, "beta", a=4, b=1.5)
    assert_allclose(values, truth, atol=1e-10)


@lru_cache
def ten_rows(which):
    """Losses of all subsets of ten rows: too many for the budgets below."""
    X, y, train, test = table(10, True, seed=1)
    estimator = {"bayes": BAYES, "tree": TREE}[which]
    return coalition_losses(estimator, X[train], y[train], X[test], y[test], "brier")


@pytest.mark.parametrize(
    ("which", "semivalue", "antithetic", "at_once"),
    [
        ("bayes", "shapley", True, True),
        pytest.param("bayes", "shapley", False, False, marks=pytest.mark.slow),
        ("bayes", "beta", True, True),
        ("bayes", "banzhaf", True, False),
        ("tree", "shapley", True, True),
        pytest.param("tree", "beta", False, False, marks=pytest.mark.slow),
        pytest.param("tree", "banzhaf", True, True, marks=pytest.mark.slow),
    ],
)
def test_sampled_values(which, semivalue, antithetic, at_once):
    n, losses = 10, ten_rows(which)
    X, y, train, test = table(n, True, seed=1)
    shapley = ShapleyInfluence(
        {"bayes": BAYES, "tree": TREE}[which],
        semivalue=semivalue,
        alpha=4,
        loss="brier",
        max_retrainings=500 if "banzhaf" in semivalue or which == "tree" else 1000,
        antithetic=antithetic,
        random_state=0,
    )
    shapley.fit(X[train], y[train], *((X[test], y[test]) if at_once else ()))
    assert shapley.sampling_ != "enumeration"
    question = () if at_once else (X[test], y[test])
    values, std = shapley.influence(*question, return_std=True)
    truth = by_definition(losses, n, semivalue, a=4)
    assert (np.abs(values - truth) <= 4 * std + 1e-9).all()
    assert (std > 0).any()
    mean, mean_std = shapley.sample_values(*question, return_std=True)
    assert_allclose(mean, values.mean(axis=0), atol=1e-10)
    assert (np.abs(mean - truth.mean(axis=0)) <= 4 * mean_std + 1e-9).all()
    if semivalue == "shapley":
        total = losses[()] - losses[tuple(range(n))]
        assert_allclose(values.sum(axis=1), total, atol=1e-10)


@pytest.mark.parametrize("semivalue", ["shapley", "beta"])
@pytest.mark.parametrize(
    "estimator", [GaussianNB(), TIGHT, NearestCentroid()], ids=repr
)
def test_adding_rows_and_retraining_are_the_same_estimand(estimator, semivalue):
    X, y, train, test = table(18, True, n_test=5)
    if isinstance(estimator, NearestCentroid):
        estimator = estimator.set_params(priors="uniform")
        loss = "zero_one"  # which has an answer for one row per class
    else:
        loss = "auto"
    shapley = ShapleyInfluence(
        estimator, semivalue=semivalue, max_retrainings=80, random_state=3, loss=loss
    )
    one = shapley.fit(X[train], y[train]).influence(X[test], y[test], return_std=True)
    assert shapley.solver_ == "incremental"
    shapley = shapley.set_params(solver="refit").fit(X[train], y[train])
    assert shapley.solver_ == "refit"
    other = shapley.influence(X[test], y[test], return_std=True)
    assert_allclose(one, other, atol=1e-8)


def test_regressors_without_targets():
    X, y, train, test = table(5, False)
    shapley = ShapleyInfluence(Ridge()).fit(X[train], y[train])
    values = shapley.influence(X[test])
    total = shapley.predict(X[test]) - y[train].mean()
    assert_allclose(values.sum(axis=1), total, atol=1e-10)


@pytest.mark.parametrize(
    ("estimator", "loss", "n", "budget", "antithetic"),
    [
        (BAYES, "brier", 10, 1000, True),
        pytest.param(BAYES, "brier", 10, 1000, False, marks=pytest.mark.slow),
        pytest.param(Ridge(), "absolute_error", 11, 2000, True, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_standard_errors_are_calibrated(estimator, loss, n, budget, antithetic):
    X, y, train, test = table(n, is_classifier(estimator), n_test=3)
    exact = ShapleyInfluence(estimator, loss=loss).fit(X[train], y[train])
    truth = exact.influence(X[test], y[test])
    covered = []
    for seed in range(40):
        shapley = ShapleyInfluence(
            estimator,
            loss=loss,
            max_retrainings=budget,
            antithetic=antithetic,
            random_state=seed,
        )
        shapley.fit(X[train], y[train])
        values, std = shapley.influence(X[test], y[test], return_std=True)
        assert shapley.n_draws_ == budget // n // (2 if antithetic else 1)
        covered.append(np.abs(values - truth) < 1.96 * std)
    assert 0.90 <= np.mean(covered) <= 0.99
