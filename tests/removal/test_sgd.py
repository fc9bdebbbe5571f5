"""Stochastic gradient descent without rows, against optima of its mean objective."""

import warnings

import numpy as np
import pytest
from checks.score_refits import leave
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.preprocessing import scale
from tables import scaled
from truth.weight_derivatives import derivative_by_weight

from skinfluence import LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def cancer():
    return scaled("breast_cancer", 120, 8)


@pytest.fixture(scope="module")
def diabetes():
    X, y = scaled("diabetes")
    return X[:100], scale(y)[:100]


def mean_objective(theta, X, y, weight, alpha, classifier):
    """Mean of weighted losses over rows, as the user guide writes it; gradient."""
    w, b = theta[:-1], theta[-1]
    eta = X @ w + b
    if classifier:
        code = 2.0 * y - 1
        loss = np.logaddexp(0, -code * eta)
        slope = -code / (1 + np.exp(code * eta))
    else:
        loss, slope = (y - eta) ** 2 / 2, eta - y
    gradient = X.T @ (weight * slope) / len(y) + alpha * w
    value = weight @ loss / len(y) + alpha * w @ w / 2
    return value, np.append(gradient, (weight * slope).sum() / len(y))


def solve(X, y, weight, alpha, classifier):
    """BFGS, then Newton steps with a Hessian from differences of the gradient."""
    args = X, y, weight, alpha, classifier
    theta = minimize(
        mean_objective, np.zeros(X.shape[1] + 1), args, "BFGS", True, tol=1e-9
    ).x
    for _ in range(6):
        columns = np.eye(len(theta)) * 1e-5
        hessian = [
            (mean_objective(theta + e, *args)[1] - mean_objective(theta - e, *args)[1])
            / 2e-5
            for e in columns
        ]
        theta = theta - np.linalg.solve(hessian, mean_objective(theta, *args)[1])
    assert np.abs(mean_objective(theta, *args)[1]).max() < 1e-12
    return X @ theta[:-1] + theta[-1]


@pytest.mark.parametrize("classifier", [True, False])
@pytest.mark.parametrize("alpha", [0.3, 0.01])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_and_groups(cancer, diabetes, classifier, alpha, weighted):
    X, y = cancer if classifier else diabetes
    kind = SGDClassifier(loss="log_loss") if classifier else SGDRegressor()
    kind.set_params(alpha=alpha, random_state=0, average=True)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, len(y)) * 1.0 if weighted else None
    model = removal_model(kind.fit(X, y, sample_weight=weight), X, y, weight)
    everyone = np.ones(len(y)) if weight is None else weight
    masks = rng.random((3, len(y))) < [[0.05], [0.3], [0]]
    rows = np.r_[0:120:25] if classifier else np.r_[0:100:20]
    rows = np.r_[rows, np.flatnonzero(everyone == 0)[:1]]
    removals, groups = model.exact(tol=1e-11), model.exact(masks=masks)
    assert len(removals.unresolved) == len(groups.unresolved) == 0
    masks = np.r_[np.eye(len(y), dtype=bool)[rows], masks]
    moves = np.r_[removals.displacement[rows], groups.displacement][:, 0]
    for mask, move in zip(masks, moves, strict=True):
        keep = ~mask
        raw = solve(X[keep], y[keep], everyone[keep], alpha, classifier)
        mine = model.design.rows @ (model.theta[0] + move)
        assert_allclose(mine[keep], raw, rtol=0, atol=1e-8)


@pytest.mark.parametrize("classifier", [True, False])
def test_infinitesimal_is_minus_the_derivative_by_the_weight(
    cancer, diabetes, classifier
):
    X, y = cancer if classifier else diabetes
    kind = SGDClassifier(loss="log_loss") if classifier else SGDRegressor()
    kind.set_params(alpha=0.1, random_state=0)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = removal_model(kind.fit(X, y, sample_weight=weight), X, y, weight)
    removals = model.first_order()
    moves = removals.displacements(np.arange(len(y)))[:, 0]
    for i in (0, 31):
        derivative = derivative_by_weight(
            lambda moved: solve(X, y, moved, 0.1, classifier), weight, i
        )
        assert_allclose(model.design.rows @ moves[i], -derivative, rtol=0, atol=1e-7)


