"""Balanced class weights with sample weights: by hand, by refits, by differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import (
    InfluenceFunctions,
    LeaveOneOutInfluence,
    RepresenterPoints,
    case_diagnostics,
)
from skinfluence.removal import removal_model

N = 40
RNG = np.random.default_rng(3)
X = RNG.normal(size=(N + 5, 3))
NOISE = RNG.normal(size=N + 5)
LABELS = {
    2: np.where(X[:, 0] + NOISE > 0.8, "rare", "common"),
    3: np.array(["a", "b", "c"])[(X[:, 0] + NOISE > 0.5) + 1 * (X[:, 1] > 0.6)],
}
UNEVEN = RNG.uniform(0.3, 3.0, N)
FREQUENCIES = RNG.integers(1, 4, N).astype(float)

TIGHT = {"tol": 1e-13, "max_iter": 1000, "solver": "newton-cholesky"}
MODELS = {
    "logistic": (LogisticRegression(C=2.0, **TIGHT), 2),
    "multinomial": (LogisticRegression(C=2.0, **TIGHT), 3),
    "l1": (
        LogisticRegression(C=1.0, l1_ratio=1, solver="liblinear", tol=1e-13),
        2,
    ),
    "ridge": (RidgeClassifier(3.0, solver="svd"), 2),
    "ridge, three classes": (RidgeClassifier(3.0, solver="svd"), 3),
    "svc": (LinearSVC(C=0.3, tol=1e-12, max_iter=10**6), 2),
    "svc, three classes": (LinearSVC(C=0.3, tol=1e-12, max_iter=10**6), 3),
}


def balance(estimator):
    """Return a copy with balanced class weights."""
    return clone(estimator).set_params(class_weight="balanced")


def row_losses(model, X, y):
    """Log loss, or squared (hinge) losses of margins, summed over classes."""
    if hasattr(model, "predict_proba"):
        p = model.predict_proba(X)
        return -np.log(p[np.arange(len(y)), np.searchsorted(model.classes_, y)])
    margin = model.decision_function(X).reshape(len(y), -1)
    signs = 2.0 * (y[:, None] == model.classes_) - 1
    signs = signs[:, 1:] if margin.shape[1] == 1 else signs
    short = 1 - signs * margin
    if isinstance(model, LinearSVC):
        short = np.maximum(short, 0)
    return (short**2).sum(axis=1)


def fit(estimator, y, weight, kept=None):
    """Fit on the rows that are kept."""
    kept = np.arange(N) if kept is None else kept
    return clone(estimator).fit(X[kept], y[kept], sample_weight=weight[kept])


def class_weights(estimator, y, weight):
    """Of every row, by hand: ridge regression counts rows, the others weigh them."""
    size = np.ones(N) if isinstance(estimator, RidgeClassifier) else weight
    classes = np.unique(y)
    sums = np.array([size[y == c].sum() for c in classes])
    return (size.sum() / (len(classes) * sums))[np.searchsorted(classes, y)]


models = pytest.mark.parametrize(("estimator", "k"), MODELS.values(), ids=MODELS)
weights = pytest.mark.parametrize(
    "weight", [UNEVEN, FREQUENCIES], ids=["uneven", "frequencies"]
)


@models
def test_formulas_by_hand_agree_with_scikit_learn(estimator, k):
    """Were this to fail, scikit-learn would have changed its convention."""
    y = LABELS[k][:N]
    if k == 3 and isinstance(estimator, LinearSVC):
        return  # its class weight is that of the one class only: see below
    by_hand = UNEVEN * class_weights(estimator, y, UNEVEN)
    assert_allclose(
        fit(balance(estimator), y, UNEVEN).coef_,
        fit(estimator, y, by_hand).coef_,
        atol=1e-6,
    )


@models
@weights
def test_leave_one_out_equals_refits(estimator, k, weight):
    y, y_test = LABELS[k][:N], LABELS[k][N:]
    estimator = balance(estimator)
    loo = LeaveOneOutInfluence(estimator).fit(X[:N], y, sample_weight=weight)
    assert loo.solver_ == "exact"
    assert len(loo.refitted_rows_) == 0
    whole = row_losses(fit(estimator, y, weight), X[N:], y_test)
    expected = [
        row_losses(fit(estimator, y, weight, np.delete(np.arange(N), i)), X[N:], y_test)
        - whole
        for i in range(N)
    ]
    assert_allclose(loo.influence(X[N:], y_test), np.transpose(expected), atol=1e-6)
    masks = np.zeros((3, N), dtype=bool)
    masks[0, :5] = masks[1, 10:20] = masks[2, [7]] = True
    expected = [
        row_losses(fit(estimator, y, weight, np.flatnonzero(~m)), X[N:], y_test) - whole
        for m in masks
    ]
    got = loo.group_influence(X[N:], y_test, groups=masks)
    assert_allclose(got, np.transpose(expected), atol=1e-6)


def test_behind_a_scaler_that_is_refitted():
    y, y_test = LABELS[2][:N], LABELS[2][N:]
    estimator = make_pipeline(StandardScaler(), balance(MODELS["logistic"][0]))
    name = "logisticregression__sample_weight"
    loo = LeaveOneOutInfluence(estimator).fit(X[:N], y, **{name: FREQUENCIES})
    assert loo.solver_ == "exact"
    got = loo.influence(X[N:], y_test)
    whole = row_losses(
        clone(estimator).fit(X[:N], y, **{name: FREQUENCIES}), X[N:], y_test
    )
    for i in (0, 7, 31):
        kept = np.delete(np.arange(N), i)
        left = clone(estimator).fit(X[kept], y[kept], **{name: FREQUENCIES[kept]})
        assert_allclose(got[:, i], row_losses(left, X[N:], y_test) - whole, atol=1e-7)


def test_many_weights_are_refitted_unless_exact_is_asked_for():
    n = 130
    rows, y = RNG.normal(size=(n, 2)), np.arange(n) % 2
    weight = np.linspace(1, 2, n)
    estimator = balance(LogisticRegression())
    loo = LeaveOneOutInfluence(estimator).fit(rows, y, sample_weight=weight)
    assert loo.solver_ == "refit"
    exact = LeaveOneOutInfluence(estimator, solver="exact")
    exact.fit(rows, y, sample_weight=weight)
    assert exact.solver_ == "exact"
    got = exact.influence(rows[:5], y[:5])
    assert np.corrcoef(got.ravel(), loo.influence(rows[:5], y[:5]).ravel())[0, 1] > 0.99


def test_the_last_of_its_class():
    y = LABELS[2][:N].copy()
    y[:] = "common"
    y[3] = "rare"
    loo = LeaveOneOutInfluence(balance(LogisticRegression(**TIGHT)))
    loo.fit(X[:N], y, sample_weight=UNEVEN)
    assert loo.refitted_rows_.tolist() == [3]
    assert np.isfinite(loo.influence(X[N:], y[:5])).all()


@models
@pytest.mark.parametrize("weight", [UNEVEN, np.ones(N)], ids=["uneven", "none"])
def test_first_order_influence_is_the_derivative_of_a_refit(estimator, k, weight):
    """With respect to a row's own sample weight, which class weights may depend on."""
    y, y_test = LABELS[k][:N], LABELS[k][N:]
    estimator = balance(estimator)
    params = {} if (weight == 1).all() else {"sample_weight": weight}
    influence = InfluenceFunctions(estimator).fit(X[:N], y, **params)
    got = influence.influence(X[N:], y_test)
    for i in (0, 7, 18, 31):
        step = 1e-4 * np.eye(N)[i]
        more, less = (
            row_losses(fit(estimator, y, weight + h), X[N:], y_test)
            for h in (step, -step)
        )
        expected = -weight[i] * (more - less) / 2e-4
        assert_allclose(got[:, i], expected, atol=1e-5)
    # what is read off the same numbers by other ways
    assert_allclose(influence.sample_values(X[N:], y_test), got.mean(axis=0))
    own = np.diag(influence.influence(X[:N], y))
    assert_allclose(influence.self_influence(), own, atol=1e-12)
    groups = np.arange(N) % 3
    sums = np.column_stack([got[:, groups == g].sum(axis=1) for g in range(3)])
    assert_allclose(
        influence.group_influence(X[N:], y_test, groups=groups), sums, atol=1e-10
    )


