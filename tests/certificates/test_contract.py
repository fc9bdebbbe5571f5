"""The contract of `influence_bounds` and `group_influence_bounds`."""

import warnings

import numpy as np
import pytest
from certified_cases import Case, breast_cancer, diabetes, wine
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import (
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestCentroid,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC, LinearSVR
from truth import extended_precision as wide
from truth.losses import row_losses

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator

WIDE = np.longdouble
METHODS = [
    LeaveOneOutInfluence,
    InfluenceFunctions,
    lambda model, **kw: InfluenceFunctions(model, step="newton", **kw),
]


def table(n=40, d=3, seed=0, classes=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = ((X[:, 0] + rng.normal(size=n) > 0) + (classes - 2) * (X[:, 1] > 0)).astype(int)
    return X, y


def inside(truth, bounds, width=np.inf):
    lower, upper = bounds
    assert lower.shape == upper.shape == truth.shape
    assert not np.isnan([lower, upper]).any()
    assert ((lower <= truth) & (truth <= upper)).all()
    assert np.median(upper - lower) <= width


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (LogisticRegression(), "log_loss"),
        (LogisticRegression(), "brier"),
        (LogisticRegression(), "zero_one"),
        (LinearSVC(), "zero_one"),
        (LinearSVC(), "auto"),
        (RidgeClassifier(), "auto"),
        (Ridge(), "squared_error"),
        (Ridge(), "absolute_error"),
        (LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.1), "auto"),
        (PoissonRegressor(), "auto"),
        (PoissonRegressor(), "squared_error"),
    ],
)
def test_the_exact_influence_is_inside(model, loss, method):
    if loss == "zero_one" and method is METHODS[1]:
        return  # no slope
    X, y = table(classes=2)
    exact = LeaveOneOutInfluence(model, loss=loss, tol=1e-12).fit(X, y)
    fitted = method(model, loss=loss).fit(X, y)
    groups = np.arange(40) % 5
    for y_test in (y[:9], None):
        slack = 1e-9  # of what is inside: it is a number, not an interval
        found = exact.influence(X[:9], y_test)
        lower, upper = fitted.influence_bounds(X[:9], y_test)
        assert (lower - slack <= found).all()
        assert (found <= upper + slack).all()
        found = exact.group_influence(X[:9], y_test, groups=groups)
        lower, upper = fitted.group_influence_bounds(X[:9], y_test, groups=groups)
        assert lower.shape == (9, 5)
        assert (lower - slack <= found).all()
        assert (found <= upper + slack).all()


@pytest.mark.parametrize("step", ["newton", "infinitesimal"])
def test_steps_of_several_classes_have_narrow_bounds(step):
    """Those that move the model far, too: one pass, or their own minimisers."""
    X, y = wine()
    model = LogisticRegression(tol=1e-8, max_iter=5000)
    influence = InfluenceFunctions(model, step=step).fit(X, y)
    exact = LeaveOneOutInfluence(model, tol=1e-12).fit(X, y)
    lower, upper = influence.influence_bounds(X[::6], y[::6])
    size = np.abs(lower + upper) / 2
    assert np.median((upper - lower) / size) < 0.005
    assert (upper - lower).max() < 1.0
    truth = exact.influence(X[::6], y[::6])
    assert ((lower - 1e-9 <= truth) & (truth <= upper + 1e-9)).all()
    groups = np.arange(len(y)) % 60
    lower, upper = influence.group_influence_bounds(X[::6], y[::6], groups=groups)
    truth = exact.group_influence(X[::6], y[::6], groups=groups)
    assert ((lower - 1e-9 <= truth) & (truth <= upper + 1e-9)).all()
    assert np.median(upper - lower) < 0.01


def test_labels_and_masks_give_equal_bounds():
    X, y = table()
    loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, y)
    labels = np.arange(40) % 4
    masks = labels == np.arange(4)[:, None]
    by_labels = loo.group_influence_bounds(X, y, groups=labels)
    by_masks = loo.group_influence_bounds(X, y, groups=masks)
    np.testing.assert_array_equal(by_labels, by_masks)


