"""More columns than rows, sparse rows, many rows: the same numbers as refits."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from refits import deviance, glm, influence_of, log_loss, squared_error, squared_margin
from scipy.special import logsumexp
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence._losses import SquaredError
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.linear import _design
from skinfluence.removal.linear._matrix_free import InverseHessian

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def wide(kind, n=24, d=70, n_test=9, seed=0):
    """More columns than rows, a linear signal, an offset in the columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + n_test, d)) + 0.5
    signal = X[:, :4].sum(axis=1) - 2
    if kind == "binary":
        y = (signal + rng.normal(size=len(X)) > 0).astype(int)
    elif kind == "classes":
        y = np.digitize(signal, [-1.0, 1.0])
    elif kind == "positive":
        y = rng.gamma(2.0, np.exp(0.2 * signal))
    elif kind == "outputs":
        y = np.column_stack([signal, -(signal**2)]) + rng.normal(size=(len(X), 2))
    else:
        y = signal + rng.normal(size=len(X))
    return X[:n], y[:n], X[n:], y[n:]


def cross_entropy(model, X, y):
    logits = model.decision_function(X)
    truth = np.searchsorted(model.classes_, y)
    return logsumexp(logits, axis=1) - logits[np.arange(len(y)), truth]


def squared_hinge(model, X, y):
    margin = model.decision_function(X)
    if margin.ndim == 1:
        code = np.where(y == model.classes_[1], 1, -1)
        return np.maximum(0, 1 - code * margin) ** 2
    code = np.where(y[:, None] == model.classes_, 1, -1)
    return (np.maximum(0, 1 - code * margin) ** 2).sum(axis=1)


SVC = LinearSVC(dual=True, tol=1e-10, max_iter=1_000_000, random_state=0)
FAMILIES = {
    "ridge": (Ridge(0.7), "real", squared_error),
    "ridge without intercept": (Ridge(0.7, fit_intercept=False), "real", squared_error),
    "ridge, two outputs": (Ridge([0.7, 30.0]), "outputs", squared_error),
    "ridge classifier": (RidgeClassifier(3.0), "classes", squared_margin),
    "ridge classifier, balanced": (
        RidgeClassifier(3.0, class_weight="balanced"),
        "binary",
        squared_margin,
    ),
    "logistic": (LogisticRegression(C=0.3), "binary", log_loss),
    "logistic, liblinear": (
        LogisticRegression(solver="liblinear", intercept_scaling=2.0),
        "binary",
        None,
    ),
    "multinomial": (LogisticRegression(C=0.1), "classes", cross_entropy),
    "poisson": (glm(1, alpha=0.5), "positive", deviance(1)),
    "gamma": (glm(2, alpha=0.5), "positive", deviance(2)),
    "tweedie": (glm(1.5, alpha=0.5), "positive", deviance(1.5)),
    "svc": (SVC, "binary", squared_hinge),
    "svc, three classes": (SVC, "classes", squared_hinge),
}


def truth(name, data, weight=None):
    """Influence by scikit-learn's refits."""
    estimator, _, loss = FAMILIES[name]
    X, y, X_test, y_test = data
    rows = [[i] for i in range(len(X))]
    if name == "logistic, liblinear":
        # the intercept is the coefficient of a constant that shares the penalty
        X, X_test = (np.column_stack([A, np.full(len(A), 2.0)]) for A in (X, X_test))
        estimator, loss = LogisticRegression(fit_intercept=False), log_loss
    if name == "multinomial":
        estimator = LogisticRegression(C=0.1, tol=1e-13, max_iter=10_000)
    return influence_of(rows, estimator, X, y, X_test, y_test, loss, weight)


def design_of(influence):
    """Return the design of the model that loses rows."""
    model = influence._model
    return getattr(model, "model", model).design