def test_damping_and_rows_counted_by_sgd():
    """SGDClassifier counts rows: its weights are those of a logistic regression."""
    y = LABELS[2][:N]
    sgd = SGDClassifier(loss="log_loss", alpha=0.1, random_state=0, max_iter=10**4)
    model = removal_model(fit(balance(sgd), y, UNEVEN), X[:N], y, UNEVEN)
    _, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    by_hand = UNEVEN * (N / (2 * counts))[index]
    same = LogisticRegression(C=1 / (0.1 * N), **TIGHT)
    assert_allclose(
        (model.design.rows @ model.theta.T)[:, 0],
        fit(same, y, by_hand).decision_function(X[:N]),
        atol=1e-7,
    )
    logistic = balance(LogisticRegression(C=0.5, **TIGHT))
    damped = InfluenceFunctions(logistic, damping=2.0)
    got = damped.fit(X[:N], y, sample_weight=UNEVEN).influence(X[N:], LABELS[2][N:])
    plain = InfluenceFunctions(logistic)
    plain.fit(X[:N], y, sample_weight=UNEVEN)
    assert np.abs(got).sum() < np.abs(plain.influence(X[N:], LABELS[2][N:])).sum()


@pytest.mark.parametrize("name", [n for n in MODELS if n != "l1"])
@pytest.mark.parametrize("class_weight", ["balanced", "dict"])
def test_representer_points_by_hand(name, class_weight):
    estimator, k = MODELS[name]
    y = LABELS[k][:N]
    classes, index = np.unique(y, return_inverse=True)
    if class_weight == "dict":
        class_weight = {str(c): 1.0 + i for i, c in enumerate(classes)}
        of_class = 1.0 + index
    else:
        of_class = class_weights(estimator, y, UNEVEN)
    estimator = clone(estimator).set_params(class_weight=class_weight)
    points = RepresenterPoints(estimator).fit(X[:N], y, sample_weight=UNEVEN)
    model = points.estimator_
    signs = 2.0 * (y[:, None] == classes) - 1
    signs = signs[:, 1:] if k == 2 else signs
    margin = model.decision_function(X[:N]).reshape(N, -1)
    weight = (UNEVEN * of_class)[:, None]
    if isinstance(estimator, LogisticRegression):
        p = model.predict_proba(X[:N])[:, 1:] if k == 2 else model.predict_proba(X[:N])
        expected = 2.0 * weight * ((signs + 1) / 2 - p)
    elif isinstance(estimator, RidgeClassifier):
        expected = weight * (signs - margin) / 3.0
    else:
        if k == 3:  # the class weight is that of the one class, not of the rest
            weight = np.where(signs > 0, weight, UNEVEN[:, None])
        expected = 2 * 0.3 * weight * signs * np.maximum(1 - signs * margin, 0)
    assert_allclose(points.alpha_, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["logistic", "ridge"])
