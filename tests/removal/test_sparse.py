"""Sparse rows without dense algebra: the same numbers as refits."""

import numpy as np
import pytest
import scipy.sparse as sp
from checks.shaped_rows import SPARSE, design_of, text
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, Ridge
from truth.refits import influence_of, log_loss, squared_error

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model
from skinfluence.removal.linear import _design
from skinfluence.removal.sparse._matrix_free import InverseHessian

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
def test_matrix_free_leave_one_out_equals_refits(sparse, name):
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
    # The refit is compared with scikit-learn's fit to all rows, which SciPy 1.11 ends
    # 4e-6 from its optimum.
    assert_allclose(matrix[:, [5]], expected, atol=2e-5)
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
        assert model.minimise(0, weight, model.theta[0])[1] == np.inf


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
    monkeypatch.setattr("skinfluence.removal.sparse._matrix_free.FLOP", 1.0)
    model.influence(X_test, y_test)
    assert inverse.dual is None
    assert inverse.solves == len(y_test)
    monkeypatch.setattr("skinfluence.removal.sparse._matrix_free.FLOP", 1e-12)
    model.influence(X_test, y_test)
    assert inverse.dual is not None
    assert inverse.solves == len(y_test)


def test_cost_of_exact_removal_is_announced(sparse, monkeypatch):
    monkeypatch.setattr("skinfluence.removal.sparse._sparse.LONG", 0)
    X, y, *_ = text("binary")
    with pytest.warns(UserWarning, match="minutes of computing"):
        LeaveOneOutInfluence(LogisticRegression()).fit(X, y)
