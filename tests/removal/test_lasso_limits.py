"""The lasso through the public methods, and where its removals end."""

import warnings

import numpy as np
import pytest
from checks.score_refits import leave
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LassoLars,
    MultiTaskElasticNet,
    MultiTaskLasso,
)

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence.removal import UnsupportedEstimator, removal_model

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


def test_through_the_methods(diabetes):
    X, y = diabetes
    train, test = slice(0, 60), slice(60, 80)
    tight = Lasso(alpha=1.0, tol=1e-12, max_iter=100_000)
    exact = LeaveOneOutInfluence(Lasso(alpha=1.0)).fit(X[train], y[train])
    refit = LeaveOneOutInfluence(tight, solver="refit").fit(X[train], y[train])
    assert exact.solver_ == "exact"
    assert len(exact.refitted_rows_) == 0
    expected = refit.influence(X[test], y[test])
    assert_allclose(exact.influence(X[test], y[test]), expected, rtol=1e-6, atol=1e-4)
    first = InfluenceFunctions(tight).fit(X[train], y[train])
    slope = first.influence(X[test], y[test])
    assert np.corrcoef(slope.ravel(), expected.ravel())[0, 1] > 0.9


def test_what_is_refused(diabetes):
    X, y = diabetes
    both = np.c_[y, y[::-1]]
    for kind in (MultiTaskElasticNet, MultiTaskLasso):
        with pytest.raises(UnsupportedEstimator, match=kind.__name__):
            removal_model(kind().fit(X, both), X, both)
    with pytest.raises(UnsupportedEstimator, match=r"LassoLars\(jitter="):
        removal_model(LassoLars(jitter=1e-3).fit(X, y), X, y)


def test_columns_that_the_data_do_not_distinguish():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 30)), rng.standard_normal(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = ElasticNet(alpha=0.0).fit(X, y)
    with pytest.raises(UnsupportedEstimator, match="no unique optimum"):
        removal_model(estimator, X, y)


def test_rows_without_a_unique_model_are_unresolved():
    # without row 0 the column that only it has is zero: any coefficient will do
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 3))
    X[1:, 2] = X[1:, 1]
    y = X @ [1.0, 2.0, -3.0] + 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = ElasticNet(alpha=0.0, fit_intercept=False).fit(X, y)
    removals = removal_model(estimator, X, y).exact()
    assert_array_equal(removals.unresolved, [0])
    assert np.isfinite(removals.displacement).all()


def test_no_coefficient_and_no_intercept(diabetes):
    X, y = diabetes
    estimator = Lasso(alpha=1e4, fit_intercept=False)
    model = removal_model(estimator.fit(X, y), X, y)
    for step in ("exact", "newton", "first_order"):
        assert not leave(model, step).displacement.any()


def test_gram_too_large_for_memory_is_refitted(diabetes, monkeypatch):
    from skinfluence.removal.linear import _design

    def full(*args):
        raise MemoryError("needs 40 GiB")

    X, y = diabetes
    monkeypatch.setattr(_design, "check_memory", full)
    estimator = Lasso().fit(X[:20], y[:20])
    with pytest.raises(UnsupportedEstimator, match="needs 40 GiB"):
        removal_model(estimator, X[:20], y[:20])
    assert LeaveOneOutInfluence(Lasso()).fit(X[:20], y[:20]).solver_ == "refit"
