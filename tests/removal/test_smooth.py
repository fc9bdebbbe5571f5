"""Smooth linear models without rows, against scikit-learn's refits."""

import warnings

import numpy as np
import pytest
from ids import short_name
from numpy.testing import assert_allclose, assert_array_equal
from refits import (
    breast_cancer,
    counts,
    deviance,
    glm,
    influence_of,
    log_loss,
    minus_prediction,
    overlapping,
    refit,
    some_rows,
    tight,
    uneven_weights,
    wine,
)
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

# Solvers that stop early warn; influence is computed at the optimum all the same.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSIFICATIONS = {"breast_cancer": breast_cancer, "wine": wine}
POWERS = [1, 1.5, 1.9, 2]

# Error that is allowed: 1e-8 of the linear predictor times the slope of the loss,
# and the noise of the refits.
LOGISTIC_ERROR = 5e-8


def exact(estimator, X, y, weight=None, **params):
    return LeaveOneOutInfluence(estimator, solver="exact", **params).fit(
        X, y, **({} if weight is None else {"sample_weight": weight})
    )


def check(estimator, data, loss, weight=None, rows=None, atol=LOGISTIC_ERROR):
    """Compare columns of the matrix, and self-influences, with refits."""
    X, y, X_test, y_test = data
    influence = exact(estimator, X, y, weight)
    assert influence.solver_ == "exact"
    assert len(influence.refitted_rows_) == 0
    matrix = influence.influence(X_test, y_test)
    own = influence.self_influence()
    if rows is None:
        rows = some_rows(matrix)
    everything = np.concatenate([X_test, X]), np.concatenate([y_test, y])
    singles = [[i] for i in rows]
    truth = influence_of(singles, estimator, X, y, *everything, loss, weight)
    assert_allclose(matrix[:, rows], truth[: len(X_test)], rtol=0, atol=atol)
    diagonal = truth[len(X_test) + np.asarray(rows), np.arange(len(rows))]
    assert_allclose(own[rows], diagonal, rtol=0, atol=atol)
    return influence, matrix


# -------------------------------------------------------------- logistic regression


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_logistic_influence_is_that_of_refits(name, C, weighted, intercept):
    data = CLASSIFICATIONS[name]()
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = LogisticRegression(C=C, fit_intercept=intercept, max_iter=1000)
    influence, matrix = check(estimator, data, log_loss, weight)
    if weighted:
        assert_array_equal(matrix[:, 3], 0.0)
    assert np.abs(matrix).max() > 1e3 * LOGISTIC_ERROR


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100, 1e4])
@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_every_logistic_influence_is_that_of_refits(name, C, weighted):
    data = CLASSIFICATIONS[name]()
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = LogisticRegression(C=C, max_iter=1000)
    rows = np.arange(len(data[0]))
    check(estimator, data, log_loss, weight, rows, atol=1e-6)


@pytest.mark.parametrize("scaling", [1.0, 0.2, 30.0])
@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_liblinear_penalises_its_intercept(C, scaling):
    X, y, X_test, y_test = wine()
    estimator = LogisticRegression(
        C=C, solver="liblinear", intercept_scaling=scaling, tol=1e-8, max_iter=10_000
    )
    influence = exact(estimator, X, y)
    assert influence.optimum_distance_ < 1e-4
    matrix = influence.influence(X_test, y_test)
    rows = some_rows(matrix)

    def with_constant(X):
        return np.column_stack([X, np.full(len(X), scaling)])

    truth = influence_of(
        [[i] for i in rows],
        LogisticRegression(C=C, fit_intercept=False),
        with_constant(X),
        y,
        with_constant(X_test),
        y_test,
        log_loss,
    )
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=LOGISTIC_ERROR)
    free = exact(LogisticRegression(C=C), X, y).influence(X_test, y_test)
    assert np.abs(matrix - free).max() > 1e-6