def test_the_empty_group_has_no_influence_and_all_rows_are_refused():
    X, y = table()
    weight = np.ones(40)
    weight[3] = 0.0
    loo = LeaveOneOutInfluence(LogisticRegression()).fit(X, y, sample_weight=weight)
    masks = np.zeros((2, 40), dtype=bool)
    masks[1, 3] = True
    np.testing.assert_array_equal(loo.group_influence_bounds(X, y, groups=masks), 0)
    lower, upper = loo.influence_bounds(X, y)
    np.testing.assert_array_equal([lower[:, 3], upper[:, 3]], 0)
    with pytest.raises(ValueError, match="at least one training row"):
        loo.group_influence_bounds(X, y, groups=np.ones((1, 40), dtype=bool))


@pytest.mark.parametrize("method", METHODS)
def test_the_last_row_of_a_class(method):
    X, y = table()
    y[:] = np.arange(40) == 7
    fitted = method(LogisticRegression(tol=1e-10)).fit(X, y)
    lower, upper = fitted.influence_bounds(X, y)
    loss = -np.log(fitted.predict_proba(X)[np.arange(40), y])
    cap = -np.log(np.finfo(float).eps)
    np.testing.assert_allclose(lower[:, 7], -loss, rtol=1e-3)
    np.testing.assert_allclose(upper[:, 7], cap - loss, rtol=1e-3)


def test_tighter_polishing_is_narrower():
    X, y = breast_cancer()
    case = LogisticRegression(max_iter=1000)
    loose = LeaveOneOutInfluence(case, tol=1e-2).fit(X, y)
    tight = LeaveOneOutInfluence(case, tol=1e-10).fit(X, y)
    widths = [np.ptp(m.influence_bounds(X, y), axis=0).max() for m in (loose, tight)]
    assert widths[1] <= 2e-10 < 1e-7 < widths[0] <= 2e-2


@pytest.mark.parametrize("step", ["infinitesimal", "newton"])
@pytest.mark.parametrize("C", [1.0])
def test_a_priori_intervals_are_a_few_percent_wide(step, C):
    X, y = breast_cancer()
    model = InfluenceFunctions(LogisticRegression(C=C, max_iter=1000), step=step)
    lower, upper = model.fit(X, y).influence_bounds(X[::4], y[::4])
    size = np.abs(lower + upper) / 2
    assert np.median((upper - lower) / size) < 0.05


def test_duplicated_columns_and_no_penalty_are_refused():
    X, y = table()
    X = np.column_stack([X, X[:, 0]])
    for method in METHODS:
        with pytest.raises(UnsupportedEstimator, match="depend on each other"):
            method(LinearRegression()).fit(X, y).influence_bounds(X, y)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (RandomForestClassifier(5), "retraining returns has no proof"),
        (HuberRegressor(), "Concomitant models have no certificate"),
        (Lasso(), "L1Quadratic models have no certificate"),
        (SVC(), "retraining returns has no proof|no certificate"),
    ],
)
def test_models_without_a_proof(model, reason):
    X, y = table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loo = LeaveOneOutInfluence(model).fit(X, y)
    with pytest.raises(TypeError, match=reason):
        loo.influence_bounds(X, y)
    with pytest.raises(TypeError, match=reason):
        loo.group_influence_bounds(X, y, groups=y)


def test_refits_and_losses_of_your_own_have_no_proof():
    X, y = table()
    refit = LeaveOneOutInfluence(LogisticRegression(), solver="refit").fit(X, y)
    with pytest.raises(TypeError, match="solver='exact' or 'auto'"):
        refit.influence_bounds(X, y)

    def loss(y, p):
        return 1 - p[np.arange(len(y)), y]

    own = LeaveOneOutInfluence(LogisticRegression(), loss=loss).fit(X, y)
    with pytest.raises(TypeError, match="a loss of your own"):
        own.influence_bounds(X, y)


