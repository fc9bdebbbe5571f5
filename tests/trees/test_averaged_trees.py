"""Forests and trees: leaf means without rows, against sums written as loops."""

import numpy as np
import pytest
from checks.reader_checks import TABLES
from numpy.testing import assert_allclose
from sklearn.datasets import load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skinfluence import LeaveOneOutInfluence, TreeInfluence
from skinfluence.removal import UnsupportedEstimator
from skinfluence.trees import averaged_trees


def part(table):
    """Every third row to train on, five others to ask about."""
    X, y = TABLES[table]
    return X[::3], y[::3], X[1:40:13], y[1:40:13]


def members(model):
    """Trees, and how often each drew each row."""
    if not hasattr(model, "estimators_"):
        return [(model, None)]
    if not model.bootstrap:
        return [(tree, None) for tree in model.estimators_]
    return list(zip(model.estimators_, model.estimators_samples_, strict=True))


def forest_without(model, X, targets, weight, row, removed, grown=False):
    """Mean over trees of the leaf's mean without some rows, by walking the nodes."""
    total = np.zeros(targets.shape[1])
    for tree, sample in members(model):
        own = weight  # scikit-learn >= 1.9 draws by the weights, and then counts
        if sample is not None:
            own = 1.0 * np.bincount(sample, None, len(X))
        path = tree.decision_path(X.astype(np.float32)).toarray() > 0
        mine = np.flatnonzero(tree.decision_path(row.astype(np.float32)).toarray()[0])
        left = own.copy()
        left[removed] = 0.0
        for node in mine[::-1]:  # the leaf, then its ancestors
            rows = path[:, node]
            if (left * rows).sum() > 0:
                mean = np.average(targets, axis=0, weights=left * rows)
                break
        if grown and own[removed] == 0 and path[removed, mine[-1]]:
            more = own.copy()
            more[removed] = 1.0
            rows = path[:, mine[-1]]
            with_it = np.average(targets, axis=0, weights=more * rows)
            mean = 2 * mean - with_it
        total += mean
    return total / len(members(model))