@pytest.mark.parametrize(
    "solver", ["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"]
)
def test_every_solver_gives_the_same_influence(solver):
    X, y, X_test, y_test = wine()
    params = {"fit_intercept": False, "C": 10.0, "random_state": 0}
    expected = exact(LogisticRegression(**params), X, y).influence(X_test, y_test)
    estimator = LogisticRegression(solver=solver, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        influence = exact(estimator, X, y)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=0, atol=LOGISTIC_ERROR)
    fitted = influence.estimator_.decision_function(X)
    optimum = refit(estimator.set_params(solver="lbfgs"), X, y).decision_function(X)
    distance = np.abs(fitted - optimum).max()
    assert influence.optimum_distance_ == pytest.approx(distance, rel=1e-3, abs=1e-7)


def test_solver_that_stops_early_is_reported():
    X, y, X_test, y_test = wine()
    params = {"C": 100.0, "max_iter": 3}
    with pytest.warns(UserWarning, match="stopped early.*predictions are up to"):
        influence = exact(LogisticRegression(**params), X, y)
    assert influence.optimum_distance_ > 0.1
    expected = exact(LogisticRegression(C=100.0, max_iter=1000), X, y)
    assert_allclose(
        influence.influence(X_test, y_test),
        expected.influence(X_test, y_test),
        rtol=0,
        atol=LOGISTIC_ERROR,
    )


def test_class_weights_multiply_sample_weights():
    X, y, X_test, y_test = data = wine()
    weight = uneven_weights(len(X))
    class_weight = {0: 3.0, 1: 0.25}
    estimator = LogisticRegression(class_weight=class_weight)
    _, matrix = check(estimator, data, log_loss, weight)
    product = weight * np.where(y == 0, 3.0, 0.25)
    plain = exact(LogisticRegression(), X, y, product).influence(X_test, y_test)
    assert_allclose(matrix, plain, rtol=0, atol=LOGISTIC_ERROR)


def test_balanced_class_weights_follow_the_remaining_rows():
    X, y, X_test, y_test = overlapping()
    estimator = tight(LogisticRegression(class_weight="balanced"))
    influence = LeaveOneOutInfluence(estimator).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    rows = some_rows(matrix)
    singles = [[i] for i in rows]
    truth = influence_of(singles, estimator, X, y, X_test, y_test, log_loss)
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=LOGISTIC_ERROR)


def test_penalty_chosen_by_cross_validation_is_held_fixed():
    X, y, X_test, y_test = data = overlapping()
    params = {
        "Cs": [0.03, 1.0],
        "cv": 3,
        "l1_ratios": (0,),
        "use_legacy_attributes": False,
    }
    estimator = LogisticRegressionCV(scoring="neg_log_loss", **params)
    influence = exact(estimator, X, y)
    assert influence.fixed_steps_ == ["C_ of LogisticRegressionCV"]
    C = float(np.ravel(influence.estimator_.C_)[0])
    _, expected = check(LogisticRegression(C=C), data, log_loss)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=0, atol=LOGISTIC_ERROR)
    auto = LeaveOneOutInfluence(estimator).fit(X[:20], y[:20])
    assert auto.solver_ == "refit"
    assert auto.fixed_steps_ == []


@pytest.mark.parametrize("params", [{"C": np.inf}, {"penalty": None}])
@pytest.mark.filterwarnings("ignore:.*penalty.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*penalty.*:UserWarning")
def test_no_penalty_where_classes_overlap(params):
    data = overlapping()
    estimator = LogisticRegression(tol=1e-8, max_iter=10_000, **params)
    check(estimator, data, log_loss, atol=2e-7)


def test_separable_classes_without_penalty_are_refitted():
    X, y, X_test, y_test = wine()  # separable
    estimator = LogisticRegression(C=np.inf)
    with pytest.raises(UnsupportedEstimator, match="separable.*solver='refit'"):
        exact(estimator, X[:30], y[:30])
    influence = LeaveOneOutInfluence(estimator).fit(X[:30], y[:30])
    assert influence.solver_ == "refit"
    assert np.isfinite(influence.influence(X_test, y_test)).all()


