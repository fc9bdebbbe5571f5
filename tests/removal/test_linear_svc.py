"""LinearSVC without rows, against exact solutions of the dual and liblinear."""

import numpy as np
import pytest
import scipy.linalg as sla
from scipy.optimize import nnls
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC
from tables import scaled
from truth.weight_derivatives import derivative_by_weight

from skinfluence._losses import MarginLoss
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.kinked._kinked_squares import Hinge, minimise_squares

HINGE = MarginLoss("squared_hinge")


def solve_dual(X, code, cost, penalty):
    """Solve the dual by Lawson and Hanson's active sets: nothing shared, exact.

    ``min a'(Q + D) a / 2 - sum(a), a >= 0`` is a non-negative least squares problem,
    with ``Q = Z R^{-1} Z'``, ``Z = diag(c) X``, ``D = diag(1 / (2 cost))``.
    """
    used = cost > 0
    Z = code[used, None] * X[used]
    lifted = Z / penalty
    factor = np.linalg.cholesky(lifted @ Z.T + np.diag(1 / (2 * cost[used])))
    target = sla.solve_triangular(factor, np.ones(used.sum()), lower=True)
    dual, _ = nnls(factor.T, target, maxiter=100 * len(Z))
    return dual @ lifted


@pytest.fixture(scope="module")
def cancer():
    return scaled("breast_cancer", 250)


@pytest.fixture(scope="module")
def iris():
    X, y = scaled("iris")
    return X[::2], y[::2]


def problem(estimator, X, y, weight, class_weight):
    """Design, codes, costs and penalty as scikit-learn's documentation has them."""
    design, penalty = X, np.ones(X.shape[1])
    if estimator.fit_intercept:
        design = np.c_[X, np.ones(len(X))]
        penalty = np.r_[penalty, 1 / estimator.intercept_scaling**2]
    classes = np.unique(y)
    cost, codes = [], []
    for c in classes[1:] if len(classes) == 2 else classes:
        codes.append(np.where(y == c, 1.0, -1.0))
        rest = 1.0 if len(classes) > 2 else class_weight.get(classes[0], 1.0)
        by_class = np.where(y == c, class_weight.get(c, 1.0), rest)
        cost.append(estimator.C * by_class * weight)
    return design, np.array(codes), np.array(cost), penalty


def check(estimator, X, y, masks=None, weight=None, atol=1e-8):
    """Compare decision functions of all remaining models with the dual's."""
    estimator = clone(estimator).fit(X, y, sample_weight=weight)
    model = removal_model(estimator, X, y, weight)
    if masks is None:
        masks, removals = np.eye(len(X), dtype=bool), model.exact()
    else:
        removals = model.exact(masks=masks)
    assert len(removals.unresolved) == 0
    class_weight = estimator.class_weight or {}
    everyone = np.ones(len(X)) if weight is None else weight
    design, codes, cost, penalty = problem(estimator, X, y, everyone, class_weight)
    np.testing.assert_array_equal(design, model.design(X))
    influence = removals.influence(X, np.unique(y, return_inverse=True)[1], HINGE)
    hinges = []
    # first of all without removing anything
    masks = np.r_[np.zeros((1, len(X)), dtype=bool), masks]
    moves = np.r_[np.zeros((1, *model.theta.shape)), removals.displacement]
    for mask, move in zip(masks, moves, strict=True):
        truth = np.array(
            [
                solve_dual(design, c, np.where(mask, 0, a), penalty)
                for c, a in zip(codes, cost, strict=True)
            ]
        )
        raw = design @ truth.T
        np.testing.assert_allclose(
            design @ (model.theta + move).T, raw, rtol=0, atol=atol
        )
        hinges.append((np.maximum(0, 1 - codes.T * raw) ** 2).sum(axis=1))
    hinges = np.array(hinges)
    expected = (hinges[1:] - hinges[0]).T
    np.testing.assert_allclose(
        influence, expected, rtol=0, atol=atol * (1 + hinges.max())
    )
    return model, removals


@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_every_row_of_breast_cancer(cancer, C, fit_intercept):
    X, y = cancer
    estimator = LinearSVC(C=C, fit_intercept=fit_intercept, tol=1e-6, dual=False)
    model, removals = check(estimator, X, y)
    beyond = model.losses[0].code * (model.design.rows @ model.theta[0]) > 1
    assert beyond.any()
    assert np.all(removals.displacement[beyond] == 0)
    assert np.all(removals.displacement[~beyond].any(axis=(1, 2)))


@pytest.mark.parametrize("C", [0.1, 10])
def test_weights_and_scaled_intercept_of_one_vs_rest(iris, C):
    X, y = iris
    weight = np.random.default_rng(0).integers(0, 4, len(y)) / 2
    estimator = LinearSVC(
        C=C, intercept_scaling=3, class_weight={0: 2, 2: 0.3}, tol=1e-6, dual=False
    )
    _, removals = check(estimator, X, y, weight=weight)
    assert np.all(removals.displacement[weight == 0] == 0)


def test_class_weights_of_two_classes(cancer):
    X, y = cancer
    estimator = LinearSVC(class_weight={0: 3, 1: 0.2}, tol=1e-6, dual=False)
    check(estimator, X, y)


