"""Discriminant analysis and nearest centroids without rows, against refits."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from checks.score_refits import check_removals, some_groups
from sklearn.base import clone
from sklearn.covariance import OAS
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import scale
from tables import first

from skinfluence import InfluenceFunctions, LeaveOneOutInfluence
from skinfluence._losses import LogLoss
from skinfluence.removal import UnsupportedEstimator, removal_model

# Of scikit-learn's, about columns that are constant on purpose
pytestmark = [
    pytest.mark.filterwarnings("ignore:self.within_class_std_dev_"),
    pytest.mark.filterwarnings("ignore:Only one sample available"),
]

PRIOR = [0.2, 0.3, 0.5]

ESTIMATORS = [
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(priors=PRIOR, n_components=1),
    LinearDiscriminantAnalysis(solver="lsqr"),
    LinearDiscriminantAnalysis(solver="lsqr", priors=PRIOR),
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3),
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1.0),
    LinearDiscriminantAnalysis(solver="eigen"),
    LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1, priors=PRIOR),
    QuadraticDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(reg_param=0.2),
    QuadraticDiscriminantAnalysis(priors=PRIOR),
    QuadraticDiscriminantAnalysis(solver="eigen"),
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.3, priors=PRIOR),
    NearestCentroid(),
    NearestCentroid(priors="empirical"),
    NearestCentroid(priors=PRIOR),
    NearestCentroid(shrink_threshold=0.6),
    NearestCentroid(shrink_threshold=4.0, priors="empirical"),
]


def name(estimator):
    return " ".join(repr(estimator).split())


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    # Measured in tenths: rounding of such ties would decide zero-one losses
    return X + 1e-3 * np.random.default_rng(0).normal(size=X.shape), y


@pytest.fixture(scope="module")
def wine():
    return first("wine")


@pytest.fixture(scope="module")
def digits():
    """Pixels that are always zero, and some that are not in one row only."""
    return first("digits", 400, slice(400, 460))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_iris(iris, estimator):
    X, y = iris
    rows = np.arange(0, len(y), 6 if isinstance(estimator, NearestCentroid) else 3)
    removals = check_removals(estimator, X, y, X[::4], y[::4], rows=rows)
    assert len(removals.unresolved) == 0
    check_removals(estimator, X, y, X[::4], y[::4], None, some_groups(y))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_columns_of_different_scale(wine, estimator):
    X, y = wine
    # scikit-learn forms covariances, whose condition number is 1e8 here
    noise = 1e-10 if getattr(estimator, "solver", "svd") != "svd" else 1e-13
    rows = np.arange(0, len(y), 5)
    removals = check_removals(estimator, X, y, X[::4], y[::4], rows=rows, noise=noise)
    assert len(removals.unresolved) == 0


@pytest.mark.parametrize(
    "estimator", [ESTIMATORS[i] for i in (0, 2, 9, 13, 16)], ids=name
)
def test_two_classes(estimator):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    rows = np.arange(0, len(y), 20)
    check_removals(estimator, X, y, X[::7], y[::7], rows=rows, noise=1e-12)
    check_removals(estimator, X, y, X[::7], y[::7], None, some_groups(y), noise=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearDiscriminantAnalysis(),
        LinearDiscriminantAnalysis(solver="lsqr"),
        LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1),
        QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2),
        NearestCentroid(),
        NearestCentroid(shrink_threshold=1.0),
    ],
    ids=name,
)
def test_constant_columns(digits, estimator):
    X, y, X_test, y_test = digits
    rows = np.arange(0, len(y), 20)
    removals = check_removals(estimator, X, y, X_test, y_test, rows=rows, noise=1e-12)
    alone = ((X != 0).sum(axis=0) == 1).any()
    assert alone
    shrunk = getattr(estimator, "shrinkage", None)
    assert (len(removals.unresolved) == 0) == bool(shrunk)
    assert len(removals.unresolved) < 20
    masks = some_groups(y)[:3]
    check_removals(estimator, X, y, X_test, y_test, None, masks, noise=1e-12)
    exact = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    assert np.isfinite(exact.influence(X_test, y_test)).all()
    for i in exact.refitted_rows_[:2]:
        left = np.delete(np.arange(len(y)), i)
        after = clone(estimator).fit(X[left], y[left]).predict_proba(X_test)
        eps = np.finfo(np.float64).eps
        change = np.log(
            np.maximum(exact.predict_proba(X_test), eps) / np.maximum(after, eps)
        )[np.arange(60), y_test]
        # nothing but the loss of scikit-learn's own model without the row
        np.testing.assert_allclose(
            exact.influence(X_test, y_test)[:, i], change, rtol=1e-7, atol=1e-10
        )


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_duplicates(iris, estimator):
    X, y = iris
    twice = np.r_[np.arange(len(y)), np.arange(0, len(y), 7)]
    loo = LeaveOneOutInfluence(estimator).fit(X[twice], y[twice])
    matrix = loo.influence(X, y)
    np.testing.assert_allclose(
        matrix[:, len(y) :], matrix[:, 0 : len(y) : 7], rtol=1e-7, atol=1e-12
    )


@pytest.mark.parametrize(
    "estimator", [ESTIMATORS[i] for i in (0, 2, 4, 6, 13, 14, 16)], ids=name
)
def test_class_that_loses_its_only_row(iris, estimator):
    X, y = iris
    rows = np.r_[0:30, 50:90, 120]
    exact = LeaveOneOutInfluence(estimator, solver="exact").fit(X[rows], y[rows])
    refit = LeaveOneOutInfluence(estimator, solver="refit").fit(X[rows], y[rows])
    assert exact.refitted_rows_.tolist() == [70]
    close = {"rtol": 1e-6, "atol": 1e-9}
    np.testing.assert_allclose(exact.influence(X, y), refit.influence(X, y), **close)
    own = exact.self_influence()
    np.testing.assert_allclose(own, refit.self_influence(), **close)
    groups = np.r_[np.zeros(70), 1] > 0
    np.testing.assert_allclose(
        exact.group_influence(X, y, groups=groups[None]),
        refit.group_influence(X, y, groups=groups[None]),
        **close,
    )


def test_rows_that_span_a_direction(iris):
    """Without them columns depend on each other: refitted, as scikit-learn answers."""
    X, y = iris
    X = np.c_[X, X @ [1, 2, -1, 0.5]]
    X[33, 4] += 1
    for estimator in (
        LinearDiscriminantAnalysis(),
        LinearDiscriminantAnalysis(solver="lsqr"),
    ):
        loo = LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
        assert loo.refitted_rows_.tolist() == [33]
        check_removals(estimator, X, y, X[::4], y[::4], rows=range(0, 150, 9))
    estimator = NearestCentroid()
    X[:, 4] = y
    X[33, 4] += 1
    removals = check_removals(estimator, X, y, X[::4], y[::4], rows=range(0, 150, 9))
    assert removals.unresolved.tolist() == [33]


def test_centers_on_a_line(iris):
    """The solver svd drops small directions between centers, others do not."""
    X, y = iris
    others = np.arange(len(y)) != 7
    X = X - np.stack([X[others & (y == c)].mean(axis=0) for c in range(3)])[y]
    X[:, 0] += y
    X[7] = [0, 1e-2, 0, 0]  # it alone moves a center away from the line
    estimator = LinearDiscriminantAnalysis(tol=1e-3)
    with pytest.raises(UnsupportedEstimator, match="solver='svd'.*centers"):
        LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)
    estimator.set_params(tol=1e-6)
    removals = check_removals(estimator, X, y, X[::4], y[::4], rows=range(0, 150, 9))
    assert removals.unresolved.tolist() == [7]
    estimator.set_params(solver="lsqr")
    check_removals(estimator, X, y, X[::4], y[::4], rows=range(1, 150, 9))


def test_sparse_centroids(digits):
    X, y, X_test, y_test = digits
    for shrink_threshold in (None, 0.5):
        estimator = NearestCentroid(shrink_threshold=shrink_threshold)
        dense, sparse = (
            removal_model(clone(estimator).fit(kind(X), y), kind(X), y).exact()
            for kind in (np.asarray, sp.csr_array)
        )
        np.testing.assert_allclose(
            sparse.influence(sp.csr_array(X_test), y_test, LogLoss()),
            dense.influence(X_test, y_test, LogLoss()),
            rtol=1e-9,
            atol=1e-12,
        )


REFUSED = [
    (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), "shrinkage='auto'"),
    (
        LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=OAS()),
        "covariance_estimator=OAS",
    ),
    (LinearDiscriminantAnalysis(priors=[0.5, 0.5, 0]), "priors=.*logarithm"),
    (QuadraticDiscriminantAnalysis(solver="eigen", shrinkage="auto"), "shrinkage="),
    (NearestCentroid(metric="manhattan"), "metric='manhattan'.*medians"),
    (NearestCentroid(priors=[0.5, 0.5, 0]), "priors=.*logarithm"),
]


@pytest.mark.parametrize(("estimator", "match"), REFUSED)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_settings_without_exact_removal(iris, estimator, match):
    X, y = iris
    with pytest.raises(UnsupportedEstimator, match=f"{match}.*solver='refit'"):
        LeaveOneOutInfluence(estimator, solver="exact").fit(X, y)


def test_columns_without_exact_removal(iris):
    X, y = iris
    dependent = np.c_[X, X.sum(axis=1)]
    for estimator in (ESTIMATORS[0], ESTIMATORS[2]):
        with pytest.raises(UnsupportedEstimator, match="columns.*depend on each other"):
            LeaveOneOutInfluence(estimator, solver="exact").fit(dependent, y)
    rounding = np.c_[X, np.full(len(y), 0.1)]
    for estimator in (ESTIMATORS[0], NearestCentroid()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(UnsupportedEstimator, match=r"Columns \[.*4.*constant"):
                LeaveOneOutInfluence(estimator, solver="exact").fit(rounding, y)
    with pytest.raises(
        UnsupportedEstimator, match="LinearDiscriminantAnalysis.*LeaveOneOut"
    ):
        InfluenceFunctions(ESTIMATORS[0]).fit(X, y)


def test_quadratic_rows_that_scikit_learn_needs(iris):
    """Without such a row scikit-learn has no model, and says so."""
    X, y = iris
    X = X.copy()
    X[y == 2, 3] *= 0.02  # a variance below tol
    X[120, 3] = 1.0
    model = QuadraticDiscriminantAnalysis().fit(X, y)
    removals = removal_model(model, X, y).exact()
    assert removals.unresolved.tolist() == [120]
    assert np.isfinite(removals.influence(X, y, LogLoss())).all()
    with pytest.raises(np.linalg.LinAlgError, match="not full rank"):
        LeaveOneOutInfluence(QuadraticDiscriminantAnalysis()).fit(X, y)
    check_removals(QuadraticDiscriminantAnalysis(), X, y, X, y, rows=range(0, 150, 9))