def test_row_without_which_classes_are_separable_is_refitted():
    X = np.array([-3.0, -2.0, -1.0, 2.5, 1.0, 2.0, 3.0])[:, None]
    y = np.array([0, 0, 0, 0, 1, 1, 1])  # row 3 alone makes the classes overlap
    estimator = LogisticRegression(C=np.inf, max_iter=10_000)
    influence = exact(estimator, X, y)
    assert influence.refitted_rows_.tolist() == [3]
    matrix = influence.influence(X, y)
    assert np.isfinite(matrix).all()
    assert np.isfinite(influence.self_influence()).all()
    kept = np.arange(7) != 3
    without = clone(estimator).fit(X[kept], y[kept])
    full = influence.estimator_
    expected = log_loss(without, X, y) - log_loss(full, X, y)
    assert_allclose(matrix[:, 3], expected, rtol=1e-6, atol=1e-6)


def test_row_that_is_alone_in_its_class_is_refitted():
    X, y, X_test, y_test = overlapping()
    y = np.zeros_like(y)
    y[5] = 1
    influence = exact(LogisticRegression(), X, y)
    assert influence.refitted_rows_.tolist() == [5]
    y_test = np.zeros_like(y_test)
    y_test[:3] = 1
    matrix = influence.influence(X_test, y_test)
    assert np.isfinite(matrix).all()
    assert np.isfinite(influence.self_influence()).all()
    # Without it the other class is certain: its probability counts as epsilon.
    certain = np.where(y_test == 1, -np.log(np.finfo(float).eps), 0.0)
    full = log_loss(influence.estimator_, X_test, y_test)
    assert_allclose(matrix[:, 5], certain - full, rtol=1e-6)


def test_dependent_columns():
    X, y, X_test, y_test = overlapping()

    def dependent(X):
        return np.column_stack([X, X[:, 0] + X[:, 1], np.ones(len(X))])

    data = dependent(X), y, dependent(X_test), y_test
    check(LogisticRegression(C=10), data, log_loss)
    with pytest.raises(UnsupportedEstimator, match="columns depend"):
        exact(LogisticRegression(C=np.inf), data[0], y)


def test_far_away_columns_change_nothing():
    X, y, X_test, y_test = data = overlapping()
    _, expected = check(LogisticRegression(), data, log_loss)
    rows = some_rows(expected)
    shift = 1e6 * np.array([1.0, -1.0, 0.0, 0.5])
    moved = exact(LogisticRegression(), X + shift, y)
    assert_allclose(
        moved.influence(X_test + shift, y_test)[:, rows], expected[:, rows], atol=1e-7
    )


def test_columns_of_different_scales():
    X, y, X_test, y_test = overlapping()
    scale = np.array([1e-3, 1.0, 30.0, 1e3])
    data = X * scale, y, X_test * scale, y_test
    check(LogisticRegression(C=1.0), data, log_loss, atol=2e-7)


def test_duplicate_rows_have_equal_influence():
    X, y, X_test, y_test = overlapping()
    X, y = np.concatenate([X, X[:9]]), np.concatenate([y, y[:9]])
    _, matrix = check(LogisticRegression(), (X, y, X_test, y_test), log_loss)
    assert_allclose(matrix[:, -9:], matrix[:, :9], rtol=0, atol=1e-9)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 70)), np.arange(40) % 2
    data = X[:30], y[:30], X[30:], y[30:]
    check(LogisticRegression(C=0.1), data, log_loss)


def test_pipeline_with_fixed_steps_is_the_last_step_on_transformed_rows():
    X, y, X_test, y_test = overlapping()
    X, X_test = X * [1, 5, 0.2, 1] + 3, X_test * [1, 5, 0.2, 1] + 3
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    held = InfluenceFunctions(estimator, step="newton").fit(X, y)
    assert held.fixed_steps_ == ["standardscaler"]
    scale = StandardScaler().fit(X).transform
    plain = InfluenceFunctions(LogisticRegression(), step="newton").fit(scale(X), y)
    expected = plain.influence(scale(X_test), y_test)
    assert_allclose(held.influence(X_test, y_test), expected)