@pytest.mark.parametrize("name", FAMILIES)
def test_more_columns_than_rows(name):
    estimator, kind, _ = FAMILIES[name]
    data = wide(kind)
    X, y, X_test, y_test = data
    expected = truth(name, data)
    influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    assert isinstance(design_of(influence), _design.RowSpaceDesign)
    assert design_of(influence).rows.shape[1] <= len(X) + 1
    assert len(influence.refitted_rows_) == 0
    assert_allclose(influence.influence(X_test, y_test), expected, atol=5e-8)
    assert np.abs(expected).max() > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_sparse_rows(name):
    """Centred and penalised as dense rows are, without being made dense."""
    estimator, kind, _ = FAMILIES[name]
    X, y, X_test, y_test = wide(kind)
    keep = np.random.default_rng(1).random((len(X) + len(X_test), X.shape[1])) < 0.4
    X, X_test = X * keep[: len(X)], X_test * keep[len(X) :]
    expected = truth(name, (X, y, X_test, y_test))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_design, "SMALL", 0)
        influence = LeaveOneOutInfluence(estimator, solver="exact")
        influence.fit(sp.csr_array(X), y)
    assert isinstance(design_of(influence), _design.KernelDesign)
    matrix = influence.influence(sp.csr_array(X_test), y_test)
    assert_allclose(matrix, expected, atol=5e-8)


@pytest.mark.parametrize("step", ["newton", "infinitesimal"])
@pytest.mark.parametrize("name", [name for name in FAMILIES if "balanced" not in name])
def test_steps_do_not_depend_on_coordinates(name, step):
    estimator, kind, _ = FAMILIES[name]
    X, y, X_test, y_test = wide(kind)
    estimator = estimator.fit(X, y)
    kept = InfluenceFunctions(estimator, step=step, damping=0.1)
    with _design.original_columns():
        kept.fit(X, y)
    assert design_of(kept).keeps_columns
    turned = InfluenceFunctions(estimator, step=step, damping=0.1).fit(X, y)
    assert not design_of(turned).keeps_columns
    for ask in ("influence", "sample_values"):
        expected = getattr(kept, ask)(X_test, y_test)
        scale = np.abs(expected).max()
        assert_allclose(
            getattr(turned, ask)(X_test, y_test), expected, rtol=0, atol=1e-9 * scale
        )
    assert_allclose(turned.self_influence(), kept.self_influence(), atol=1e-9 * scale)


def test_weights_and_groups_of_wide_rows():
    X, y, X_test, y_test = wide("binary")
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.2, 3.0, size=len(X))
    estimator = LogisticRegression(C=0.3)
    influence = LeaveOneOutInfluence(estimator, solver="exact")
    influence.fit(X, y, sample_weight=weight)
    masks = rng.random((3, len(X))) < 0.2
    sets = [np.flatnonzero(mask) for mask in masks]
    data = estimator, X, y, X_test, y_test, log_loss, weight
    matrix = influence.group_influence(X_test, y_test, groups=masks)
    assert_allclose(matrix, influence_of(sets, *data), atol=5e-8)
    rows = influence_of([[i] for i in range(len(X))], *data)
    assert_allclose(influence.influence(X_test, y_test), rows, atol=5e-8)


def test_rows_that_depend_on_each_other():
    """Copies and combinations of rows, and columns far from zero."""
    X, y, X_test, y_test = wide("real")
    X[5], X[6] = X[4], X[0] - X[1] + X[2]
    X += 1e3
    X_test = X_test + 1e3
    singles = [[i] for i in range(len(X))]
    for alpha in (1e-4, 1e4):
        estimator = Ridge(alpha, solver="svd")
        influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
        expected = influence_of(singles, estimator, X, y, X_test, y_test, squared_error)
        scale = np.abs(expected).max()
        matrix = influence.influence(X_test, y_test)
        assert_allclose(matrix, expected, rtol=0, atol=1e-8 * scale)


def test_least_squares_with_more_columns_than_rows_is_refitted():
    X, y, X_test, y_test = wide("real")
    influence = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    assert len(influence.refitted_rows_) == len(X)
    expected = influence_of(
        [[i] for i in range(len(X))],
        LinearRegression(),
        X,
        y,
        X_test,
        y_test,
        squared_error,
    )
    assert_allclose(influence.influence(X_test, y_test), expected, atol=1e-8)


