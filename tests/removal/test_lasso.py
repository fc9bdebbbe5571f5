"""Lasso and elastic net without rows, against coordinate descent polished exactly."""

from functools import partial

import numpy as np
import pytest
from checks.score_refits import leave
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsIC,
)
from sklearn.preprocessing import scale
from truth.weight_derivatives import derivative_by_weight

from skinfluence._losses import SquaredError
from skinfluence.removal import removal_model
from skinfluence.removal.kinked._l1 import minimise
from skinfluence.removal.kinked._l1_piece import Piece

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    noise = np.random.default_rng(0).standard_normal((len(y), 8))
    return scale(np.c_[X, noise])[:200], y[:200]


def solve(estimator, X, y, weight):
    """Signs from coordinate descent, then the linear system they define.

    Nothing is centred and no row is downdated; the optimality conditions are checked.
    """
    l1_ratio = getattr(estimator, "l1_ratio", 1.0)
    descent = ElasticNet(
        alpha=estimator.alpha,
        l1_ratio=l1_ratio,
        fit_intercept=estimator.fit_intercept,
        positive=estimator.positive,
        tol=1e-11,
        max_iter=100_000,
    ).fit(X, y, sample_weight=weight)
    Z = np.c_[X, np.ones(len(X))] if estimator.fit_intercept else X
    sign = np.zeros(Z.shape[1])
    sign[: X.shape[1]] = np.sign(descent.coef_)
    used = sign != 0
    if estimator.fit_intercept:
        used[-1] = True
    l1 = estimator.alpha * weight.sum() * l1_ratio
    l2 = np.full(Z.shape[1], estimator.alpha * weight.sum() * (1 - l1_ratio))
    l2[X.shape[1] :] = 0
    A = Z[:, used]
    theta = np.zeros(Z.shape[1])
    theta[used] = np.linalg.solve(
        A.T @ (weight[:, None] * A) + np.diag(l2[used]),
        A.T @ (weight * y) - l1 * sign[used],
    )
    gradient = Z.T @ (weight * (Z @ theta - y)) + l2 * theta
    gradient = np.where(theta != 0, gradient + l1 * sign, gradient)[: X.shape[1]]
    size = np.abs(Z.T @ (weight * y)).max() + l1
    assert np.all(np.sign(theta[: X.shape[1]]) == sign[: X.shape[1]])
    inside = theta[: X.shape[1]] != 0
    assert np.all(np.abs(gradient[inside]) < 1e-9 * size)
    beyond = -gradient if estimator.positive else np.abs(gradient)
    assert np.all(beyond[~inside] < l1 + 1e-9 * size)
    return Z @ theta


def check(estimator, X, y, weight=None, rows=None, masks=None):
    """Compare predictions of all remaining models; return model and removals."""
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    everyone = np.ones(len(y)) if weight is None else weight
    if masks is None:
        removals = model.exact()
        rows = np.arange(len(y)) if rows is None else rows
        masks, moves = np.eye(len(y), dtype=bool)[rows], removals.displacement[rows]
    else:
        removals = model.exact(masks=masks)
        moves = removals.displacement
    assert len(removals.unresolved) == 0
    for mask, move in zip(masks, moves, strict=True):
        raw = np.empty(len(y))
        keep = ~mask & (everyone > 0)
        truth = solve(
            estimator,
            np.r_[X[keep], X],
            np.r_[y[keep], y],
            np.r_[everyone[keep], np.full(len(y), 1e-300)],
        )
        raw = truth[keep.sum() :]
        mine = model.design.rows @ (model.theta[0] + move[0])
        assert_allclose(mine, raw, rtol=0, atol=1e-9 * np.abs(y).max())
    return model, removals


def largest(moves, n=6):
    """The rows that move most, and some others."""
    order = np.abs(moves).max(axis=(1, 2)).argsort()
    return np.r_[order[-n:], order[:: len(order) // n]]


@pytest.mark.parametrize("alpha", [0.05, 1.0, 8.0])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_rows_of_diabetes(diabetes, alpha, l1_ratio, weighted, fit_intercept):
    X, y = diabetes
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 4, len(y)) / 1.5 if weighted else None
    estimator = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept)
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    rows = largest(model.exact().displacement)
    _, removals = check(estimator, X, y, weight, rows)
    if weighted:
        assert np.all(removals.displacement[weight == 0] == 0)


def conditions(model, weight, y, mask, theta, k=0):
    """Largest violation of the optimality conditions, relative to their terms."""
    s = np.where(mask, 0.0, weight)
    share = s.sum() / weight.sum()
    X = model.design.rows
    gradient = X.T @ (s * (X @ theta - y)) + share * model.l2 * theta
    l1 = share * model.l1
    beyond = np.where(
        (theta != 0) | model.free,
        np.abs(gradient + l1 * np.sign(theta)),
        np.maximum(np.abs(gradient) - l1, 0),
    )
    return (beyond / np.abs(X.T @ (s * y)).max()).max()