def test_pipeline_is_refitted_as_a_whole_by_default():
    X, y, X_test, y_test = overlapping()
    X, X_test = X[:50] * [1, 5, 0.2, 1] + 3, X_test * [1, 5, 0.2, 1] + 3
    y = y[:50]
    estimator = make_pipeline(StandardScaler(), tight(LogisticRegression(C=0.1)))
    influence = LeaveOneOutInfluence(estimator).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    truth = influence_of(
        [[i] for i in range(50)], estimator, X, y, X_test, y_test, log_loss
    )
    assert_allclose(matrix, truth, rtol=0, atol=LOGISTIC_ERROR)
    assert influence.fixed_steps_ == []
    scale = StandardScaler().fit(X).transform
    held = exact(estimator[-1], scale(X), y).influence(scale(X_test), y_test)
    assert np.abs(held - truth).max() > 1e-4


# ------------------------------------------------------- Poisson, Gamma and Tweedie


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 1.0])
@pytest.mark.parametrize("power", POWERS)
def test_glm_influence_is_that_of_refits(power, alpha, weighted, intercept):
    data = counts(power)
    weight = uneven_weights(len(data[0])) if weighted else None
    estimator = glm(power, alpha=alpha, fit_intercept=intercept)
    _, matrix = check(estimator, data, deviance(power), weight, atol=1e-6)
    if weighted:
        assert_array_equal(matrix[:, 3], 0.0)
    assert np.abs(matrix).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("power", POWERS)
def test_every_glm_influence_is_that_of_refits(power, weighted):
    data = counts(power)
    weight = uneven_weights(len(data[0])) if weighted else None
    rows = np.arange(len(data[0]))
    check(glm(power, alpha=0.1), data, deviance(power), weight, rows, atol=1e-6)


@pytest.mark.parametrize("power", POWERS)
def test_one_row_holds_most_of_the_weight(power):
    data = counts(power)
    weight = np.random.default_rng(0).random(len(data[0]))
    weight[7] = 4 * weight.sum()
    for alpha in (1e-2, 10.0):
        rows = [0, 7, 30, 31]
        estimator = glm(power, alpha=alpha)
        check(estimator, data, deviance(power), weight, rows, atol=1e-6)


def test_glm_without_penalty():
    check(PoissonRegressor(alpha=0), counts(1), deviance(1), atol=1e-6)


