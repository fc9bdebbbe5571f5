"""Smooth linear models without groups of rows, against refits."""

import numpy as np
import pytest
from checks.smooth_models import exact
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from tables import counts, overlapping, uneven_weights, wine
from truth.refits import deviance, glm, influence_of, log_loss

from skinfluence import LeaveOneOutInfluence

# Solvers that stop early warn; influence is computed at the optimum all the same.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "data", "loss"),
    [
        (LogisticRegression(), wine, log_loss),
        (LogisticRegression(C=100), overlapping, log_loss),
        (glm(1, alpha=0.1), lambda: counts(1), deviance(1)),
        (glm(2, alpha=1.0), lambda: counts(2), deviance(2)),
    ],
    ids=["logistic", "logistic-weak", "poisson", "gamma"],
)
def test_group_influence_equals_refits(estimator, data, loss, weighted):
    X, y, X_test, y_test = data()
    weight = uneven_weights(len(X)) if weighted else None
    rng = np.random.default_rng(0)
    groups = np.array([rng.random(len(X)) < share for share in (0.02, 0.1, 0.5, 0.8)])
    groups[0, 3] = groups[1, 3] = True
    params = {} if weight is None else {"sample_weight": weight}
    influence = LeaveOneOutInfluence(estimator).fit(X, y, **params)
    matrix = influence.group_influence(X_test, y_test, groups=groups)
    removed = [np.flatnonzero(group) for group in groups]
    truth = influence_of(removed, estimator, X, y, X_test, y_test, loss, weight)
    assert_allclose(matrix, truth, rtol=1e-7, atol=1e-6)
    total = influence.influence(X_test, y_test)[:, groups[2]].sum(axis=1)
    assert np.abs(total - truth[:, 2]).max() > 1e-3


def test_group_that_is_a_whole_class_is_refitted():
    X, y, X_test, y_test = overlapping()
    influence = exact(LogisticRegression(), X, y)
    by_class = influence.group_influence(X_test, y_test, groups=y)
    impossible = -np.log(np.finfo(float).eps)
    for column, label in enumerate([0, 1]):
        certain = np.where(y_test == label, impossible, 0.0)
        full = log_loss(influence.estimator_, X_test, y_test)
        assert_allclose(by_class[:, column], certain - full, rtol=1e-6)


def test_group_without_which_classes_are_separable_is_refitted():
    X = np.array([-3.0, -2.0, -1.0, 2.5, 1.0, 2.0, 3.0])[:, None]
    y = np.array([0, 0, 0, 0, 1, 1, 1])  # row 3 alone makes the classes overlap
    influence = exact(LogisticRegression(C=np.inf, max_iter=10_000), X, y)
    groups = np.array([[0, 0, 0, 1, 0, 0, 1], [1, 1, 0, 0, 0, 0, 0]], dtype=bool)
    matrix = influence.group_influence(X, y, groups=groups)
    for column, group in enumerate(groups):
        without = clone(influence.estimator_).fit(X[~group], y[~group])
        expected = log_loss(without, X, y) - log_loss(influence.estimator_, X, y)
        assert_allclose(matrix[:, column], expected, rtol=1e-3, atol=1e-3)


def test_group_of_all_rows_is_refused():
    X, y, X_test, y_test = overlapping()
    influence = exact(LogisticRegression(), X, y)
    everything = np.ones((1, len(X)), dtype=bool)
    with pytest.raises(ValueError, match="'groups'.*at least one training row"):
        influence.group_influence(X_test, y_test, groups=everything)