@pytest.mark.parametrize("sparse_rows", [False, True])
def test_more_columns_than_rows(sparse_rows):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(15, 25)), np.arange(15) % 2
    case = Case("wide", LogisticRegression(C=0.5), X, y)
    truth = case.truth([[i] for i in range(15)], X * 2, y)
    if sparse_rows:
        X = sparse.csr_array(X)
    for method in METHODS:
        inside(truth, method(case.estimator).fit(X, y).influence_bounds(X * 2, y))


def test_several_outputs_and_penalties():
    X, y = diabetes()
    X, Y = X[:50, :4], np.column_stack([y[:50], X[:50, 5]])
    fitted = LeaveOneOutInfluence(Ridge(alpha=np.array([1.0, 10.0]))).fit(X, Y)
    sets = [[i] for i in range(50)]
    truth = 0
    one = np.column_stack([X, np.ones(50)])
    for k, alpha in enumerate([1.0, 10.0]):
        penalty = np.r_[np.full(4, alpha), 0]
        args = one, Y[:, k], np.ones(50), penalty, sets, one, Y[:, k]
        truth = truth + wide.influences(wide.Squared(), *args) / 2
    inside(truth, fitted.influence_bounds(X, Y), 1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_classes(weighted):
    X, y = table(30)
    s = np.random.default_rng(0).choice([1.0, 2.0], 30) if weighted else np.ones(30)
    model = LogisticRegression(class_weight="balanced")
    fitted = LeaveOneOutInfluence(model).fit(X, y, sample_weight=s)
    with pytest.raises(TypeError, match="class_weight='balanced'"):
        InfluenceFunctions(model).fit(X, y).influence_bounds(X, y)
    masks = np.concatenate([np.eye(30, dtype=bool), (np.arange(30) % 4 == [[0], [1]])])
    weights = np.where(np.vstack([np.zeros((1, 30), bool), masks]), 0.0, s)
    weights = weights.astype(WIDE)
    sizes = np.stack([weights[:, y == c].sum(axis=1) for c in (0, 1)], axis=1)
    weights *= (weights.sum(axis=1)[:, None] / (2 * sizes))[:, y]
    one = np.column_stack([X, np.ones(30)])
    penalties = np.tile(np.r_[np.ones(3), 0], (len(weights), 1))
    theta = wide.minimisers(one, y, weights, penalties, wide.Logistic())
    losses = wide.Logistic().loss(one.astype(WIDE) @ theta.T, y[:, None])
    truth = losses[:, 1:] - losses[:, :1]
    inside(truth[:, :30], fitted.influence_bounds(X, y), 1e-7)
    bounds = fitted.group_influence_bounds(X, y, groups=masks[30:])
    inside(truth[:, 30:], bounds, 1e-7)


@pytest.mark.parametrize("C", [0.1, 10.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_scaler_that_is_fitted_again(C, classes):
    X, y = table(30, classes=classes)
    X[0] *= 5
    X = X * [1, 10, 0.1] + [0, 50, 0]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C))
    fitted = LeaveOneOutInfluence(model).fit(X, y)
    masks = np.concatenate([np.eye(30, dtype=bool), (np.arange(30) % 3 == [[0], [1]])])
    losses = []
    for mask in [np.zeros(30, bool), *masks]:
        kept = X[~mask].astype(WIDE)
        mean = kept.mean(axis=0)
        scaled = (X.astype(WIDE) - mean) / np.sqrt(((kept - mean) ** 2).mean(axis=0))
        one = np.column_stack([scaled, np.ones(30)])
        weight = np.where(mask, 0.0, 1.0)[None]
        penalty = np.r_[np.full(3, 1 / WIDE(C)), 0]
        if classes == 2:
            args = one, y, weight, penalty[None], wide.Logistic()
            loss = wide.Logistic().loss(one @ wide.minimisers(*args)[0], y)
        else:
            theta = wide.softmax_minimisers(one, y, weight, penalty)
            loss = wide.softmax_losses(one, y, theta)[:, 0]
        losses.append(loss)
    truth = np.stack(losses[1:], axis=1) - losses[0][:, None]
    inside(truth[:, :30], fitted.influence_bounds(X, y), 1e-7)
    bounds = fitted.group_influence_bounds(X, y, groups=masks[30:])
    inside(truth[:, 30:], bounds, 1e-7)


def test_a_scaler_before_ridge_regression():
    X, _ = table(25)
    X, y = X * [1, 10, 0.1] + [0, 50, 0], X[:, 0] + X[:, 1] ** 2
    fitted = LeaveOneOutInfluence(make_pipeline(StandardScaler(), Ridge(2.0))).fit(X, y)
    losses = []
    for gone in [[], *([i] for i in range(25))]:
        weight = np.ones((1, 25))
        weight[0, gone] = 0.0
        kept = np.delete(X, gone, axis=0).astype(WIDE)
        mean = kept.mean(axis=0)
        scaled = (X.astype(WIDE) - mean) / np.sqrt(((kept - mean) ** 2).mean(axis=0))
        one = np.column_stack([scaled, np.ones(25)])
        args = one, y, weight, np.array([[2.0, 2.0, 2.0, 0.0]]), wide.Squared()
        losses.append(wide.Squared().loss(one @ wide.minimisers(*args)[0], y))
    truth = np.stack(losses[1:], axis=1) - losses[0][:, None]
    inside(truth, fitted.influence_bounds(X, y), 1e-7)


@pytest.mark.parametrize("classes", [2, 3])
def test_single_steps_hold_the_scaler_fixed(classes):
    X, y = table(30, classes=classes)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=2.0))
    fitted = InfluenceFunctions(model).fit(X * [1, 10, 0.1], y)
    assert fitted.fixed_steps_ == ["standardscaler"]
    scaled = fitted.estimator_[:-1].transform(X * [1, 10, 0.1])
    case = Case("scaled", LogisticRegression(C=2.0), scaled, y)
    truth = case.truth([[i] for i in range(30)], scaled, y)
    inside(truth, fitted.influence_bounds(X * [1, 10, 0.1], y))