MODELS = [
    ("numbers", DecisionTreeRegressor(max_depth=4, random_state=0)),
    ("numbers", RandomForestRegressor(5, min_samples_leaf=3, random_state=0)),
    ("two", RandomForestClassifier(5, random_state=0)),
    ("two", ExtraTreesClassifier(4, max_depth=5, random_state=0)),
    ("three", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ("three", RandomForestClassifier(5, random_state=0)),
]


def squared_loss(model, mean, truth, classes):
    """Brier score as `sklearn.metrics`, or squared error, from mean targets."""
    if classes is None:
        return (mean[0] - truth) ** 2
    distance = ((mean - (classes == truth)) ** 2).sum()
    return distance / 2 if len(classes) == 2 else distance


@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize(("table", "model"), MODELS, ids=lambda v: str(v)[:40])
def test_removals_equal_sums_over_the_nodes(table, model, grown):
    X, y, X_test, y_test = part(table)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    loss = "squared_error" if table == "numbers" else "brier"
    if grown:
        influence = TreeInfluence(model, loss=loss).fit(X, y, sample_weight=weight)
    else:
        influence = LeaveOneOutInfluence(model, loss=loss, solver="exact")
        influence.fit(X, y, sample_weight=weight)
    fitted = influence.estimator_
    classes = getattr(fitted, "classes_", None)
    targets = y[:, None] if classes is None else 1.0 * (y[:, None] == classes)
    matrix = influence.influence(X_test, y_test)
    scale = np.abs(matrix).max()
    for i in [0, 7, 33]:
        for t in range(len(y_test)):
            with_all, without = (
                forest_without(fitted, X, targets, weight, X_test[[t]], removed, *extra)
                for removed, extra in (([], ()), ([i], (grown,)))
            )
            expected = squared_loss(fitted, without, y_test[t], classes)
            expected -= squared_loss(fitted, with_all, y_test[t], classes)
            assert_allclose(matrix[t, i], expected, atol=1e-9 * scale + 1e-15)


@pytest.mark.parametrize(("table", "model"), MODELS, ids=lambda v: str(v)[:40])
def test_groups_leave_together(table, model):
    X, y, X_test, y_test = part(table)
    loss = "squared_error" if table == "numbers" else "brier"
    loo = LeaveOneOutInfluence(model, loss=loss, solver="exact").fit(X, y)
    fitted = loo.estimator_
    classes = getattr(fitted, "classes_", None)
    targets = y[:, None] if classes is None else 1.0 * (y[:, None] == classes)
    mask = np.zeros(len(y), dtype=bool)
    mask[5:25] = True
    got = loo.group_influence(X_test, y_test, groups=mask[None])[:, 0]
    for t in range(len(y_test)):
        with_all, without = (
            forest_without(fitted, X, targets, np.ones(len(y)), X_test[[t]], rows)
            for rows in ([], np.flatnonzero(mask))
        )
        expected = squared_loss(fitted, without, y_test[t], classes)
        expected -= squared_loss(fitted, with_all, y_test[t], classes)
        assert_allclose(got[t], expected, atol=1e-9 * max(1, np.abs(got).max()))


@pytest.mark.parametrize("class_weight", ["balanced", "balanced_subsample"])
def test_class_weights_are_followed(class_weight):
    X, y, *_ = part("two")
    model = RandomForestClassifier(5, class_weight=class_weight, random_state=0)
    trees = averaged_trees(model.fit(X, y), X, y)
    assert trees.reproduction_error < 1e-12
    if class_weight == "balanced":
        assert set(trees.weights.ravel()) <= set(range(9))
    else:
        assert not set(trees.weights.ravel()) <= set(range(9))


@pytest.mark.parametrize("model", [DecisionTreeRegressor, RandomForestRegressor])
def test_several_outputs_have_the_mean_of_their_influences(model):
    X, y, X_test, y_test = part("numbers")
    Y, Y_test = np.column_stack([y, y[::-1]]), np.column_stack([y_test, -y_test])
    model = model(max_depth=3, random_state=0)
    influence = TreeInfluence(model).fit(X, Y)
    matrix = influence.influence(X_test, Y_test)
    fitted, ones = influence.estimator_, np.ones(len(y))
    for i in [0, 7, 33]:
        for t in range(len(Y_test)):
            with_all, without = (
                forest_without(fitted, X, Y, ones, X_test[[t]], removed, *extra)
                for removed, extra in (([], ()), ([i], (True,)))
            )
            expected = ((without - Y_test[t]) ** 2 - (with_all - Y_test[t]) ** 2).mean()
            assert_allclose(matrix[t, i], expected, rtol=1e-9, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_tree_of_a_table_with_names_does_not_warn():
    X, y = load_wine(return_X_y=True, as_frame=True)
    named = TreeInfluence(DecisionTreeClassifier(max_depth=3, random_state=0))
    plain = TreeInfluence(DecisionTreeClassifier(max_depth=3, random_state=0))
    named.fit(X, y)
    plain.fit(X.to_numpy(), y)
    assert_allclose(named.influence(X[:9], y[:9]), plain.influence(X[:9].values, y[:9]))
    assert list(named.estimator_.feature_names_in_) == list(X.columns)


@pytest.mark.parametrize("criterion", ["absolute_error"])
def test_other_criteria_are_refused(criterion):
    X, y, *_ = part("numbers")
    model = DecisionTreeRegressor(criterion=criterion, max_depth=2).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="absolute_error"):
        averaged_trees(model, X, y)


def test_no_gradient_methods_for_forests():
    from skinfluence import InfluenceFunctions

    X, y, *_ = part("two")
    with pytest.raises(UnsupportedEstimator, match="TreeInfluence"):
        InfluenceFunctions(RandomForestClassifier(3)).fit(X, y)