@pytest.mark.parametrize("intercept", [True, False])
def test_least_squares_keeps_directions_that_copies_share(intercept):
    X, y, X_test, y_test = wide("real", n=12, d=30)
    X, y = np.concatenate([X, X[:5]]), np.concatenate([y, -y[:5]])
    estimator = LinearRegression(fit_intercept=intercept)
    model = removal_model(estimator.fit(X, y), X, y)
    removals = model.without_rows()
    copies = np.r_[0:5, 12:17]
    assert np.array_equal(removals.unresolved, np.arange(5, 12))
    expected = influence_of(
        [[i] for i in copies], estimator, X, y, X_test, y_test, squared_error
    )
    matrix = removals.influence(X_test, y_test[:, None], SquaredError())
    assert_allclose(matrix[:, copies], expected, atol=1e-9)


def test_scaler_before_a_wide_model_is_refitted():
    """New scales change the penalty of one feature more than that of another."""
    X, y, X_test, y_test = wide("binary")
    X = X * np.geomspace(0.1, 10, X.shape[1])
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.05))
    influence = LeaveOneOutInfluence(estimator).fit(X, y)
    assert influence.solver_ == "exact"
    assert design_of(influence).keeps_columns
    tight = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.05, tol=1e-12, max_iter=10_000)
    )
    expected = influence_of(
        [[i] for i in range(len(X))], tight, X, y, X_test, y_test, log_loss
    )
    assert_allclose(influence.influence(X_test, y_test), expected, atol=1e-6)


def test_scaler_before_a_very_wide_model_is_not_held_fixed_silently(monkeypatch):
    X, y, *_ = wide("binary")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    monkeypatch.setattr(_design, "DENSE", 50)
    model = removal_model(estimator, X, y)
    assert not model.model.design.keeps_columns
    assert model.held_fixed == ("standardscaler",)


def test_coordinates_and_coefficients_are_inverse():
    X, y, *_ = wide("real")
    estimator = Ridge().fit(X, y)
    weight = np.random.default_rng(3).uniform(0.5, 2, len(X))
    args = True, True, weight
    for rows, kind in (
        (X, _design.Design),
        (X, _design.RowSpaceDesign),
        (sp.csr_array(X), _design.KernelDesign),
    ):
        design = kind(estimator, rows, *args)
        theta = design.coefficients(estimator.coef_, estimator.intercept_)
        assert_allclose(design.rows @ theta[0], estimator.predict(X))
        assert_allclose(design(rows[:3]), design.rows[:3], atol=1e-12)
        coef = design.to_coef(theta)
        again = design.coefficients(coef[:, :-1], coef[:, -1])
        assert_allclose(again, theta, atol=1e-12)
        assert_allclose(X @ coef[0, :-1] + coef[0, -1], estimator.predict(X))


# ------------------------------------------------------------- sparse, matrix-free


def text(kind, n=60, d=500, n_test=11, seed=0):
    """Sparse rows with many columns, a few of them informative."""
    rng = np.random.default_rng(seed)
    X = sp.random_array((n + n_test, d), density=0.03, rng=rng, format="csr")
    common = rng.random((n + n_test, 5)) * (rng.random((n + n_test, 5)) < 0.6)
    X = sp.hstack([X, common], format="csr")
    signal = 4 * (common[:, 0] - common[:, 1]) + 0.5 * rng.normal(size=n + n_test)
    y = (signal > 0).astype(int) if kind == "binary" else signal
    if kind == "outputs":
        y = np.column_stack([y, rng.normal(size=len(y))])
    if kind == "classes":
        y = np.digitize(signal, [-0.5, 0.5])
    return X[:n], y[:n], X[n:], y[n:]


SPARSE = {
    "logistic": (LogisticRegression(C=3.0), "binary", log_loss),
    "logistic, no intercept": (
        LogisticRegression(C=3.0, fit_intercept=False),
        "binary",
        log_loss,
    ),
    "logistic, liblinear": (
        LogisticRegression(C=3.0, solver="liblinear", intercept_scaling=2.0),
        "binary",
        None,
    ),
    "logistic, class weights": (
        LogisticRegression(C=3.0, class_weight={0: 2.0}),
        "binary",
        log_loss,
    ),
    "ridge": (Ridge(0.5), "real", squared_error),
    "ridge, two outputs": (Ridge(0.5), "outputs", squared_error),
    "ridge, no intercept": (Ridge(0.5, fit_intercept=False), "real", squared_error),
    "ridge classifier": (RidgeClassifier(0.5), "classes", squared_margin),
}


