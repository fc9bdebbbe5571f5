"""ShapleyInfluence of groups, and of scores of the whole test set."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.linear_model import Ridge
from sklearn.metrics import get_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import LinearSVC
from truth.games import TREE, by_definition, coalition_losses, fit_subset, table

from skinfluence import ShapleyInfluence


@pytest.mark.parametrize("estimator", [GaussianNB(var_smoothing=0.1), TREE, Ridge()])
@pytest.mark.parametrize("at_once", [True, False])
def test_groups_are_players(estimator, at_once):
    X, y, train, test = table(9, is_classifier(estimator))
    labels = np.array(["b", "a", "c", "a", "d", "c", "c", "e", "a"])
    _, players = np.unique(labels, return_inverse=True)
    question = (X[test], y[test])
    losses = coalition_losses(estimator, X[train], y[train], *question, "auto", players)
    truth = by_definition(losses, 5, "shapley")
    shapley = ShapleyInfluence(estimator)
    if at_once:
        shapley.fit(X[train], y[train], *question, groups=list(labels))
        question = ()
    else:
        shapley.fit(X[train], y[train], groups=list(labels))
    assert shapley.n_players_ == 5
    values = shapley.influence(*question)
    assert_allclose(values, truth[:, players], atol=1e-10)
    assert_allclose(
        shapley.sample_values(*question), truth.mean(axis=0)[players], atol=1e-10
    )
    by_group = shapley.group_influence(*question, groups=labels)
    assert_allclose(by_group, truth, atol=1e-10)
    pairs = np.stack([np.isin(labels, ["a", "c"]), labels == "d"])
    by_pair = shapley.group_influence(*question, groups=pairs)
    expected = np.column_stack([truth[:, 0] + truth[:, 2], truth[:, 3]])
    assert_allclose(by_pair, expected, atol=1e-10)
    for row in (1, 8):  # the first of its group, and another
        mask = np.arange(9)[None] == row
        with pytest.raises(ValueError, match="'groups' parameter must not cut"):
            shapley.group_influence(*question, groups=mask)


def test_many_groups_are_sampled():
    X, y, train, test = table(60, True)
    labels = np.arange(60) % 20
    values = []
    for solver in ("auto", "refit"):
        shapley = ShapleyInfluence(
            GaussianNB(var_smoothing=0.1),
            max_retrainings=80,
            solver=solver,
            random_state=1,
        )
        shapley.fit(X[train], y[train], groups=labels)
        assert shapley.n_players_ == 20
        assert shapley.n_draws_ == 2
        values.append(shapley.influence(X[test], y[test]))
    assert_allclose(*values, atol=1e-8)
    assert_array_equal(values[0][:, :20], values[0][:, 20:40])


def test_groups_of_the_wrong_length():
    X, y, train, _ = table(9, True)
    for groups in (np.zeros(8), np.zeros((9, 1)), np.zeros((2, 9), dtype=bool)):
        with pytest.raises(ValueError, match=r"'groups'.*\(9,\).*Got shape"):
            ShapleyInfluence(TREE).fit(X[train], y[train], groups=groups)


@pytest.mark.parametrize(
    ("estimator", "scoring"),
    [
        (TREE, "roc_auc"),
        (GaussianNB(), "accuracy"),
        (LinearSVC(random_state=0), "roc_auc"),
        (KNeighborsRegressor(1), "r2"),
        (Ridge(), "neg_mean_absolute_error"),
    ],
    ids=lambda value: str(value).split("(")[0],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_scores_of_the_whole_test_set(estimator, scoring, at_once):
    n, classifier = 5, is_classifier(estimator)
    X, y, train, test = table(n, classifier, n_test=8)
    scorer = get_scorer(scoring)
    full, losses = clone(estimator).fit(X[train], y[train]), {}
    for size in range(n + 1):
        for subset in combinations(range(n), size):
            model = fit_subset(estimator, X[train], y[train], list(subset))
            constant = not subset or (
                classifier and len(np.unique(y[list(subset)])) == 1
            )
            if constant and scoring == "roc_auc":
                losses[subset] = np.array([-0.5])  # a constant ranks nothing
            else:
                losses[subset] = np.array([-scorer(model, X[test], y[test])])
    truth = by_definition(losses, n, "shapley")[0]
    shapley = ShapleyInfluence(estimator, scoring=scoring)
    shapley.fit(X[train], y[train], *((X[test], y[test]) if at_once else ()))
    question = () if at_once else (X[test], y[test])
    values, std = shapley.sample_values(*question, return_std=True)
    assert_allclose(values, truth, atol=1e-10)
    assert_array_equal(std, 0.0)
    total = scorer(full, X[test], y[test]) + losses[()][0]
    assert_allclose(values.sum(), total, atol=1e-10)
    for ask in (
        lambda: shapley.influence(*question),
        lambda: shapley.influence(*question, return_std=True),
        lambda: shapley.influential_rows(*question),
        lambda: shapley.group_influence(*question, groups=np.arange(n)),
    ):
        with pytest.raises(
            ValueError, match=f"scoring='{scoring}'.*only sample_values"
        ):
            ask()


def test_weights_reach_the_scorer():
    X, y, train, test = table(5, True, n_test=8)
    shapley = ShapleyInfluence(TREE, scoring="accuracy").fit(X[train], y[train])
    one = np.eye(8)[3]
    zero_one = ShapleyInfluence(TREE, loss="zero_one").fit(X[train], y[train])
    expected = zero_one.influence(X[test], y[test])[3]
    assert_allclose(shapley.sample_values(X[test], y[test], one), expected, atol=1e-10)