def test_case_diagnostics(name):
    """A step with weights held is that of weights by hand; an exact one is a refit."""
    estimator, k = MODELS[name]
    y = LABELS[k][:N]
    by_hand = UNEVEN * class_weights(estimator, y, UNEVEN)
    model = fit(balance(estimator), y, UNEVEN)
    got = case_diagnostics(model, X[:N], y, sample_weight=UNEVEN, step="one_step")
    plain = fit(estimator, y, by_hand)
    expected = case_diagnostics(plain, X[:N], y, sample_weight=by_hand, step="one_step")
    for key in expected:
        assert_allclose(got[key], expected[key], rtol=1e-6, atol=1e-9)
    exact = case_diagnostics(model, X[:N], y, sample_weight=UNEVEN)
    ratios = []
    for i in range(N):
        left = fit(balance(estimator), y, UNEVEN, np.delete(np.arange(N), i))
        moved = np.append(model.coef_ - left.coef_, model.intercept_ - left.intercept_)
        ratios.append(moved / exact.dfbetas[i])
    ratios = np.array(ratios)  # the standard errors, which are the same for all rows
    if name == "logistic":
        assert_allclose(ratios, np.broadcast_to(ratios[0], ratios.shape), rtol=1e-4)
    else:  # the variance without each row is common to its coefficients
        ratios /= ratios[:, :1]
        assert_allclose(ratios, np.broadcast_to(ratios[0], ratios.shape), rtol=1e-4)