@pytest.fixture
def sparse(monkeypatch):
    """Treat all sparse rows as too many and too wide for dense algebra."""
    monkeypatch.setattr(_design, "SMALL", 0)
    monkeypatch.setattr(_design, "DENSE", 0)
    monkeypatch.setattr(_design, "KERNEL", 0)

    def ways(dual):
        pays = lambda self, n_solves: dual  # noqa: E731
        monkeypatch.setattr(InverseHessian, "_dual_pays", pays)

    ways(False)
    return ways


def dense_truth(name, data, rows):
    """Refits on dense rows, to rounding error."""
    estimator, _, loss = SPARSE[name]
    X, y, X_test, y_test = data
    X, X_test = X.toarray(), X_test.toarray()
    if name == "logistic, liblinear":
        X, X_test = (np.column_stack([A, np.full(len(A), 2.0)]) for A in (X, X_test))
        estimator, loss = LogisticRegression(C=3.0, fit_intercept=False), log_loss
    rows = [[i] for i in rows]
    return influence_of(rows, estimator, X, y, X_test, y_test, loss)


@pytest.mark.parametrize("name", SPARSE)
def test_matrix_free_leave_one_out_is_that_of_refits(sparse, name):
    estimator, kind, _ = SPARSE[name]
    data = text(kind)
    X, y, X_test, y_test = data
    influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    assert isinstance(design_of(influence), _design.SparseDesign)
    assert len(influence.refitted_rows_) == 0
    rows = np.arange(0, len(y), 3)
    X_all, y_all = sp.vstack([X_test, X]).tocsr(), np.concatenate([y_test, y])
    everything = dense_truth(name, (X, y, X_all, y_all), rows)
    expected, own = everything[: len(y_test)], everything[len(y_test) :]
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix[:, rows], expected, atol=2e-8)
    assert np.abs(expected).max() > 1e-3
    values = influence.sample_values(X_test, y_test)
    assert_allclose(values[rows], expected.mean(axis=0), atol=2e-8)
    own = own[rows, np.arange(len(rows))]
    assert_allclose(influence.self_influence()[rows], own, atol=2e-8)


@pytest.mark.parametrize(
    ("step", "dual", "damping"),
    [
        ("newton", False, 0.3),
        ("newton", True, 0.0),
        ("infinitesimal", False, 0.0),
        ("infinitesimal", True, 0.3),
        ("infinitesimal", False, 0.3),
    ],
)
@pytest.mark.parametrize("name", SPARSE)
def test_matrix_free_steps_equal_dense_steps(sparse, name, damping, step, dual):
    estimator, kind, _ = SPARSE[name]
    X, y, X_test, y_test = text(kind)
    sparse(dual)
    weight = np.random.default_rng(1).uniform(0.1, 3, size=len(y))
    weight[4] = 0.0
    arguments = {"step": step, "damping": damping}
    ours = InfluenceFunctions(estimator, **arguments).fit(X, y, sample_weight=weight)
    assert isinstance(design_of(ours), _design.SparseDesign)
    dense = InfluenceFunctions(estimator, **arguments)
    dense.fit(X.toarray(), y, sample_weight=weight)
    masks = np.random.default_rng(2).random((3, len(y))) < 0.1
    queries = [
        lambda model, X: model.influence(X, y_test),
        lambda model, X: model.sample_values(X, y_test),
        lambda model, X: model.group_influence(X, y_test, groups=masks),
        lambda model, X: model.self_influence(),
    ]
    for ask in queries:
        expected = ask(dense, X_test.toarray())
        scale = np.abs(expected).max()
        assert_allclose(ask(ours, X_test), expected, rtol=0, atol=1e-9 * scale)


def test_matrix_free_groups_are_those_of_refits(sparse):
    X, y, X_test, y_test = text("binary")
    weight = np.random.default_rng(1).uniform(0.1, 3, size=len(y))
    masks = np.random.default_rng(2).random((4, len(y))) < 0.15
    masks[3] = y == 0  # what is left is of one class: refitted
    estimator = LogisticRegression(C=3.0)
    influence = LeaveOneOutInfluence(estimator, solver="exact")
    influence.fit(X, y, sample_weight=weight)
    matrix = influence.group_influence(X_test, y_test, groups=masks)
    sets = [np.flatnonzero(mask) for mask in masks[:3]]
    data = X.toarray(), y, X_test.toarray(), y_test
    expected = influence_of(sets, estimator, *data, log_loss, weight)
    assert_allclose(matrix[:, :3], expected, atol=1e-8)
    assert np.isfinite(matrix[:, 3]).all()