@pytest.mark.parametrize("step", ["newton", "exact"])
def test_same_as_other_solvers_of_the_objective(cancer, diabetes, step):
    # with the penalty of n - 1 rows both are the same optimum
    X, y = diabetes
    n = len(y)
    sgd = removal_model(SGDRegressor(alpha=0.1, random_state=0).fit(X, y), X, y)
    if step == "exact":
        ridge = Ridge(alpha=0.1 * (n - 1)).fit(X[1:], y[1:])
        move = sgd.exact().displacement[0]
        raw = sgd.design.rows @ (sgd.theta + move)[0]
        assert_allclose(raw, ridge.predict(X), atol=1e-9)
    else:
        rows = leave(sgd, step).displacement
        groups = leave(sgd, step, masks=np.eye(n) > 0).displacement
        assert_allclose(rows, groups, atol=1e-12)
        exact = sgd.exact().displacement  # quadratic: one step is all
        assert_allclose(rows, exact, atol=1e-10)


def test_no_penalty_and_balanced_classes(cancer):
    X, y = cancer
    sgd = SGDClassifier(
        loss="log_loss", alpha=0.05, class_weight="balanced", random_state=0
    ).fit(X, y)
    keep = np.arange(len(y)) != 3
    same = LogisticRegression(
        C=1 / (0.05 * keep.sum()),
        class_weight="balanced",
        solver="newton-cholesky",
        tol=1e-12,
    ).fit(X[keep], y[keep])
    model = removal_model(sgd, X, y)
    move = model.exact().displacements(np.array([3]))[0]
    raw = model.design.rows @ (model.theta + move)[0]
    assert_allclose(raw, same.decision_function(X), atol=1e-8)
    free = SGDRegressor(penalty=None, random_state=0, tol=1e-9)
    free.fit(X, X[:, 0] + y)
    assert not removal_model(free, X, X[:, 0] + y).penalty.any()


def test_auto_trains_again_and_exact_names_what_it_holds_fixed(cancer):
    X, y = cancer
    sgd = SGDClassifier(loss="log_loss", alpha=0.1, random_state=0)
    auto = LeaveOneOutInfluence(sgd).fit(X[:30], y[:30])
    assert auto.solver_ == "refit"
    exact = LeaveOneOutInfluence(sgd, solver="exact").fit(X, y)
    assert "SGD stops near it" in exact.fixed_steps_[0]
    assert exact.optimum_distance_ > 0


def test_distance_from_the_optimum_is_warned_of(cancer):
    X, y = cancer
    sgd = SGDClassifier(loss="log_loss", alpha=1e-3, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sgd.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="stopped early.*optimum"):
        removal_model(sgd, X, y)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (SGDClassifier, {"loss": "hinge"}),
        (SGDRegressor, {"loss": "huber"}),
        (SGDRegressor, {"penalty": "l1"}),
        (SGDRegressor, {"early_stopping": True}),
    ],
)
def test_settings_without_an_optimum_are_refused(diabetes, kind, params):
    X, y = diabetes
    target = (y > 0).astype(int) if kind is SGDClassifier else y
    estimator = kind(random_state=0, **{"loss": "squared_error"} | params)
    estimator.fit(X, target)
    with pytest.raises(UnsupportedEstimator, match=kind.__name__):
        removal_model(estimator, X, target)


def test_many_classes_are_refused(diabetes):
    X, y = diabetes
    classes = np.arange(len(y)) % 3
    sgd = SGDClassifier(loss="log_loss", random_state=0).fit(X, classes)
    with pytest.raises(UnsupportedEstimator, match="one-vs-rest"):
        removal_model(sgd, X, classes)
