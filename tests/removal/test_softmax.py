"""Multinomial logistic regression without rows, against scikit-learn's refits."""

import numpy as np
import pytest
from checks.score_refits import leave
from scipy.optimize import check_grad, linprog
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from tables import first, scaled
from truth.weight_derivatives import derivative_by_weight

from skinfluence._losses import LogLoss
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.smooth._quasi_newton import SecantPairs, range_radius
from skinfluence.removal.smooth._softmax_objective import SoftmaxObjective


def refit(estimator, X, y, weight, left_in):
    weight = None if weight is None else weight[left_in]
    tight = clone(estimator).set_params(
        solver="newton-cholesky", tol=1e-12, max_iter=10_000
    )
    return tight.fit(X[left_in], y[left_in], sample_weight=weight)


def centred(logits):
    return logits - logits.mean(axis=-1, keepdims=True)


def check_rows(estimator, X, y, X_test, y_test, weight=None, rows=None):
    """Compare logits and log losses of all remaining models with refits.

    Agreement is mostly to 1e-9, but now and then scikit-learn's line search fails
    on the last digits and leaves it to lbfgs.
    """
    estimator = clone(estimator).set_params(tol=1e-5, max_iter=10_000)
    estimator.fit(X, y, sample_weight=weight)
    model = removal_model(estimator, X, y, weight)
    removals = model.exact(tol=1e-9)
    assert len(removals.unresolved) == 0
    influence = removals.influence(X_test, y_test, LogLoss())
    own = removals.own_influence(y, LogLoss())
    assert np.isfinite(influence).all()
    full = refit(estimator, X, y, weight, np.ones(len(X), dtype=bool))
    start = log_softmax(full.decision_function(np.r_[X_test, X]), axis=1)
    if rows is None:
        rows = range(len(X))
    for i in rows:
        left_in = np.arange(len(X)) != i
        truth = refit(estimator, X, y, weight, left_in)
        theta = model.theta + removals.displacement[i]
        logits = truth.decision_function(X_test)
        np.testing.assert_allclose(
            centred(model.design(X_test) @ theta.T), centred(logits), rtol=0, atol=1e-6
        )
        change = start - log_softmax(truth.decision_function(np.r_[X_test, X]), axis=1)
        at_test = change[np.arange(len(X_test)), y_test]
        np.testing.assert_allclose(influence[:, i], at_test, rtol=0, atol=1e-6)
        np.testing.assert_allclose(
            own[i], change[len(X_test) + i, y[i]], rtol=0, atol=1e-6
        )
    return removals


@pytest.fixture(scope="module")
def wine():
    return scaled("wine")


@pytest.fixture(scope="module")
def iris():
    return first("iris")


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_every_row_of_wine(wine, C):
    X, y = wine
    check_rows(LogisticRegression(C=C), X, y, X[::3], y[::3])


@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_iris(iris, C, fit_intercept, weighted):
    X, y = iris
    weight = np.random.default_rng(0).integers(0, 4, len(y)) / 2 if weighted else None
    estimator = LogisticRegression(C=C, fit_intercept=fit_intercept)
    rows = np.arange(0, len(X), 6)
    removals = check_rows(estimator, X, y, X[1::3], y[1::3], weight, rows)
    if weighted:
        assert np.all(removals.displacement[weight == 0] == 0)


def most_influential(estimator, X, y, n_rows):
    estimator = clone(estimator).set_params(tol=1e-5, max_iter=10_000).fit(X, y)
    removals = removal_model(estimator, X, y).exact()
    own = np.abs(removals.own_influence(y, LogLoss()))
    return np.argsort(-own)[:n_rows]


@pytest.mark.filterwarnings("ignore:LogisticRegression stopped early")
@pytest.mark.slow
@pytest.mark.parametrize("C", [0.01, 100])
def test_digits(C):
    X, y = load_digits(return_X_y=True)
    X, estimator = X / 16, LogisticRegression(C=C)
    rows = np.r_[most_influential(estimator, X, y, 2), 17]
    check_rows(estimator, X, y, X[::9], y[::9], rows=rows)