@pytest.mark.parametrize("C", [0.01, 100.0])
def test_rows_that_steps_do_not_find_are_minimised(sparse, C):
    X, y, X_test, y_test = text("binary", seed=3)
    y[:6] = 1 - y[:6]  # noise has leverage where there are columns for everyone
    X = X * 10
    estimator = LogisticRegression(C=C, max_iter=10_000)
    influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    matrix = influence.influence(X_test, y_test)
    rows = np.argsort(-np.abs(matrix).max(axis=0))[:15]
    data = X.toarray(), y, X_test.toarray(), y_test
    expected = influence_of([[i] for i in rows], estimator, *data, log_loss)
    assert_allclose(matrix[:, rows], expected, atol=1e-7)


def test_sparse_row_that_determines_the_intercept_is_refitted(sparse):
    X, y, X_test, y_test = text("real")
    weight = np.ones(len(y))
    weight[5] = 1e11
    estimator = Ridge(0.5, tol=1e-12)
    influence = LeaveOneOutInfluence(estimator, solver="exact")
    influence.fit(X, y, sample_weight=weight)
    assert list(influence.refitted_rows_) == [5]
    matrix = influence.influence(X_test, y_test)
    data = X.toarray(), y, X_test.toarray(), y_test
    expected = influence_of([[5]], estimator, *data, squared_error, weight)
    assert_allclose(matrix[:, [5]], expected, rtol=1e-4)
    values = influence.sample_values(X_test, y_test)
    assert_allclose(values, matrix.mean(axis=0), rtol=1e-9, atol=1e-15)


def test_weak_penalties_of_sparse_rows_are_refitted(sparse):
    X, y, X_test, y_test = text("real", n=30)
    estimator = Ridge(1e-12)
    influence = LeaveOneOutInfluence(estimator).fit(X, y)
    assert influence.solver_ == "refit"
    with pytest.raises(UnsupportedEstimator, match="so weak that leverages"):
        LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    kept = InfluenceFunctions(Ridge(1e-6)).fit(X, y).influence(X_test, y_test)
    dense = InfluenceFunctions(Ridge(1e-6)).fit(X.toarray(), y)
    expected = dense.influence(X_test.toarray(), y_test)
    assert_allclose(kept, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["logistic", "ridge"])
def test_far_starts_reach_the_optimum(sparse, name):
    estimator, kind, _ = SPARSE[name]
    X, y, *_ = text(kind)
    model = removal_model(estimator.fit(X, y), X, y)
    far = 30 * np.random.default_rng(0).normal(size=model.theta.shape[1])
    theta, slack = model.minimise(0, model.weight, far)
    assert slack < 1e-9
    assert_allclose(theta, model.theta[0], atol=1e-9)
    weight = np.where(y == y.max(), 0.0, model.weight)
    if name == "logistic":  # one class is left: no optimum
        assert model.minimise(0, weight, model.theta[0])[1] is None


def test_dual_leverages_are_those_of_the_dense_formula(sparse):
    X, y, *_ = text("binary")
    for intercept, penalty in ((True, 0.0), (True, 0.7), (False, 2.0)):
        rows = sp.hstack([X, np.ones((len(y), 1))]) if intercept else X
        rows, R = sp.csr_array(rows), np.full(rows.shape[1], 2.0)
        R[-1] = penalty
        a = np.random.default_rng(0).uniform(0, 0.25, size=len(y))
        a[:3] = 0.0, 1e-12, 1e-9
        A = rows.toarray()
        inner = A @ np.linalg.solve((A.T * a) @ A + np.diag(R), A.T)
        inverse = InverseHessian(rows, a, R, intercept)
        factor = inverse.factorise()
        assert_allclose(factor.leverage, a * np.diag(inner), atol=1e-14)
        assert (factor.h >= np.diag(inner) * (1 - 1e-9)).all()
        steep = np.ones((len(y), 1))
        assert_allclose(factor.norms(steep), np.diag(inner), rtol=1e-9)
        expected = inner[:20]
        assert_allclose(inverse.products(rows[:20]), expected, atol=1e-12)
        factor.invert()
        assert_allclose(inverse.products(rows[:20]), expected, atol=1e-12)
        inverse.dual = None
        assert_allclose(inverse.products(rows[:20]), expected, atol=1e-10)


