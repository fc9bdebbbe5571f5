"""More columns than rows: the same numbers as refits."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from checks.shaped_rows import FAMILIES, design_of, truth, wide
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from truth.refits import influence_of, log_loss, squared_error

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence._losses import SquaredError
from skinfluence.removal import removal_model
from skinfluence.removal.families import _problem
from skinfluence.removal.linear import _design

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
def test_steps_do_not_depend_on_coordinates(name, step, monkeypatch):
    estimator, kind, _ = FAMILIES[name]
    X, y, X_test, y_test = wide(kind)
    estimator = estimator.fit(X, y)
    kept = InfluenceFunctions(estimator, step=step, damping=0.1)
    with monkeypatch.context() as patch:
        keeping = partial(_design.make_design, keep_columns=True)
        patch.setattr(_problem, "make_design", keeping)
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
    removals = model.exact()
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