@pytest.mark.parametrize("alpha", [0.02, 0.3, 2])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.2])
def test_optimality_of_every_row(diabetes, alpha, l1_ratio):
    # the objective is convex: these conditions are the proof
    X, y = diabetes
    weight = np.random.default_rng(2).uniform(0.2, 2, len(y))
    estimator = ElasticNet(alpha=alpha, l1_ratio=l1_ratio)
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    removals = model.exact()
    assert len(removals.unresolved) == 0
    signs = set()
    for i, move in enumerate(removals.displacement[:, 0]):
        theta = model.theta[0] + move
        assert conditions(model, weight, y, np.arange(len(y)) == i, theta) < 1e-12
        signs.add(tuple(np.sign(theta)))
    assert len(signs) > 1


@pytest.mark.parametrize("alpha", [0.1, 2])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.2])
@pytest.mark.parametrize("positive", [False, True])
def test_signs_are_followed_for_all_rows_at_once(
    diabetes, alpha, l1_ratio, positive, monkeypatch
):
    # minimising rows one by one would hide an error in the steps between signs
    def alone(self, row):
        raise AssertionError(f"row {row} was minimised alone")

    X, y = diabetes
    weight = np.random.default_rng(2).uniform(0.2, 2, len(y))
    estimator = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, positive=positive)
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    monkeypatch.setattr(Piece, "_alone", alone)
    moves = model.exact().displacement
    assert len(np.unique(np.sign(model.theta + moves[:, 0]), axis=0)) > 1


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 80)), rng.standard_normal(30)
    for alpha in (0.02, 0.1, 0.3):
        check(Lasso(alpha=alpha), X, y)
        check(ElasticNet(alpha=alpha, l1_ratio=0.3), X, y)


def test_every_row_of_small_random_problems():
    # dependent columns, leverages of one, all signs changing
    rng = np.random.default_rng(0)
    for trial in range(60):
        n, p = rng.integers(4, 30), rng.integers(1, 40)
        X = rng.standard_normal((n, p)) if trial % 2 else rng.integers(0, 3, (n, p))
        X, y = X * 1.0, rng.standard_normal(n)
        weight = rng.uniform(0.1, 2, n)
        estimator = ElasticNet(
            alpha=10 ** rng.uniform(-4, 0), l1_ratio=rng.choice([1.0, 0.3])
        ).fit(X, y, sample_weight=weight)
        model = removal_model(estimator, X, y, weight)
        removals = model.exact()
        assert len(removals.unresolved) <= 1
        for i in np.setdiff1d(np.arange(n), removals.unresolved):
            theta = model.theta[0] + removals.displacement[i, 0]
            assert conditions(model, weight, y, np.arange(n) == i, theta) < 1e-9


def test_groups(diabetes):
    X, y = diabetes
    rng = np.random.default_rng(3)
    masks = rng.random((6, len(y))) < np.array([0.02, 0.1, 0.3, 0.5, 0.8, 0])[:, None]
    for weight in (None, rng.uniform(0, 2, len(y))):
        _, removals = check(Lasso(alpha=1.0), X, y, weight, masks=masks)
        assert np.all(removals.displacement[5] == 0)
        check(ElasticNet(alpha=0.1, l1_ratio=0.5), X, y, weight, masks=masks)


def test_positive_coefficients(diabetes):
    X, y = diabetes
    for params in ({"alpha": 0.5}, {"alpha": 0.3, "l1_ratio": 0.2}):
        kind = ElasticNet if "l1_ratio" in params else Lasso
        estimator = kind(positive=True, **params)
        model = removal_model(estimator.fit(X, y), X, y)
        moves = model.exact().displacement
        assert (model.theta[0] + moves[:, 0])[:, :-1].min() == 0
        check(estimator, X, y, rows=largest(moves, 10))


def test_outputs_are_problems_of_their_own(diabetes):
    X, y = diabetes
    both = np.c_[y, X[:, 0] * 30 + y[::-1]]
    together = removal_model(Lasso().fit(X, both), X, both).exact().displacement
    for k in range(2):
        alone = removal_model(Lasso().fit(X, both[:, k]), X, both[:, k])
        expected = alone.exact().displacement[:, 0]
        assert_allclose(together[:, k], expected, rtol=0, atol=1e-10)