@pytest.mark.parametrize("dual", [True, False, "auto"])
def test_dual_and_primal_have_the_same_optimum(cancer, dual):
    X, y = cancer
    estimator = LinearSVC(C=0.01, dual=dual, tol=1e-6, max_iter=100_000, random_state=0)
    estimator.fit(X, y)
    model = removal_model(estimator, X, y)
    assert model.optimum_distance < 1e-4
    np.testing.assert_allclose(
        model.theta[0],
        np.r_[estimator.coef_[0], estimator.intercept_],
        rtol=0,
        atol=1e-4,
    )


@pytest.mark.parametrize("C", [0.01, 1])
def test_liblinear_refits_agree(C):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    estimator = LinearSVC(C=C, tol=1e-10, dual=False, max_iter=100_000).fit(X, y)
    model = removal_model(estimator, X, y)
    moves = model.exact().displacement
    largest = np.argsort(-np.abs(moves).max(axis=(1, 2)))[:5]
    for i in [*largest, 3]:
        keep = np.arange(len(X)) != i
        truth = clone(estimator).fit(X[keep], y[keep])
        raw = model.design(X) @ (model.theta + moves[i]).T
        np.testing.assert_allclose(
            raw[:, 0], truth.decision_function(X), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_groups(cancer, C):
    X, y = cancer
    shares = np.array([[0.02], [0.1], [0.3], [0.7], [0]])
    masks = np.random.default_rng(0).random((5, len(y))) < shares
    _, removals = check(LinearSVC(C=C, tol=1e-6, dual=False), X, y, masks)
    assert np.all(removals.displacement[4] == 0)


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_one_newton_step(cancer, damping):
    X, y = cancer
    model = removal_model(LinearSVC(dual=False).fit(X, y), X, y)
    moves = model.newton(damping).displacement[:, 0]
    Z, code, theta = model.design.rows, 2.0 * y - 1, model.theta[0]
    hinge = np.maximum(0, 1 - code * (Z @ theta))
    for i in np.flatnonzero(hinge)[:5]:
        left = (hinge > 0) & (np.arange(len(y)) != i)
        H = 2 * Z[left].T @ Z[left] + (1 + damping) * np.eye(Z.shape[1])
        gradient = theta - 2 * (code * hinge)[left] @ Z[left]
        np.testing.assert_allclose(moves[i], -np.linalg.solve(H, gradient), atol=1e-12)


def test_infinitesimal_is_minus_the_derivative_by_the_weight(cancer):
    X, y = cancer
    model = removal_model(LinearSVC(C=0.1, dual=False).fit(X, y), X, y)
    moves = model.first_order().displacement[:, 0]
    Z, code = model.design.rows, 2.0 * y - 1
    largest = np.argsort(-np.abs(moves).max(axis=1))[:3]
    for i in [*largest, int(np.flatnonzero(~moves.any(axis=1))[0])]:
        derivative = derivative_by_weight(
            lambda cost: solve_dual(Z, code, cost, np.ones(Z.shape[1])),
            np.full(len(y), 0.1),
            i,
        )
        np.testing.assert_allclose(moves[i], -derivative, rtol=0, atol=1e-7)


def test_step_without_newton_start_reaches_the_minimiser(cancer):
    # far from the optimum full steps would cycle: the line search must not
    X, y = cancer
    code, cost = 2.0 * y - 1, np.full(len(y), 1e3)
    penalty, start = np.ones(X.shape[1]), np.full((1, X.shape[1]), 100.0)
    theta = minimise_squares(X, Hinge(code), cost[None], penalty, start)[0]
    truth = solve_dual(X, code, cost, penalty)
    np.testing.assert_allclose(X @ theta, X @ truth, rtol=0, atol=1e-6)


def test_row_at_its_kink():
    # The first row has margin one, up to rounding: its hinge counts for nothing.
    X = np.array([[0.0], [-1.0], [2.0], [-2.0], [0.4], [0.3]])
    y = np.array([1, 0, 1, 0, 0, 1])
    for C in (0.5, 5.0):
        estimator = LinearSVC(C=C, fit_intercept=False, tol=1e-10, dual=False)
        X[0] = 1 / solve_dual(X[1:], 2.0 * y[1:] - 1, np.full(5, C), np.ones(1))
        model, removals = check(estimator, X, y)
        np.testing.assert_allclose(removals.displacement[0], 0, atol=1e-14)


@pytest.mark.filterwarnings("ignore:LinearSVC stopped early")
def test_almost_no_penalty(cancer):
    # Leverages of almost one, and a third of the rows changing sides.
    X, y = cancer
    estimator = LinearSVC(C=1e4, tol=1e-6, dual=False, max_iter=100_000)
    check(estimator, X[:60], y[:60], atol=1e-6)


def test_last_row_of_a_class_is_unresolved(iris):
    X, y = iris
    keep = np.r_[np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:1]]
    model = removal_model(LinearSVC(dual=False).fit(X[keep], y[keep]), X[keep], y[keep])
    np.testing.assert_array_equal(model.exact().unresolved, [len(keep) - 1])


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "hinge"},
        {"penalty": "l1", "dual": False},
        {"multi_class": "crammer_singer"},
    ],
)
def test_settings_without_exact_removal_are_refused(iris, params):
    X, y = iris
    estimator = LinearSVC(max_iter=100_000, **params).fit(X, y)
    name = next(iter(params))
    with pytest.raises(UnsupportedEstimator, match=rf"LinearSVC\({name}="):
        removal_model(estimator, X, y)