def test_nearest_centroids_have_none():
    X, y = table()
    loo = LeaveOneOutInfluence(NearestCentroid()).fit(X, y)
    with pytest.raises(TypeError, match="NearestCentroids models have no"):
        loo.influence_bounds(X, y)


@pytest.mark.parametrize("model", [GaussianNB(), KNeighborsClassifier(3)])
def test_rows_that_change_a_step_of_a_pipeline_have_no_bounds(model):
    """The row alone has the largest value of its column, which MinMaxScaler learns."""
    X, y = table()
    X[:, 2] = np.where(np.arange(40) == 7, 5, np.arange(40) % 2)
    loo = LeaveOneOutInfluence(make_pipeline(MinMaxScaler(), model)).fit(X, y)
    lower, upper = loo.influence_bounds(X, y)
    found = loo.influence(X, y)
    assert ((lower <= found + 1e-12) & (found <= upper + 1e-12)).all()
    assert (upper[:, 7] - lower[:, 7] > 36).all()
    assert np.median(upper - lower) < 1e-10


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(3),
        KNeighborsClassifier(4, weights="distance"),
        KNeighborsRegressor(3),
        RadiusNeighborsRegressor(1.0),
    ],
)
def test_neighbours(model):
    X, y = table(20)
    if not hasattr(model, "predict_proba"):
        y = X[:, 0] * 1.7
    fitted = LeaveOneOutInfluence(model).fit(X, y)
    masks = np.concatenate([np.eye(20, dtype=bool), np.arange(20) % 4 == [[0], [1]]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that have no neighbour
        whole = fitted.estimator_
        losses = [
            row_losses(clone(model).fit(X[kept], y[kept]), X, y, full=whole)
            for kept in ~masks
        ]
        truth = np.array(losses).T - row_losses(whole, X, y)[:, None]
    known = ~np.isnan(truth)
    for part, bounds in (
        (slice(0, 20), fitted.influence_bounds(X, y)),
        (slice(20, None), fitted.group_influence_bounds(X, y, groups=masks[20:])),
    ):
        lower, upper = bounds
        assert not np.isnan(bounds).any()
        assert (lower <= truth[:, part])[known[:, part]].all()
        assert (truth[:, part] <= upper)[known[:, part]].all()
        assert np.median(upper - lower) < 1e-10