def test_row_takes_its_share_of_the_penalty_of_a_mean():
    X, y, X_test, y_test = counts(1)
    matrix = exact(PoissonRegressor(alpha=5.0), X, y).influence(X_test, y_test)
    n, wrong = len(X), PoissonRegressor(alpha=5.0 * len(X) / (len(X) - 1))
    full = deviance(1)(refit(PoissonRegressor(alpha=5.0), X, y), X_test, y_test)
    model = refit(wrong, X, y, without=[n // 2])
    unshared = deviance(1)(model, X_test, y_test) - full
    assert np.abs(matrix[:, n // 2] - unshared).max() > 1e-5


@pytest.mark.parametrize("power", [1, 2])
def test_without_targets_the_prediction_itself_is_explained(power):
    X, y, X_test, _ = counts(power)
    estimator = glm(power, alpha=0.1)
    matrix = exact(estimator, X, y).influence(X_test)
    rows = some_rows(matrix, 4, 4)
    truth = influence_of(
        [[i] for i in rows], estimator, X, y, X_test, None, minus_prediction
    )
    assert_allclose(matrix[:, rows], truth, rtol=0, atol=1e-6)


def test_last_positive_count_has_finite_influence():
    X, _, X_test, y_test = counts(1)
    y = np.zeros(len(X))
    y[11] = 3.0  # without it every prediction should be zero
    influence = LeaveOneOutInfluence(PoissonRegressor(alpha=1.0)).fit(X, y)
    assert np.isfinite(influence.self_influence()).all()
    matrix = influence.influence(X_test, y_test)
    assert np.isfinite(matrix).all()
    assert (matrix[y_test > 0, 11] > 1).all()
    assert (matrix[y_test == 0, 11] < 0).all()


@pytest.mark.parametrize("params", [{"power": 0}, {"power": 3}, {"power": -1}])
def test_powers_without_a_convex_objective_are_refused(params):
    X, y, _, _ = counts(2)
    estimator = TweedieRegressor(link="log", **params)
    with pytest.raises(UnsupportedEstimator, match="power.*1 <= power <= 2"):
        exact(estimator, X, y)


# ------------------------------------------------------------------------- tolerance


def test_looser_tolerance_costs_accuracy_and_keeps_its_promise():
    X, y, X_test, y_test = wine()
    estimator = LogisticRegression(C=1.0)
    reference = exact(estimator, X, y, tol=1e-12).influence(X_test, y_test)
    errors = [
        np.abs(exact(estimator, X, y, tol=tol).influence(X_test, y_test) - reference)
        for tol in (1e-3, 1e-6, 1e-9)
    ]
    for error, tol in zip(errors, (1e-3, 1e-6, 1e-9), strict=True):
        assert error.max() <= tol
    assert errors[0].max() > 1e-8


# ---------------------------------------------------------------------------- groups


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
def test_group_influence_is_that_of_refits(estimator, data, loss, weighted):
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


# ------------------------------------------------------------ the first-order estimate


def finite_difference(estimator, X, y, weight, row, X_test, y_test, loss, eps=1e-3):
    """Minus s_i times the derivative of the loss with respect to s_i."""
    losses = []
    for factor in (1 + eps, 1 - eps):
        moved = weight.copy()
        moved[row] *= factor
        losses.append(loss(refit(estimator, X, y, moved), X_test, y_test))
    return -(losses[0] - losses[1]) / (2 * eps)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("estimator", "data", "loss"),
    [
        (LogisticRegression(C=0.01), breast_cancer, log_loss),
        (LogisticRegression(), breast_cancer, log_loss),
        (LogisticRegression(C=10), overlapping, log_loss),
        (LogisticRegression(fit_intercept=False), overlapping, log_loss),
        *(
            (
                glm(power, alpha=alpha),
                lambda power=power: counts(power),
                deviance(power),
            )
            for power in POWERS
            for alpha in (0.01, 1.0)
        ),
    ],
    ids=short_name,
)
def test_infinitesimal_step_is_the_derivative(estimator, data, loss, weighted):
    X, y, X_test, y_test = data()
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    influence = InfluenceFunctions(estimator).fit(X, y, sample_weight=weight)
    matrix = influence.influence(X_test, y_test)
    own = influence.self_influence()
    for row in some_rows(matrix, 3, 2):
        args = estimator, X, y, weight, row
        truth = finite_difference(*args, X_test, y_test, loss)
        scale = np.abs(matrix).max()
        assert_allclose(matrix[:, row], truth, rtol=1e-4, atol=1e-5 * scale)
        truth = finite_difference(*args, X[[row]], y[[row]], loss)
        assert_allclose(own[row], truth[0], rtol=1e-4, atol=1e-5 * scale)


def test_infinitesimal_step_follows_the_slope_of_the_chosen_loss():
    X, y, X_test, y_test = overlapping()

    def brier(model, X, y):
        return (model.predict_proba(X)[:, 1] - y) ** 2

    estimator = LogisticRegression()
    influence = InfluenceFunctions(estimator, loss="brier").fit(X, y)
    matrix = influence.influence(X_test, y_test)
    for row in some_rows(matrix, 2, 2):
        weight = np.ones(len(X))
        truth = finite_difference(estimator, X, y, weight, row, X_test, y_test, brier)
        assert_allclose(
            matrix[:, row], truth, rtol=1e-4, atol=1e-6 * np.abs(matrix).max()
        )


@pytest.mark.parametrize("power", [1, 2])
def test_infinitesimal_step_of_the_prediction_itself(power):
    X, y, X_test, _ = counts(power)
    estimator = glm(power, alpha=0.1)
    matrix = InfluenceFunctions(estimator).fit(X, y).influence(X_test)
    weight = np.ones(len(X))
    for row in (0, 50):
        truth = finite_difference(
            estimator, X, y, weight, row, X_test, None, minus_prediction
        )
        assert_allclose(matrix[:, row], truth, rtol=1e-4, atol=1e-6)


def test_infinitesimal_group_is_the_sum():
    X, y, X_test, y_test = counts(1)
    weight = uneven_weights(len(X))
    influence = InfluenceFunctions(PoissonRegressor(alpha=0.3))
    influence.fit(X, y, sample_weight=weight)
    groups = np.arange(len(X)) % 4
    result = influence.group_influence(X_test, y_test, groups=groups)
    matrix = influence.influence(X_test, y_test)
    expected = np.stack([matrix[:, groups == g].sum(axis=1) for g in range(4)], axis=1)
    assert_allclose(result, expected, rtol=1e-9, atol=1e-12)


# ----------------------------------------------------------------- one Newton step


def newton_step(theta, X, y, weight, penalty, derivatives, damping=0.0):
    """Move by one Newton step of the weighted objective, from the definition."""
    first, second = derivatives(X @ theta, y)
    gradient = X.T @ (weight * first) + penalty * theta
    hessian = (X * (weight * second)[:, None]).T @ X + np.diag(penalty + damping)
    return theta - np.linalg.solve(hessian, gradient)


def logistic_derivatives(eta, y):
    p = expit(eta)
    return p - y, p * (1 - p)


def poisson_derivatives(eta, y):
    return np.exp(eta) - y, np.exp(eta)


@pytest.mark.parametrize("damping", [0.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_newton_step_of_logistic_regression(weighted, damping):
    X, y, X_test, y_test = overlapping()
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    estimator = LogisticRegression(C=2.0, fit_intercept=False)
    influence = InfluenceFunctions(estimator, step="newton", damping=damping)
    influence.fit(X, y, sample_weight=weight)
    theta = refit(estimator, X, y, weight).coef_[0]
    sign = np.where(y_test == 1, -1.0, 1.0)
    before = np.logaddexp(0, sign * (X_test @ theta))
    expected = np.empty((len(X_test), len(X)))
    for i in range(len(X)):
        left = weight * (np.arange(len(X)) != i)
        moved = newton_step(
            theta, X, y, left, 0.5, logistic_derivatives, damping * np.ones(4)
        )
        expected[:, i] = np.logaddexp(0, sign * (X_test @ moved)) - before
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=1e-6, atol=1e-9)
    alone = influence.group_influence(X_test, y_test, groups=np.arange(len(X)))
    assert_allclose(alone, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_newton_step_of_a_penalty_on_a_mean(weighted):
    X, y, X_test, y_test = counts(1)
    weight = uneven_weights(len(X)) if weighted else np.ones(len(X))
    estimator = PoissonRegressor(alpha=0.3, fit_intercept=False)
    influence = InfluenceFunctions(estimator, step="newton")
    influence.fit(X, y, sample_weight=weight)
    theta = refit(estimator, X, y, weight).coef_

    def loss(theta):
        eta = X_test @ theta
        return 2 * (np.exp(eta) - y_test * eta)

    expected = np.empty((len(X_test), len(X)))
    for i in range(len(X)):
        left = weight * (np.arange(len(X)) != i)
        penalty = 0.3 * left.sum() * np.ones(5)
        moved = newton_step(theta, X, y, left, penalty, poisson_derivatives)
        expected[:, i] = loss(moved) - loss(theta)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix, expected, rtol=1e-6, atol=1e-7)
    own = influence.self_influence()
    assert_allclose(own, np.diag(influence.influence(X, y)), rtol=1e-6, atol=1e-9)


def test_newton_step_is_closer_than_the_first_order():
    X, y, X_test, y_test = wine()
    truth = exact(LogisticRegression(), X, y).influence(X_test, y_test)
    error = {
        step: np.abs(
            InfluenceFunctions(LogisticRegression(), step=step)
            .fit(X, y)
            .influence(X_test, y_test)
            - truth
        ).max()
        for step in ("infinitesimal", "newton")
    }
    assert 1e-6 < error["newton"] < error["infinitesimal"]
