"""Every reader reproduces its booster, or says which parameter prevents it."""

import pytest
from checks.reader_checks import TABLES, check_mixed, check_reproduces, mixed_table
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees import tree_structure

READ = [
    ("numbers", GradientBoostingRegressor(n_estimators=12)),
    ("numbers", GradientBoostingRegressor(n_estimators=12, init="zero")),
    ("two", GradientBoostingClassifier(n_estimators=12)),
    ("three", GradientBoostingClassifier(n_estimators=8)),
    ("numbers", HistGradientBoostingRegressor(max_iter=12, l2_regularization=2.0)),
    ("numbers", HistGradientBoostingRegressor(max_iter=12, loss="poisson")),
    ("numbers", HistGradientBoostingRegressor(max_iter=12, loss="gamma")),
    ("two", HistGradientBoostingClassifier(max_iter=12, class_weight="balanced")),
    ("three", HistGradientBoostingClassifier(max_iter=8)),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("table", "model"), READ, ids=lambda v: str(v)[:48])
def test_leaves_and_targets_reproduce_the_booster(table, model, weighted):
    check_reproduces(table, model, weighted)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("numbers", HistGradientBoostingRegressor(max_iter=12)),
        ("two", HistGradientBoostingClassifier(max_iter=12)),
        ("three", HistGradientBoostingClassifier(max_iter=6)),
    ],
)
def test_categories_and_missing_values(task, model):
    check_mixed(model, task)


REFUSED = [
    (GradientBoostingRegressor(n_estimators=3, subsample=0.5), "subsample=0.5"),
    (GradientBoostingRegressor(n_estimators=3, loss="huber"), "loss='huber'"),
    (GradientBoostingRegressor(n_estimators=3, n_iter_no_change=2), "n_iter_no_change"),
    (HistGradientBoostingRegressor(max_iter=3, early_stopping=True), "early_stopping"),
    (HistGradientBoostingRegressor(max_iter=3, loss="absolute_error"), "loss="),
    (
        HistGradientBoostingRegressor(max_iter=3, monotonic_cst=[1] * 10),
        "monotonic_cst",
    ),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=lambda v: str(v)[:60])
def test_refusals_name_the_parameter(model, reason):
    X, y = TABLES["numbers"]
    model.fit(X, y)
    with pytest.raises(UnsupportedEstimator, match=reason):
        tree_structure(model, X, y)


def test_rows_other_than_those_of_the_fit_are_refused():
    X, y = TABLES["numbers"]
    model = GradientBoostingRegressor(n_estimators=5).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="do not follow from the training"):
        tree_structure(model, X, y[::-1])


def test_behind_a_column_transformer():
    X, y = mixed_table()
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), (StandardScaler(), ["size"])
    )
    model = make_pipeline(columns, HistGradientBoostingRegressor(max_iter=8))
    loo = LeaveOneOutInfluence(model, solver="exact").fit(X, y)
    assert "tree structure" in loo.fixed_steps_
    assert loo.influence(X[:4], y[:4]).shape == (4, len(y))