def test_duplicated_rows_and_columns(diabetes):
    X, y = diabetes
    X, y = X[:60], y[:60]
    doubled, targets = np.r_[X, X[:5]], np.r_[y, y[:5]]
    model, removals = check(Lasso(alpha=1.0), doubled, targets)
    moves = removals.displacement
    assert_allclose(moves[:5], moves[60:], rtol=0, atol=1e-10)
    # The coefficients are not unique then, but predictions are.
    twice = np.c_[X, X[:, :4]]
    removals = removal_model(Lasso(alpha=1.0).fit(twice, y), twice, y).exact()
    single = removal_model(Lasso(alpha=1.0).fit(X, y), X, y).exact()
    resolved = np.setdiff1d(np.arange(60), removals.unresolved)
    assert len(resolved) > 50
    loss, target = SquaredError(), y[:, None]
    assert_allclose(
        removals.influence(twice, target, loss)[:, resolved],
        single.influence(X, target, loss)[:, resolved],
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_infinitesimal_is_minus_the_derivative_by_the_weight(diabetes, l1_ratio):
    X, y = diabetes
    weight = np.random.default_rng(4).uniform(0.5, 2, len(y))
    estimator = ElasticNet(alpha=1.0, l1_ratio=l1_ratio)
    model = removal_model(estimator.fit(X, y, sample_weight=weight), X, y, weight)
    moves = model.first_order().displacement[:, 0]
    for i in largest(moves[:, None], 3):
        derivative = derivative_by_weight(partial(solve, estimator, X, y), weight, i)
        assert_allclose(model.design.rows @ moves[i], -derivative, rtol=1e-5, atol=1e-5)


def test_newton_is_exact_while_signs_hold(diabetes):
    X, y = diabetes
    weight = np.random.default_rng(5).uniform(0.5, 2, len(y))
    model = removal_model(
        ElasticNet(alpha=0.5).fit(X, y, sample_weight=weight), X, y, weight
    )
    exact, newton = (
        leave(model, step).displacement[:, 0] for step in ("exact", "newton")
    )
    held = (np.sign(model.theta[0] + exact) == np.sign(model.theta[0])).all(axis=1)
    assert 50 < held.sum() < len(y)
    assert_allclose(newton[held], exact[held], rtol=0, atol=1e-9)
    assert np.abs(newton[~held] - exact[~held]).max() > 1e-6


def test_chosen_penalties_are_held_fixed(diabetes):
    X, y = diabetes
    for chosen, fixed in (
        (LassoCV(cv=3).fit(X, y), Lasso()),
        (LassoLarsIC().fit(X, y), Lasso()),
        (ElasticNetCV(cv=3, l1_ratio=[0.3, 0.9]).fit(X, y), ElasticNet()),
    ):
        fixed.set_params(alpha=chosen.alpha_)
        if isinstance(fixed, ElasticNet) and not isinstance(fixed, Lasso):
            fixed.set_params(l1_ratio=chosen.l1_ratio_)
        model = removal_model(chosen, X, y)
        assert any("alpha_" in name for name in model.held_fixed)
        expected = removal_model(fixed.fit(X, y), X, y).exact()
        actual = model.exact().displacement
        assert_allclose(actual, expected.displacement, rtol=0, atol=1e-9)
    lars = removal_model(LassoLars(alpha=0.7).fit(X, y), X, y)
    assert lars.optimum_distance < 1e-8
    expected = removal_model(Lasso(alpha=0.7).fit(X, y), X, y).exact()
    actual = lars.exact().displacement
    assert_allclose(actual, expected.displacement, rtol=0, atol=1e-9)


def test_no_column_is_in_use_at_the_largest_penalty(diabetes):
    X, y = diabetes
    model, removals = check(Lasso(alpha=1e3), X, y)
    assert np.all(model.theta[0, :-1] == 0)
    expected = (y - y.mean()) / (len(y) - 1)  # the mean without each row
    assert_allclose(removals.displacement[:, 0, -1], -expected, atol=1e-12)


def test_search_from_a_wrong_start():
    rng = np.random.default_rng(0)
    for p in (3, 12, 40):
        A = rng.standard_normal((p + 5, p))
        H, pull = A.T @ A, 3 * rng.standard_normal(p)
        for positive in (False, True):
            l1, free = np.full(p, 1.0), np.arange(p) == 0
            l1[0] = 0
            ends = [
                minimise(H, pull, l1, free, start, positive)
                for start in (np.zeros(p), 100 * rng.standard_normal(p))
            ]
            assert_allclose(ends[0], ends[1], rtol=0, atol=1e-9)
            gradient = H @ ends[0] - pull
            inside = (ends[0] != 0) | free
            sign = np.sign(ends[0])
            assert_allclose(gradient[inside], -(l1 * sign)[inside], atol=1e-10)
            slack = -gradient if positive else np.abs(gradient)
            assert np.all(slack[~inside] <= 1 + 1e-10)