def test_balanced_sparse_rows(sparse):
    X, y, X_test, y_test = text("binary")
    estimator = LogisticRegression(C=3.0, class_weight="balanced")
    influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    rows = [[i] for i in range(0, len(y), 7)]
    data = X.toarray(), y, X_test.toarray(), y_test
    expected = influence_of(rows, estimator, *data, log_loss)
    matrix = influence.influence(X_test, y_test)
    assert_allclose(matrix[:, ::7], expected, atol=2e-8)


def test_few_test_rows_are_solved_for_many_are_factorised(monkeypatch):
    monkeypatch.setattr(_design, "SMALL", 0)
    monkeypatch.setattr(_design, "KERNEL", 0)
    X, y, X_test, y_test = text("binary")
    model = InfluenceFunctions(LogisticRegression()).fit(X, y)
    inverse = model._removals.inverse
    monkeypatch.setattr("skinfluence.removal.linear._matrix_free.FLOP", 1.0)
    model.influence(X_test, y_test)
    assert inverse.dual is None
    assert inverse.solves == len(y_test)
    monkeypatch.setattr("skinfluence.removal.linear._matrix_free.FLOP", 1e-12)
    model.influence(X_test, y_test)
    assert inverse.dual is not None
    assert inverse.solves == len(y_test)


def test_cost_of_exact_removal_is_announced(sparse, monkeypatch):
    monkeypatch.setattr("skinfluence.removal.linear._sparse.LONG", 0)
    X, y, *_ = text("binary")
    with pytest.warns(UserWarning, match="minutes of computing"):
        LeaveOneOutInfluence(LogisticRegression()).fit(X, y)


# ---------------------------------------------------------------------- many rows


@pytest.mark.parametrize("name", ["logistic", "multinomial", "ridge, two outputs"])
@pytest.mark.parametrize("step", ["newton", "infinitesimal", "exact"])
def test_streamed_means_equal_means_of_the_matrix(monkeypatch, name, step):
    estimator, kind, _ = FAMILIES[name]
    X, y, X_test, y_test = wide(kind, n=90, d=5, n_test=300)
    if step == "exact":
        influence = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    else:
        influence = InfluenceFunctions(estimator, step=step).fit(X, y)
    matrix = influence.influence(X_test, y_test)
    weight = np.arange(len(X_test)) % 7.0
    expected = weight @ matrix / weight.sum()
    monkeypatch.setattr("skinfluence.removal._raw.TILE", 1000)
    values = influence.sample_values(X_test, y_test, sample_weight=weight)
    assert_allclose(values, expected, rtol=1e-10, atol=1e-16)
    monkeypatch.setattr(type(influence), "_blocks", lambda self, n: [[0, 2], [5]])
    values = influence.sample_values(X_test, y_test)
    if step != "infinitesimal":  # needs no blocks
        assert_allclose(values, matrix[[0, 2, 5]].sum(axis=0) / len(matrix))


def test_streamed_means_of_rows_with_full_leverage():
    X, y, X_test, y_test = wide("real", n=40, d=3)
    X = np.column_stack([X, np.arange(40) == 7])
    X_test = np.column_stack([X_test, np.ones(len(X_test))])
    influence = LeaveOneOutInfluence(LinearRegression()).fit(X, y)
    assert list(influence.refitted_rows_) == [7]
    expected = influence.influence(X_test, y_test).mean(axis=0)
    assert_allclose(influence.sample_values(X_test, y_test), expected)


def test_streamed_means_include_refitted_rows():
    X, y, X_test, y_test = wide("binary", n=40, d=3)
    y[:] = 0
    y[7] = 1  # without it there is one class
    y_test[:] = np.arange(len(y_test)) % 2
    influence = LeaveOneOutInfluence(LogisticRegression(), solver="exact").fit(X, y)
    assert list(influence.refitted_rows_) == [7]
    expected = influence.influence(X_test, y_test).mean(axis=0)
    assert_allclose(influence.sample_values(X_test, y_test), expected)