@pytest.mark.slow
@pytest.mark.parametrize("C", [0.01, 1])
def test_many_rows_of_digits(C):
    X, y = load_digits(return_X_y=True)
    estimator = LogisticRegression(C=C)
    check_rows(estimator, X / 16, y, X[::9] / 16, y[::9], rows=range(0, len(X), 8))


def noisy_classes(n=90, seed=0):
    """Three classes that overlap, so that there is an optimum without penalty."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    noise = rng.gumbel(size=(n, 3))
    y = (X @ rng.standard_normal((2, 3)) + noise).argmax(axis=1)
    return X, y


@pytest.mark.parametrize("collinear", [False, True])
def test_no_penalty(collinear):
    X, y = noisy_classes()
    if collinear:  # predictions stay unique, coefficients do not
        X = np.c_[X, X[:, 0] - 2 * X[:, 1] + 3]
    estimator = LogisticRegression(C=np.inf, tol=1e-8).fit(X, y)
    model = removal_model(estimator, X, y)
    removals = model.exact()
    assert len(removals.unresolved) == 0
    for i in range(0, len(X), 10):
        keep = np.arange(len(X)) != i
        truth = clone(estimator).set_params(tol=1e-9, max_iter=10_000)
        truth.fit(X[keep], y[keep])
        theta = model.theta + removals.displacement[i]
        np.testing.assert_allclose(
            centred(model.design(X) @ theta.T),
            centred(truth.decision_function(X)),
            atol=1e-6,
        )


def test_separable_without_penalty_is_refused(iris):
    X, y = iris
    estimator = LogisticRegression(C=np.inf).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="separable"):
        removal_model(estimator, X, y)


def test_row_that_leaves_separable_classes_is_unresolved():
    # class 2 and the others overlap through the last row alone
    X = np.array([[-2.0], [-1], [-1.2], [0.1], [-0.7], [3], [4], [5], [-1.1]])
    y = np.array([0, 0, 1, 1, 0, 2, 2, 2, 2])
    estimator = LogisticRegression(C=np.inf, max_iter=1000).fit(X, y)
    model = removal_model(estimator, X, y)
    removals = model.exact()
    assert 8 in removals.unresolved
    assert np.all(removals.displacement[8] == 0)
    assert np.isfinite(removals.displacement).all()
    groups = model.exact(masks=np.eye(9, dtype=bool))
    np.testing.assert_array_equal(groups.unresolved, removals.unresolved)


def separable(X, y):
    """Tell by linear programming whether some direction only raises likelihoods."""
    Z = np.c_[X, np.ones(len(X))]
    n_classes = y.max() + 1
    gains = []
    for c in range(n_classes):
        others = np.flatnonzero(y != c)
        gain = np.zeros((len(others), n_classes, Z.shape[1]))
        gain[range(len(others)), y[others]] = Z[others]
        gain[:, c] -= Z[others]
        gains.append(gain.reshape(len(others), -1))
    gains = np.concatenate(gains)
    best = linprog(-gains.sum(axis=0), -gains, np.zeros(len(gains)), bounds=(-1, 1))
    return -best.fun > 1e-7


@pytest.mark.parametrize(
    ("n", "seed"), [(20, 3), (20, 22), (20, 35), (20, 39), (30, 1), (30, 29), (30, 30)]
)
def test_unresolved_are_the_rows_that_keep_classes_from_being_separable(n, seed):
    X, y = noisy_classes(n, seed)
    alone = [separable(np.delete(X, i, 0), np.delete(y, i)) for i in range(len(X))]
    estimator = LogisticRegression(C=np.inf, max_iter=1000).fit(X, y)
    if separable(X, y):
        with pytest.raises(UnsupportedEstimator):
            removal_model(estimator, X, y)
        return
    removals = removal_model(estimator, X, y).exact()
    np.testing.assert_array_equal(removals.unresolved, np.flatnonzero(alone))


@pytest.mark.parametrize("step", ["exact", "newton"])
def test_set_that_alone_determines_a_direction_is_unresolved(step):
    X, y = noisy_classes()
    X = np.c_[X, np.zeros(len(X))]
    pair = [np.flatnonzero(y == 0)[0], np.flatnonzero(y == 1)[0]]
    triple = [*pair, np.flatnonzero(y == 2)[0]]
    X[triple, 2] = 1.0
    model = removal_model(LogisticRegression(C=np.inf, tol=1e-6).fit(X, y), X, y)
    masks = np.zeros((2, len(X)), dtype=bool)
    masks[0, triple], masks[1, 5:9] = True, True
    masks[1, triple] = False
    removals = leave(model, step, masks=masks)
    np.testing.assert_array_equal(removals.unresolved, [0])
    assert np.isfinite(removals.displacement).all()


def test_damped_newton_steps_reach_the_minimiser_from_afar(wine):
    X, y = wine
    objective = SoftmaxObjective(X, y, np.ones(len(y)), np.full(13, 0.1), 3)
    near = objective.minimise(np.zeros((3, 13)), np.ones(len(y)))
    start = np.random.default_rng(0).normal(scale=30, size=(3, 13))
    far = objective.minimise(start, np.ones(len(y)))
    np.testing.assert_allclose(far, near, atol=1e-9)


def test_last_row_of_a_class_is_unresolved(wine):
    X, y = wine
    keep = np.r_[np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:1]]
    X, y = X[keep], y[keep]
    model = removal_model(LogisticRegression().fit(X, y), X, y)
    np.testing.assert_array_equal(model.exact().unresolved, [len(X) - 1])
    masks = np.zeros((2, len(X)), dtype=bool)
    masks[0, :3], masks[1, -2:] = True, True
    np.testing.assert_array_equal(model.exact(masks=masks).unresolved, [1])


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_groups(wine, C):
    X, y = wine
    weight = np.random.default_rng(1).uniform(0.2, 2, len(y))
    weight[5] = 0
    estimator = LogisticRegression(C=C, tol=1e-6).fit(X, y, sample_weight=weight)
    model = removal_model(estimator, X, y, weight)
    masks = np.random.default_rng(0).random((6, len(y))) < np.array(
        [[0.02], [0.1], [0.3], [0.6], [0], [0]]
    )
    masks[5, 5] = True  # a row without weight
    removals = model.exact(tol=1e-9, masks=masks)
    assert len(removals.unresolved) == 0
    for mask, move in zip(masks, removals.displacement, strict=True):
        truth = refit(estimator, X, y, weight, ~mask)
        np.testing.assert_allclose(
            centred(model.design(X) @ (model.theta + move).T),
            centred(truth.decision_function(X)),
            rtol=0,
            atol=1e-6,
        )
    assert np.all(removals.displacement[4:] == 0)


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_one_newton_step(iris, damping):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    estimator = LogisticRegression(C=0.5).fit(X, y, sample_weight=weight)
    model = removal_model(estimator, X, y, weight)
    moves = model.newton(damping).displacement
    Z, theta = model.design.rows, model.theta
    P = np.exp(log_softmax(Z @ theta.T, axis=1))
    penalty = np.full(Z.shape[1], 2.0)
    penalty[-1] = 0
    for i in (0, 70, 149):
        s = weight.copy()
        s[i] = 0
        gradient = (s[:, None] * (P - np.eye(3)[y])).T @ Z + theta * penalty
        curvature = s[:, None, None] * (
            P[:, :, None] * np.eye(3) - P[:, :, None] * P[:, None, :]
        )
        H = np.einsum("jcd,ja,jb->cadb", curvature, Z, Z).reshape(15, 15)
        H += np.diag(np.tile(penalty + damping, 3))
        # the minimum-norm solution is the one that leaves the gauge alone
        step = -np.linalg.lstsq(H, gradient.ravel(), rcond=1e-12)[0].reshape(3, 5)
        np.testing.assert_allclose(moves[i], step, atol=1e-9)


def test_infinitesimal_is_minus_the_derivative_by_the_weight(wine):
    X, y = wine
    estimator = LogisticRegression(C=1).fit(X, y)
    model = removal_model(estimator, X, y)
    removals = model.first_order()
    influence = removals.influence(X[::5], y[::5], LogLoss())

    def losses(weight):
        truth = refit(estimator, X, y, weight, np.ones(len(y), dtype=bool))
        return -truth.predict_log_proba(X[::5])[np.arange(len(y[::5])), y[::5]]

    for i in (0, 62, 100, 177):
        derivative = derivative_by_weight(losses, np.ones(len(y)), i, 1e-3)
        np.testing.assert_allclose(influence[:, i], -derivative, rtol=0, atol=1e-7)


def test_unconverged_model_is_polished(wine):
    X, y = wine
    with pytest.warns(UserWarning, match="max_iter|ITERATIONS"):
        estimator = LogisticRegression(max_iter=3).fit(X, y)
    with pytest.warns(UserWarning, match="stopped early"):
        model = removal_model(estimator, X, y)
    truth = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    gap = centred(estimator.decision_function(X) - truth.decision_function(X))
    np.testing.assert_allclose(model.optimum_distance, np.abs(gap).max(), rtol=1e-6)
    assert model.optimum_distance > 0.01


@pytest.mark.parametrize("left_out", [None, np.array([3, 60, 60])])
def test_gradient_and_value_of_moved_models_agree(wine, left_out):
    X, y = wine[0].copy(), wine[1]
    rng = np.random.default_rng(0)
    weight = rng.uniform(0, 1, len(y))
    weight[0], X[0] = 0, 1e3  # what has no weight does not count as moved
    X[60] *= 10
    objective = SoftmaxObjective(X, y, weight, np.full(13, 0.3), 3)
    theta = rng.standard_normal((3, 13))
    start = objective.start_state(theta)
    first = rng.standard_normal((3, 3, 13))

    def value(x, k):
        moves = np.zeros((3, 3, 13))
        moves[k] = x.reshape(3, 13)
        return objective.moved(moves, start, first, weight, left_out)[1][k]

    def gradient(x, k):
        moves = np.zeros((3, 3, 13))
        moves[k] = x.reshape(3, 13)
        return objective.moved(moves, start, first, weight, left_out)[0][k].ravel()

    moves = rng.standard_normal((3, 3, 13))
    width = np.ptp(np.einsum("kcp,jp->kjc", moves, X), axis=2)
    width[:, 0] = 0
    if left_out is not None:
        width[range(3), left_out] = 0
    zeta = objective.moved(moves, start, first, weight, left_out)[2]
    np.testing.assert_allclose(zeta, width.max(axis=1))
    for k in range(3):
        assert check_grad(value, gradient, rng.standard_normal(39), k) < 1e-4


@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_certificate_holds_and_is_tight(wine, C):
    # loose tolerances stop early: the error must be below them, and not far
    X, y = wine
    model = removal_model(LogisticRegression(C=C, tol=1e-6).fit(X, y), X, y)
    exact = model.exact(tol=1e-11).displacement
    ratios = []
    for tol in np.logspace(-2, -6, 9):
        loose = model.exact(tol=tol).displacement
        error = np.einsum("icp,tp->itc", loose - exact, model.design.rows)
        ratios.append(np.ptp(error, axis=2).max() / tol)
    assert 0.2 < max(ratios) <= 1


def test_secant_pairs_reproduce_the_last_move():
    rng = np.random.default_rng(0)
    metric = np.diag(rng.uniform(0.5, 2, 6))
    pairs = SecantPairs()
    for _ in range(3):
        move = rng.standard_normal((4, 6))
        change = move @ np.diag(rng.uniform(0.5, 2, 6))
        pairs.append(move, change, change @ metric, np.ones(4, dtype=bool))
    np.testing.assert_allclose(pairs.direction(change, change @ metric), -move)
    # symmetric, as every inverse Hessian
    a, b = rng.standard_normal((2, 4, 6))
    np.testing.assert_allclose(
        np.einsum("md,md->m", a, pairs.direction(b, b @ metric)),
        np.einsum("md,md->m", b, pairs.direction(a, a @ metric)),
    )


def test_range_radius():
    assert range_radius(0.0, 0.0, 1.0) == 0
    np.testing.assert_allclose(range_radius(1e-9, 0.0, 2.0), 2e-9)
    assert range_radius(0.4, 1.0, 1.0) == np.inf
    assert range_radius(1.0, 1e9, 1.0) == np.inf
